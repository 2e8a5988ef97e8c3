package storetest

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// A LoggedJournal is a journal with its event log.
type LoggedJournal interface {
	store.Journal
	store.EventLog
}

// RunEventLog runs the conformance tests for event logs, in the way of [Run].
func RunEventLog(t *testing.T, name string, open func(t *testing.T) LoggedJournal) {
	t.Helper()
	tests := map[string]func(*logFixture){
		"a type without events has an empty log":                     testEmptyLog,
		"events of all entities are in the order of their storage":   testLogOrder,
		"a batch is in the log in order":                             testLogBatch,
		"a log has nothing of other types":                           testLogOfOneType,
		"a log is read in parts":                                     testLogInParts,
		"a refused append leaves nothing behind":                     testLogRefused,
		"snapshots are not in the log and hide nothing":              testLogSnapshots,
		"a watcher learns of an event":                               testLogWatch,
		"a watcher learns of what it has not read":                   testLogWatchBefore,
		"who follows a log of concurrent writers misses nothing":     testLogFollow,
		"large, empty and binary events survive":                     testLogOddEvents,
		"types and ids may contain anything":                         testLogOddKeys,
		"a cancelled context reads nothing":                          testLogCancelled,
		"what the caller does to its bytes afterwards has no effect": testLogNoAliasing,
	}
	run(t, name, tests, func(t *testing.T) *logFixture {
		t.Helper()
		return newLogFixture(t, open(t), t.Name())
	})
}

// A logFixture is an event log, and a type that nobody else uses.
type logFixture struct {
	*testing.T

	journal LoggedJournal
	typ     string

	mu    sync.Mutex
	heads map[string]store.Head
}

func newLogFixture(t *testing.T, journal LoggedJournal, typ string) *logFixture {
	t.Helper()
	return &logFixture{T: t, journal: journal, typ: typ, heads: map[string]store.Head{}}
}

// append stores the events of one command of an entity.
func (f *logFixture) append(id string, events ...string) {
	f.Helper()
	require.NoError(f, f.tryAppend(id, events...))
}

func (f *logFixture) tryAppend(id string, events ...string) error {
	f.mu.Lock()
	head := f.heads[id]
	f.mu.Unlock()
	a := store.Append{Key: store.Key{Type: f.typ, ID: id}, Expected: head, OpID: newOpID()}
	for _, event := range events {
		a.Events = append(a.Events, []byte(event))
	}
	head, err := f.journal.Append(f.Context(), a)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil {
		f.heads[id] = head
	}
	return err
}

// read returns what is in the log.
func (f *logFixture) read(after uint64, limit int) []store.LoggedEvent {
	f.Helper()
	events, err := f.journal.ReadEvents(f.Context(), f.typ, after, limit)
	require.NoError(f, err)
	for _, event := range events {
		require.Greater(f, event.Offset, after)
		after = event.Offset
	}
	return events
}

// requireLog requires that the log has exactly these events, each as "id event".
func (f *logFixture) requireLog(want ...string) []store.LoggedEvent {
	f.Helper()
	events := f.read(0, 1000)
	require.Len(f, events, len(want))
	for i, text := range want {
		require.Equal(f, text, events[i].EntityID+" "+string(events[i].Data))
	}
	return events
}

func testEmptyLog(f *logFixture) {
	f.requireLog()
	require.Empty(f, f.read(1000, 1))
}

func testLogOrder(f *logFixture) {
	f.append("e1", "a")
	f.append("e2", "b")
	f.append("e1", "c")
	events := f.requireLog("e1 a", "e2 b", "e1 c")
	require.Positive(f, events[0].Offset)
	f.append("e3", "d")
	require.Equal(f, events, f.requireLog("e1 a", "e2 b", "e1 c", "e3 d")[:3], "an event keeps its offset")
}

func testLogBatch(f *logFixture) {
	f.append("e1", "a", "b", "c")
	f.append("e2", "d", "e")
	f.requireLog("e1 a", "e1 b", "e1 c", "e2 d", "e2 e")
}

func testLogOfOneType(f *logFixture) {
	other := newLogFixture(f.T, f.journal, f.typ+" other")
	f.append("e1", "a")
	other.append("e1", "b")
	f.append("e1", "c")
	f.requireLog("e1 a", "e1 c")
	other.requireLog("e1 b")
}

