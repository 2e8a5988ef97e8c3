package sqlite_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	eventspb "github.com/cloudstate-go/cloudstate/conformance/modelpb/eventsourcedmodel"
	valuespb "github.com/cloudstate-go/cloudstate/conformance/modelpb/valuemodel"
	"github.com/cloudstate-go/cloudstate/conformance/models"
	"github.com/cloudstate-go/cloudstate/proxy/store"
)

var kills = flag.Int("kills", 4, "how often the kill test kills a proxy")

// P-054 and P-079, the hard way: a proxy on a file is killed at random moments under load,
// again and again. Whatever it has replied to is there afterwards, in order and once; what it
// has not replied to is there as a whole, or not at all; and nothing else is there.
func TestStore_SurvivesKill(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	path := filepath.Join(directory, "test.db")

	var all []*load
	replies := 0
	for round := range *kills {
		socket := filepath.Join(directory, fmt.Sprint(round))
		p := start(t, path, socket)
		if round%4 == 3 { // while it opens the file, perhaps
			pause(time.Duration(rand.Int64N(int64(200 * time.Millisecond))))
			p.kill(t)
		} else {
			p.wait(t)
			l := newLoad(t, round, socket)
			l.run(t, 1+rand.IntN(1000), func() { p.kill(t) })
			all = append(all, l)
			replies += l.replies
		}
		s := open(t, path)
		for _, l := range all {
			l.requireStored(t, s)
		}
		require.NoError(t, s.Close())
	}
	t.Logf("%d kills, %d replies", *kills, replies)
}

// pause waits for a random moment, which is what the test is about.
func pause(d time.Duration) {
	<-time.After(d)
}

// A load is writers that use one proxy until it is gone. They use entities that nobody else
// has used before.
type load struct {
	conn    *grpc.ClientConn
	journal []*writer // two for each entity
	values  []*writer
	replies int
}

// A writer sends one command after the other to an entity.
type writer struct {
	entity   string
	name     string
	send     func(ctx context.Context, commands []string) error
	commands [][]string // each with the events, or with the state, that it leads to
	replies  int        // all commands have one, except for the last one perhaps
}

func newLoad(t *testing.T, round int, socket string) *load {
	t.Helper()
	conn, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	l := &load{conn: conn}
	for i := range 16 {
		events := &writer{entity: fmt.Sprintf("round-%d-%d", round, i/2), name: fmt.Sprint("writer-", i)}
		events.send = func(ctx context.Context, texts []string) error {
			request := &eventspb.Request{Id: events.entity}
			for _, text := range texts {
				request.Actions = append(request.Actions, &eventspb.RequestAction{Action: &eventspb.RequestAction_Emit{Emit: &eventspb.Emit{Value: text}}})
			}
			_, err := eventspb.NewEventSourcedTckModelClient(conn).Process(ctx, request)
			return err
		}
		l.journal = append(l.journal, events)

		state := &writer{entity: fmt.Sprintf("round-%d-%d", round, i), name: "state"}
		state.send = func(ctx context.Context, texts []string) error {
			request := &valuespb.Request{Id: state.entity, Actions: []*valuespb.RequestAction{{Action: &valuespb.RequestAction_Delete{}}}}
			if len(texts) > 0 {
				request.Actions[0].Action = &valuespb.RequestAction_Update{Update: &valuespb.Update{Value: texts[0]}}
			}
			_, err := valuespb.NewValueEntityTckModelClient(conn).Process(ctx, request)
			return err
		}
		l.values = append(l.values, state)
	}
	return l
}

// run lets the writers write until the proxy is killed, a moment after some replies.
func (l *load) run(t *testing.T, replies int, kill func()) {
	t.Helper()
	var writers sync.WaitGroup
	replied := make(chan struct{})
	for _, w := range append(append([]*writer{}, l.journal...), l.values...) {
		writers.Go(func() { w.run(t.Context(), replied) })
	}
	done := make(chan struct{})
	go func() {
		writers.Wait()
		close(done)
	}()
	var moment <-chan time.Time
	for running := true; running; {
		select {
		case <-replied:
			l.replies++
			if l.replies == replies {
				moment = time.After(time.Duration(rand.Int64N(int64(5 * time.Millisecond))))
			}
		case <-moment:
			kill()
			moment = nil
		case <-done:
			running = false
		}
	}
	require.GreaterOrEqual(t, l.replies, replies, "the proxy has failed before it was killed")
	require.NoError(t, l.conn.Close())
}

