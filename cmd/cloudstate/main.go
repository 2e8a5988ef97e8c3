// Command cloudstate is the proxy as a program: it keeps the state of entities, and routes the
// calls of clients to a user function in any language. See "cloudstate --help".
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/cloudstate-go/cloudstate/cmd/cloudstate/program"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(program.Run(ctx, program.Environment{
		Args:   os.Args[1:],
		Env:    os.LookupEnv,
		Stdout: os.Stdout,
		Stderr: os.Stderr,
	}))
}
