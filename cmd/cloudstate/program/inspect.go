package program

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/cloudstate-go/cloudstate/cmd/cloudstate/internal/inspection"
	"github.com/cloudstate-go/cloudstate/cmd/cloudstate/internal/settings"
	"github.com/cloudstate-go/cloudstate/proxy/store/sqlite"
)

const inspectHelp = `Inspect shows what a store has, as JSON, one object a line: without arguments the types of
entities, which are persistence ids; with a type its entities; with a type and an id that
entity: its events with the newest snapshot, its state, or its CRDT. With --dead-letters it
shows the events that were not handled; "cloudstate dead-letters" deals with them.

It changes nothing, and may look while a proxy runs.

Messages are shown with the descriptors that the service sent to its proxy. What they do not
have is shown in base64, with a hint on standard error.`

const inspectExamples = `  # the types of entities
  cloudstate inspect --store sqlite:cart.db

  # the shopping carts, and the one of jo
  cloudstate inspect --store sqlite:cart.db shopping-cart
  cloudstate inspect --store sqlite:cart.db shopping-cart jo

  # ten events, from the hundredth on
  cloudstate inspect --store sqlite:cart.db shopping-cart jo --from 100 --limit 10

  # what consumers of events have given up
  cloudstate inspect --store sqlite:cart.db --dead-letters`

// An inspectCommand is one look into a store.
type inspectCommand struct {
	env   Environment
	store storeURL
	part  inspection.Range

	deadLetters bool
}

func newInspect(env Environment) *cobra.Command {
	i := &inspectCommand{env: env, store: defaultStore}
	command := &cobra.Command{
		Use:     "inspect [type [id]]",
		Short:   "Show what a store has",
		Long:    inspectHelp,
		Example: inspectExamples,
		Args:    cobra.MaximumNArgs(2),
		RunE: func(command *cobra.Command, args []string) error {
			var ofEnv pflag.FlagSet // the environment says which store, as for the proxy, and no more
			ofEnv.AddFlag(command.Flags().Lookup("store"))
			if err := (settings.Sources{Env: env.Env}).Apply(&ofEnv); err != nil {
				return err
			}
			if i.part.Limit < 0 {
				return fmt.Errorf("--limit is %d, want a number of lines, or 0 for all", i.part.Limit)
			}
			if i.deadLetters && len(args) > 0 {
				return fmt.Errorf("--dead-letters shows those of all consumers, found the argument %q", args[0])
			}
			if i.store == inMemory {
				return errors.New("a store in memory cannot be looked into from outside; want --store sqlite:FILE")
			}
			return failed(i.run(command.Context(), args))
		},
	}
	flags := command.Flags()
	flags.SortFlags = false
	flags.Var(&i.store, "store", "what to look into: sqlite:FILE [CLOUDSTATE_STORE]")
	flags.BoolVar(&i.deadLetters, "dead-letters", false, "show the events that consumers have given up")
	flags.StringVar(&i.part.From, "from", "", "begin with this id, or with the event or dead letter of this number")
	flags.IntVar(&i.part.Limit, "limit", 0, "end after so many entities or events; 0 means all")
	return command
}

func (i *inspectCommand) run(ctx context.Context, args []string) (err error) {
	reader, err := sqlite.OpenReader(ctx, i.store.file())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("open the store: %w; --store sets another file", err)
	case err != nil:
		return fmt.Errorf("open the store: %w", err)
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	inspector, err := inspection.New(ctx, reader, i.env.Stdout, func(hint string) {
		_, _ = fmt.Fprintln(i.env.Stderr, "cloudstate:", hint)
	})
	if err != nil {
		return err
	}
	switch {
	case i.deadLetters:
		return inspector.DeadLetters(ctx, i.part)
	case len(args) == 0:
		return inspector.Types(ctx)
	case len(args) == 1:
		return inspector.Entities(ctx, args[0], i.part)
	default:
		return inspector.Entity(ctx, args[0], args[1], i.part)
	}
}
