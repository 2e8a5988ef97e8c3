// Command conformance checks user functions and proxies in any language against the Cloudstate
// protocol, and prints a report:
//
//	conformance userfunction -addr 127.0.0.1:8080
//	conformance proxy -addr 127.0.0.1:9000 -listen 127.0.0.1:8090
//
// The user function has to serve the models of the official conformance kit; the proxy has to
// look for its user function at -listen. The command fails with status 1 if an assertion does
// not hold.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/cloudstate-go/cloudstate/conformance"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// halves are what can be checked. Each takes flags, which are defined in its set.
var halves = map[string]func(ctx context.Context, flags *flag.FlagSet, args []string) (*conformance.Report, error){
	"proxy":        checkProxy,
	"userfunction": checkUserFunction,
}

// run is main with what it depends on. It returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	report, err := check(ctx, args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return say(stderr, 2, "conformance: %v\n", err)
	}
	if failed := report.Failed(); len(failed) > 0 {
		return say(stdout, 1, "%s\n%d assertions do not hold: %s\n", report, len(failed), strings.Join(failed, ", "))
	}
	return say(stdout, 0, "%s", report)
}

// say prints something and returns the status that the program ends with: the given one, if
// it could be printed.
func say(to io.Writer, status int, format string, args ...any) int {
	if _, err := fmt.Fprintf(to, format, args...); err != nil {
		return 2
	}
	return status
}

// check checks what the first argument names.
func check(ctx context.Context, args []string, stderr io.Writer) (*conformance.Report, error) {
	if len(args) == 0 || halves[args[0]] == nil {
		names := slices.Sorted(maps.Keys(halves))
		return nil, fmt.Errorf("the first argument says what to check, %s; found %q", strings.Join(names, " or "), args)
	}
	flags := flag.NewFlagSet("conformance "+args[0], flag.ContinueOnError)
	flags.SetOutput(stderr)
	report, err := halves[args[0]](ctx, flags, args[1:])
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("%s takes flags only, found %q; see -help", args[0], flags.Args())
	}
	return report, err
}

// checkUserFunction checks a user function that is running.
func checkUserFunction(ctx context.Context, flags *flag.FlagSet, args []string) (*conformance.Report, error) {
	addr := flags.String("addr", "127.0.0.1:8080", "where the user function listens")
	timeout := flags.Duration("timeout", 3*time.Second, "how long each message may take")
	skip := skipFlag(flags)
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 {
		return nil, err
	}
	conn, err := grpc.NewClient(*addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, fmt.Errorf("connect to the user function at %s: %w", *addr, err)
	}
	report := conformance.CheckUserFunction(ctx, conformance.UserFunction{Conn: conn, Timeout: *timeout, Skip: skip})
	return report, conn.Close()
}

// skipFlag defines the flag -skip, and returns what it is set to.
func skipFlag(flags *flag.FlagSet) map[string]string {
	skip := map[string]string{}
	flags.Func("skip", "assertions that are not checked, such as P-030,P-031", func(ids string) error {
		for id := range strings.SplitSeq(ids, ",") {
			if !assertionID.MatchString(id) {
				return fmt.Errorf("%q is not the number of an assertion, such as P-030", id)
			}
			skip[id] = "skipped with -skip"
		}
		return nil
	})
	return skip
}

var assertionID = regexp.MustCompile(`^P-\d{3}$`)