// run writes until there is an error, which is the end of the proxy.
func (w *writer) run(ctx context.Context, replied chan<- struct{}) {
	for n := 0; ; n++ {
		var command []string // none deletes a state
		for i := range n % 4 {
			command = append(command, fmt.Sprintf("%s %d.%d;", w.name, n, i))
		}
		if w.name != "state" && len(command) == 0 {
			continue
		}
		w.commands = append(w.commands, command)
		if err := w.send(ctx, command); err != nil {
			return
		}
		w.replies++
		replied <- struct{}{}
	}
}

// requireStored requires that a file has what the proxy has replied to.
func (l *load) requireStored(t *testing.T, s interface {
	store.Journal
	store.Values
	store.Lister
},
) {
	t.Helper()
	for i := 0; i < len(l.journal); i += 2 {
		key := store.Key{Type: models.EventSourced.PersistenceID, ID: l.journal[i].entity}
		var events []string
		whole := ""
		for event, err := range s.Events(t.Context(), key, 0) {
			require.NoError(t, err)
			events = append(events, textOf(t, event.Data))
			whole += events[len(events)-1]
		}
		requireEvents(t, events, l.journal[i], l.journal[i+1])

		replayed := ""
		_, err := s.Load(t.Context(), key, func(record store.Record) error {
			replayed += textOf(t, record.Data)
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, whole, replayed, "the snapshot of %v", key)
	}
	for _, w := range l.values {
		value, err := s.Get(t.Context(), store.Key{Type: models.ValueEntity.PersistenceID, ID: w.entity})
		require.NoError(t, err)
		w.requireValue(t, value)
	}
}

// requireEvents requires that a journal has the commands of its writers: each as a whole, in
// order, and once.
func requireEvents(t *testing.T, events []string, writers ...*writer) {
	t.Helper()
	stored := map[*writer]int{}
	for at := 0; at < len(events); {
		w := writerOf(events[at:], writers, stored)
		require.NotNil(t, w, "event %d of %s is not what one of its writers did next: %q", at+1, writers[0].entity, events[at])
		at += len(w.commands[stored[w]])
		stored[w]++
	}
	for _, w := range writers {
		require.GreaterOrEqual(t, stored[w], w.replies, "%s has lost events of %s", w.entity, w.name)
	}
}

// writerOf returns who has sent the command that some events begin with, or nil.
func writerOf(events []string, writers []*writer, stored map[*writer]int) *writer {
	for _, w := range writers {
		if stored[w] == len(w.commands) {
			continue
		}
		command := w.commands[stored[w]]
		if len(command) <= len(events) && slices.Equal(command, events[:len(command)]) {
			return w
		}
	}
	return nil
}

// requireValue requires that a value is what the last write has left that had a reply, or
// the one that had none yet.
func (w *writer) requireValue(t *testing.T, value store.Value) {
	t.Helper()
	writes := int(value.Version) // in SQLite, versions are counted
	require.GreaterOrEqual(t, writes, w.replies, "%s has lost writes", w.entity)
	require.LessOrEqual(t, writes, len(w.commands), "%s has writes that nobody made", w.entity)
	if writes == 0 {
		require.False(t, value.Exists)
		return
	}
	want := w.commands[writes-1]
	require.Equal(t, len(want) > 0, value.Exists)
	if value.Exists {
		require.Equal(t, want[0], textOf(t, value.Data))
	}
}

// textOf returns the text of an event, a snapshot or a state, which are all alike.
func textOf(t *testing.T, data []byte) string {
	t.Helper()
	var stored anypb.Any
	require.NoError(t, proto.Unmarshal(data, &stored))
	var persisted eventspb.Persisted
	require.NoError(t, proto.Unmarshal(stored.GetValue(), &persisted))
	return persisted.GetValue()
}
