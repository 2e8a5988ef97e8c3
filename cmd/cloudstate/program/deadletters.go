package program

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cloudstate-go/cloudstate/cmd/cloudstate/internal/settings"
	"github.com/cloudstate-go/cloudstate/proxy"
)

// addDeadLetters adds POST /dead-letters/{id}/redeliver and DELETE /dead-letters/{id}, for
// clients on the same machine.
func addDeadLetters(mux *http.ServeMux, of *proxy.Proxy) {
	add := func(pattern string, do func(context.Context, uint64) error) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			id, err := strconv.ParseUint(r.PathValue("id"), 10, 64)
			switch {
			case !isLocal(r.RemoteAddr):
				answer(w, http.StatusForbidden, "dead letters are dealt with from the machine of the proxy, or from its pod")
				return
			case err != nil:
				answer(w, http.StatusBadRequest, fmt.Sprintf("%q is not the number of a dead letter", r.PathValue("id")))
				return
			}
			_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // the relay timeout limits it
			if err := do(r.Context(), id); err != nil {
				answer(w, http.StatusConflict, err.Error())
				return
			}
			answer(w, http.StatusOK, "done")
		})
	}
	add("POST /dead-letters/{id}/redeliver", of.Redeliver)
	add("DELETE /dead-letters/{id}", of.Discard)
}

// isLocal says whether an address is one of this machine, that others cannot have.
func isLocal(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	return err == nil && net.ParseIP(host).IsLoopback()
}

const deadLettersHelp = `Dead letters are events that were not handled, however often they were delivered. "cloudstate
inspect --dead-letters" shows them, with their numbers.

This asks a proxy that runs on this machine to deliver some of them once more, when what went
wrong has been repaired, or to forget them.`

const deadLettersExamples = `  # what there is
  cloudstate inspect --store sqlite:cart.db --dead-letters

  # deliver two of them once more, and forget another one
  cloudstate dead-letters redeliver 3 4
  cloudstate dead-letters discard 5`

func newDeadLetters(env Environment) *cobra.Command {
	command := &cobra.Command{
		Use:     "dead-letters",
		Short:   "Deliver events again that were not handled, or forget them",
		Long:    deadLettersHelp,
		Example: deadLettersExamples,
		Args:    cobra.NoArgs,
		RunE:    func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	at := (&settings.Address{PortFrom: "MANAGEMENT_PORT", Remote: true}).Is("127.0.0.1:8558")
	command.PersistentFlags().Var(at, "management", "where the proxy is managed [MANAGEMENT_PORT]")
	add := func(use, short, method, path string) {
		command.AddCommand(&cobra.Command{
			Use:   use + " number...",
			Short: short,
			Args:  cobra.MinimumNArgs(1),
			RunE: func(command *cobra.Command, args []string) error {
				if err := (settings.Sources{Env: env.Env}).Apply(command.InheritedFlags()); err != nil {
					return err
				}
				for _, id := range args {
					if _, err := strconv.ParseUint(id, 10, 64); err != nil {
						return fmt.Errorf("%q is not the number of a dead letter", id)
					}
				}
				var errs []error
				for _, id := range args {
					err := manage(command.Context(), method, "http://"+at.String()+"/dead-letters/"+id+path)
					if err != nil {
						err = fmt.Errorf("%s %s: %w", use, id, err)
					}
					errs = append(errs, err)
				}
				return failed(errors.Join(errs...))
			},
		})
	}
	add("redeliver", "Deliver dead letters once more", http.MethodPost, "/redeliver")
	add("discard", "Forget dead letters for good", http.MethodDelete, "")
	return command
}

// manage makes a request to the management address of a proxy, and returns what it answers, if
// that is not OK, as an error.
func manage(ctx context.Context, method, url string) error {
	request, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("%w; --management says where the proxy is", err)
	}
	defer response.Body.Close() //nolint:errcheck // it is read
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return errors.New(strings.TrimSpace(string(text)))
	}
	return nil
}