func testLogInParts(f *logFixture) {
	const all = 25
	for i := range all {
		f.append(fmt.Sprint("e", i%3), fmt.Sprint(i))
	}
	var events []store.LoggedEvent
	after := uint64(0)
	for {
		part := f.read(after, 10)
		events = append(events, part...)
		if len(part) < 10 {
			break
		}
		after = part[len(part)-1].Offset
	}
	require.Len(f, events, all)
	for i, event := range events {
		require.Equal(f, fmt.Sprint(i), string(event.Data))
	}
	last := events[all-1].Offset
	require.Len(f, f.read(last-1, 10), 1)
	require.Len(f, f.read(last-1, math.MaxInt), 1)
	require.Empty(f, f.read(last, 10))
	require.Empty(f, f.read(last+1, 10))
}

func testLogRefused(f *logFixture) {
	f.append("e1", "a")
	_, err := f.journal.Append(f.Context(), store.Append{Key: store.Key{Type: f.typ, ID: "e1"}, Events: [][]byte{[]byte("b")}, OpID: newOpID()})
	require.Error(f, err)
	f.append("e1", "c")
	f.requireLog("e1 a", "e1 c")
}

func testLogSnapshots(f *logFixture) {
	_, err := f.journal.Append(f.Context(), store.Append{
		Key: store.Key{Type: f.typ, ID: "e1"}, Events: [][]byte{[]byte("a"), []byte("b")}, Snapshot: []byte("state"), OpID: newOpID(),
	})
	require.NoError(f, err)
	f.requireLog("e1 a", "e1 b")
}

func testLogWatch(f *logFixture) {
	first, second := f.journal.WatchEvents(f.typ), f.journal.WatchEvents(f.typ)
	f.append("e1", "a")
	<-first
	<-second
	third := f.journal.WatchEvents(f.typ)
	f.append("e1", "b")
	<-third
}

func testLogWatchBefore(f *logFixture) {
	changed := f.journal.WatchEvents(f.typ)
	require.Empty(f, f.read(0, 10))
	f.append("e1", "a")
	<-changed
	f.requireLog("e1 a")
}

func testLogFollow(f *logFixture) {
	const writers, each = 4, 50
	var group sync.WaitGroup
	errs := make([]error, writers)
	for w := range writers {
		group.Go(func() {
			for n := 0; n < each && errs[w] == nil; n++ {
				errs[w] = f.tryAppend(fmt.Sprint("e", w), fmt.Sprint(n), "second")
			}
		})
	}
	next := map[string]int{}
	seen, after := 0, uint64(0)
	for seen < 2*writers*each {
		changed := f.journal.WatchEvents(f.typ)
		events := f.read(after, 7)
		for _, event := range events {
			if n := next[event.EntityID]; n%2 == 0 {
				require.Equal(f, fmt.Sprint(n/2), string(event.Data), "the events of %s have a gap, or are out of order", event.EntityID)
			}
			next[event.EntityID]++
			seen++
			after = event.Offset
		}
		if len(events) == 0 {
			<-changed
		}
	}
	group.Wait()
	for _, err := range errs {
		require.NoError(f, err)
	}
	require.Empty(f, f.read(after, 1))
}

func testLogOddEvents(f *logFixture) {
	large := string(bytes.Repeat([]byte("0123456789abcdef"), 64<<10)) // 1 MiB
	f.append("e1", "", "\x00\xff", large)
	f.requireLog("e1 ", "e1 \x00\xff", "e1 "+large)
}

func testLogOddKeys(f *logFixture) {
	for _, name := range odd {
		one := newLogFixture(f.T, f.journal, f.typ+name)
		one.append(name, "a")
		one.requireLog(name + " a")
	}
}

func testLogCancelled(f *logFixture) {
	f.append("e1", "a")
	ctx, cancel := context.WithCancel(f.Context())
	cancel()
	_, err := f.journal.ReadEvents(ctx, f.typ, 0, 10)
	require.ErrorIs(f, err, context.Canceled)
}

func testLogNoAliasing(f *logFixture) {
	event := []byte("a")
	_, err := f.journal.Append(f.Context(), store.Append{Key: store.Key{Type: f.typ, ID: "e1"}, Events: [][]byte{event}, OpID: newOpID()})
	require.NoError(f, err)
	clear(event)
	for range 2 { // the second time shows whether the first one was a copy
		clear(f.requireLog("e1 a")[0].Data)
	}
}
