package entities_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/cloudstate-go/cloudstate/proxy/internal/entities"
	"github.com/cloudstate-go/cloudstate/proxy/internal/scripted"
	"github.com/cloudstate-go/cloudstate/proxy/store"
	"github.com/cloudstate-go/cloudstate/proxy/store/storetest"
)

// gate is a journal whose appends wait.
type gate struct {
	store.Journal

	open chan struct{}
}

func (g gate) Append(ctx context.Context, a store.Append) (store.Head, error) {
	<-g.open
	return g.Journal.Append(ctx, a)
}

// P-054: events are durable before the reply leaves, and before side effects run.
func TestCommit_ComesBeforeTheReply(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := gate{open: make(chan struct{})}
		f := start(t, func(c *entities.Config) { g.Journal = c.Journal; c.Journal = g })
		c := f.ask("u1", "emit")
		stream := f.Accept()
		stream.RequireInit("u1")
		answer := reply(stream.RequireCommand(1, "Ask"), scripted.Event("a"))
		answer.SideEffects = effects(scripted.Second, "e1")
		stream.Answer(answer)
		synctest.Wait()
		select {
		case <-c.done:
			require.Fail(t, "the reply was delivered before the events were stored")
		default:
		}
		f.requireJournal("u1", nil)
		close(g.open)
		c.requireAnswer("ok")
		f.requireJournal("u1", nil, scripted.Event("a"))
		f.takeEffect("e1")
	})
}

// P-062: the events of a command are stored together, or not at all, and a command
// whose events could not be stored has no effects.
func TestCommit_IsAtomic(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		faults []storetest.Fault
		stored bool
		fault  string
	}{
		"stored":                              {nil, true, ""},
		"the store fails":                     {[]storetest.Fault{storetest.FailAppend}, false, "injected fault"},
		"another writer was faster":           {[]storetest.Fault{storetest.ConflictAppend}, false, "load the entity again"},
		"unknown, and it turns out as stored": {[]storetest.Fault{storetest.UnknownStored}, true, ""},
		"unknown, and nothing is stored":      {[]storetest.Fault{storetest.UnknownNotStored}, false, "nothing was stored"},
		"unknown for a while": {
			[]storetest.Fault{storetest.UnknownStored, storetest.FailResolve, storetest.FailResolve, storetest.FailResolve}, true, "",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := start(t)
				f.put(scripted.Event("before"))
				c := f.ask("u1", "emit")
				stream := f.Accept()
				stream.RequireInit("u1")
				stream.RequireEvent(1)
				command := stream.RequireCommand(1, "Ask")
				queued := f.ask("u1", "queued")
				synctest.Wait()
				f.journal.Inject(tt.faults...)
				answer := reply(command, scripted.Event("a"), scripted.Event("b"))
				if !tt.stored {
					answer.SideEffects = effects(scripted.Second, "e1")
				}
				stream.Answer(answer)
				if tt.stored {
					c.requireAnswer("ok")
					stream.Reply(stream.RequireCommand(2, "Ask"), scripted.Answer("ok"), scripted.Event("c"))
					queued.requireAnswer("ok")
					f.requireJournal("u1", nil, scripted.Event("before"), scripted.Event("a"), scripted.Event("b"), scripted.Event("c"))
					return
				}
				c.requireError(codes.Unknown, "Unexpected entity failure")
				queued.requireError(codes.Unknown, "Entity terminated")
				f.requireFault(tt.fault)
				f.requireJournal("u1", nil, scripted.Event("before"))
				stream.Close()

				c = f.ask("u1", "again") // the next stream is not that of the effect
				stream = f.Accept()
				stream.RequireInit("u1")
				stream.RequireEvent(1)
				stream.Reply(stream.RequireCommand(1, "Ask"), scripted.Answer("ok"), scripted.Event("c"))
				c.requireAnswer("ok")
				f.requireJournal("u1", nil, scripted.Event("before"), scripted.Event("c"))
			})
		})
	}
}

// An outcome that stays unknown for the relay timeout drops the entity.
func TestCommit_GivesUpToResolve(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t, func(c *entities.Config) { c.RelayTimeout = 10 * time.Second })
		stream := f.open("u1")
		f.journal.Inject(storetest.UnknownStored)
		f.journal.Inject(slices.Repeat([]storetest.Fault{storetest.FailResolve}, 100)...)
		c := f.ask("u1", "emit")
		command := stream.RequireCommand(2, "Ask")
		time.Sleep(time.Second) //nolint:forbidigo // virtual time; the client gives up first
		stream.Answer(reply(command, scripted.Event("a")))
		c.requireError(codes.DeadlineExceeded, `scripted.First "u1" did not answer Ask within 10s`)
		stream.Close()
		synctest.Wait()
		f.requireFault("the outcome could not be resolved")

		c = f.ask("u1", "what has happened?")
		stream = f.Accept()
		stream.RequireInit("u1")
		stream.RequireEvent(1)
		stream.Reply(stream.RequireCommand(1, "Ask"), scripted.Answer("ok"))
		c.requireAnswer("ok")
	})
}

