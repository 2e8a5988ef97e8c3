// Package program is the command cloudstate, for the process of that name and for tests.
//
// A test runs the proxy as users do, and learns from its log where it listens:
//
//	code := program.Run(ctx, program.Environment{
//		Args:   []string{"proxy", "--user-function", addr, "--store", "memory", "--listen", "127.0.0.1:0", "--log-format", "json"},
//		Stderr: log, // {"level":"INFO","msg":"proxy serves","addr":"127.0.0.1:40123", …}
//	})
package program

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// What the command exits with.
const (
	// ExitOK means that it did what it was asked to. A proxy that is told to stop, and
	// does, exits with it.
	ExitOK = 0
	// ExitFailure means that something went wrong.
	ExitFailure = 1
	// ExitUsage means that it was not understood what to do: a flag, an argument or
	// a setting is wrong. Nothing was done.
	ExitUsage = 2
)

// An Environment is what a command finds around it.
type Environment struct {
	// Args are the arguments, without the name of the program.
	Args []string
	// Env looks an environment variable up, as os.LookupEnv does. Nil means that there
	// are none.
	Env func(name string) (value string, found bool)
	// Stdout gets what was asked for, and Stderr logs and errors. Nil means that nobody
	// reads it.
	Stdout, Stderr io.Writer
}

// Run carries out a command until it is done, or until the context ends, and returns what to
// exit with.
func Run(ctx context.Context, env Environment) int {
	if env.Env == nil {
		env.Env = func(string) (string, bool) { return "", false }
	}
	if env.Stdout == nil {
		env.Stdout = io.Discard
	}
	if env.Stderr == nil {
		env.Stderr = io.Discard
	}
	root := newRoot(env)                          //nolint:contextcheck // commands get it from ExecuteContextC
	root.SetArgs(append([]string{}, env.Args...)) // not nil, which means os.Args
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	executed, err := root.ExecuteContextC(ctx)
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, new(failure)):
		if !errors.Is(err, errLogged) {
			_, _ = fmt.Fprintln(env.Stderr, "cloudstate:", err)
		}
		return ExitFailure
	default: // of cobra, or of the settings
		_, _ = fmt.Fprintf(env.Stderr, "cloudstate: %v\nRun \"%s --help\" for help.\n", err, executed.CommandPath())
		return ExitUsage
	}
}

// A failure is an error that is not one of usage.
type failure struct{ error }

func (f failure) Unwrap() error { return f.error }

// failed makes a failure of an error, if it is one.
func failed(err error) error {
	if err == nil {
		return nil
	}
	return failure{err}
}

// errLogged is a failure that everybody knows of.
var errLogged = errors.New("see the log")

func newRoot(env Environment) *cobra.Command {
	root := &cobra.Command{
		Use:   "cloudstate",
		Short: "The proxy of stateful serverless entities",
		Long: `Cloudstate runs stateful serverless entities: you write a user function, in any
language that has a Cloudstate library, and this program keeps its state. It speaks the
Cloudstate protocol, version 0.2.

It exits with 0 when it has done what it was asked to, with 1 if something went wrong, and
with 2 if a flag, an argument or a setting is wrong.`,
		Example: `  cloudstate proxy --user-function 127.0.0.1:8080 --store sqlite:cart.db
  cloudstate inspect --store sqlite:cart.db shopping-cart jo
  cloudstate proxy --help`,
		Args:          cobra.NoArgs,
		RunE:          func(command *cobra.Command, _ []string) error { return command.Help() },
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(newProxy(env), newInspect(env), newDeadLetters(env), newVersion())
	return root
}