// A second writer is found out, and the entity continues from what it has written.
func TestCommit_ConflictsWithAnotherWriter(t *testing.T) {
	t.Parallel()
	f := start(t)
	stream := f.open("u1")
	f.put(scripted.Event("by another proxy"))
	c := f.ask("u1", "emit")
	stream.Reply(stream.RequireCommand(2, "Ask"), scripted.Answer("ok"), scripted.Event("a"))
	c.requireError(codes.Unknown, "Unexpected entity failure")
	f.requireFault("the journal is at event 1")
	stream.Close()

	c = f.ask("u1", "emit")
	stream = f.Accept()
	stream.RequireInit("u1")
	stream.RequireEvent(1)
	stream.Reply(stream.RequireCommand(1, "Ask"), scripted.Answer("ok"), scripted.Event("a"))
	c.requireAnswer("ok")
	f.requireJournal("u1", nil, scripted.Event("by another proxy"), scripted.Event("a"))
}

// P-061.
func TestCommit_SnapshotWithoutEventsIsNotStored(t *testing.T) {
	t.Parallel()
	f := start(t)
	stream := f.open("u1")
	c := f.ask("u1", "snapshot")
	answer := reply(stream.RequireCommand(2, "Ask"))
	answer.Snapshot = scripted.Event("state")
	stream.Answer(answer)
	c.requireAnswer("ok")
	f.requireFault("the reply has a snapshot, but no events")
	f.requireJournal("u1", nil)
}

// slow is a journal whose loads take a while.
type slow struct{ store.Journal }

func (s slow) Load(ctx context.Context, key store.Key, fn func(store.Record) error) (store.Head, error) {
	time.Sleep(time.Second) //nolint:forbidigo // virtual time
	return s.Journal.Load(ctx, key, fn)
}

// a journal that cannot be read is answered, not left to the timeout.
func TestRecovery_FailsWhenTheJournalCannotBeRead(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		prepare func(*fixture)
		fault   string
	}{
		"at the start": {func(f *fixture) { f.journal.Inject(storetest.FailLoad) }, "injected fault"},
		"at the end":   {func(f *fixture) { f.journal.Inject(storetest.FailLoadLate) }, "injected fault"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := start(t, func(c *entities.Config) { c.Journal = slow{c.Journal} })
				f.put(scripted.Event("a"))
				tt.prepare(f)
				calls := []*call{f.ask("u1", "hello"), f.ask("u1", "hello")}
				stream := f.Accept()
				synctest.Wait()
				for stream.Receive() != nil {
					continue
				}
				for _, c := range calls {
					c.requireError(codes.Unknown, "Error recovering event log")
				}
				require.Contains(t, f.requireFault(tt.fault).Err.Error(), `scripted.First journal "u1"`)
				stream.End(nil)

				c := f.ask("u1", "hello")
				stream = f.Accept()
				stream.RequireInit("u1")
				stream.RequireEvent(1)
				stream.Reply(stream.RequireCommand(1, "Ask"), scripted.Answer("ok"))
				c.requireAnswer("ok")
			})
		})
	}
}

// fixed is a journal that says what it is told.
type fixed struct {
	store.Journal

	records []store.Record
	head    uint64
}

func (j fixed) Load(_ context.Context, _ store.Key, fn func(store.Record) error) (store.Head, error) {
	for _, record := range j.records {
		if err := fn(record); err != nil {
			return store.Head{}, err
		}
	}
	return store.Head{Seq: j.head}, nil
}

// A journal that makes no sense is not replayed: a wrong state would be worse.
func TestRecovery_FailsWhenTheJournalIsDamaged(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		journal fixed
		fault   string
	}{
		"an event is not encoded":                 {fixed{records: []store.Record{{Seq: 1, Data: []byte("\xff")}}, head: 1}, "record 1 is not an encoded google.protobuf.Any"},
		"the first event is missing":              {fixed{records: []store.Record{{Seq: 2}}, head: 2}, "event 2 follows 0"},
		"an event is missing":                     {fixed{records: []store.Record{{Seq: 1}, {Seq: 3}}, head: 3}, "event 3 follows 1"},
		"the event after the snapshot is missing": {fixed{records: []store.Record{{Seq: 5, Snapshot: true}, {Seq: 7}}, head: 7}, "event 7 follows 5"},
		"an event is there twice":                 {fixed{records: []store.Record{{Seq: 1}, {Seq: 1}}, head: 1}, "event 1 follows 1"},
		"the last event is missing":               {fixed{records: []store.Record{{Seq: 1}}, head: 2}, "its head is 2, but its last record is 1"},
		"a snapshot comes late":                   {fixed{records: []store.Record{{Seq: 1}, {Seq: 1, Snapshot: true}}, head: 1}, "the snapshot at 1 comes after other records"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := start(t, func(c *entities.Config) { c.Journal = tt.journal })
			c := f.ask("u1", "hello")
			stream := f.Accept()
			for stream.Receive() != nil {
				continue
			}
			c.requireError(codes.Unknown, "Error recovering event log")
			f.requireFault(tt.fault)
			stream.End(nil)
		})
	}
}

// The journal's own numbers are kept apart from ids that look alike.
func TestCommit_KeepsEntitiesApart(t *testing.T) {
	t.Parallel()
	f := start(t)
	ids := []string{"a|b", "a", "a ", "A", uuid.NewString()}
	for _, id := range ids {
		stream := f.open(id)
		c := f.ask(id, "emit")
		stream.Reply(stream.RequireCommand(2, "Ask"), scripted.Answer("ok"), scripted.Event(id))
		c.requireAnswer("ok")
	}
	for _, id := range ids {
		f.requireJournal(id, nil, scripted.Event(id))
	}
}
