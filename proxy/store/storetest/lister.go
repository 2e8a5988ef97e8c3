package storetest

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// A Listed is a store that lists what it has.
type Listed interface {
	store.Journal
	store.Values
	store.Lister
}

// RunLister runs the conformance tests for lists, in the way of [Run].
func RunLister(t *testing.T, name string, open func(t *testing.T) Listed) {
	t.Helper()
	tests := map[string]func(*listFixture){
		"types are listed once, in order":                  testTypes,
		"nothing is listed of a type that has nothing":     testListNothing,
		"journals are listed in order of their ids":        testListJournals,
		"values are listed in order of their ids":          testListValues,
		"a deleted value is listed as such":                testListDeleted,
		"a list starts where it is told":                   testListFrom,
		"events are listed from before the snapshot":       testListEvents,
		"what is long is listed completely":                testListLong,
		"ids may contain anything":                         testListOddIDs,
		"a list may be ended early and used again":         testListEndsEarly,
		"appends do not wait for a slow consumer":          testAppendDuringList,
		"a cancelled context lists nothing":                testCancelledList,
		"what the consumer does to an event has no effect": testNoListAliasing,
	}
	run(t, name, tests, func(t *testing.T) *listFixture {
		t.Helper()
		listed := open(t)
		f := &listFixture{listed: listed, typ: t.Name()}
		f.fixture = &fixture{T: t, journal: listed, key: store.Key{Type: f.typ, ID: "e1"}}
		f.values = &valuesFixture{T: t, values: listed, key: f.key}
		return f
	})
}

// A listFixture is a store and a type of entities that nobody else uses.
type listFixture struct {
	*fixture

	values *valuesFixture
	listed Listed
	typ    string
}

// of returns fixtures for another entity.
func (f *listFixture) of(typ, id string) (*fixture, *valuesFixture) {
	key := store.Key{Type: typ, ID: id}
	return &fixture{T: f.T, journal: f.listed, key: key}, &valuesFixture{T: f.T, values: f.listed, key: key}
}

// collect returns all that a sequence has.
func collect[T any](f *listFixture, seq iter.Seq2[T, error]) []T {
	f.Helper()
	var all []T
	for element, err := range seq {
		require.NoError(f, err)
		all = append(all, element)
	}
	return all
}

func (f *listFixture) journalIDs(from string) []string {
	f.Helper()
	infos := collect(f, f.listed.Journals(f.Context(), f.typ, from))
	return idsOf(f, infos, func(info store.JournalInfo) store.Key { return info.Key })
}

func (f *listFixture) valueIDs(from string) []string {
	f.Helper()
	infos := collect(f, f.listed.ListValues(f.Context(), f.typ, from))
	return idsOf(f, infos, func(info store.ValueInfo) store.Key { return info.Key })
}

// idsOf returns the ids of what is listed, which must have the type of f.
func idsOf[T any](f *listFixture, infos []T, keyOf func(T) store.Key) []string {
	f.Helper()
	ids := make([]string, len(infos))
	for i, info := range infos {
		key := keyOf(info)
		require.Equal(f, f.typ, key.Type)
		ids[i] = key.ID
	}
	return ids
}

func testTypes(f *listFixture) {
	want := []string{f.typ + " ", f.typ + "'", f.typ + "a", f.typ + "aa", f.typ + "b", f.typ + "\u65e5"}
	for i, typ := range want {
		events, values := f.of(typ, "e1")
		if i != 2 {
			events.append(store.Head{}, "event")
		}
		if i != 4 {
			values.delete(0)
		}
	}
	types, err := f.listed.Types(f.Context())
	require.NoError(f, err)
	require.IsIncreasing(f, types)
	require.Subset(f, types, want)
	require.NotContains(f, types, f.typ)
}

func testListNothing(f *listFixture) {
	other, values := f.of(f.typ+"x", "e1")
	other.append(store.Head{}, "event")
	values.put(0, "value")
	require.Empty(f, f.journalIDs(""))
	require.Empty(f, f.valueIDs(""))
	require.Empty(f, collect(f, f.listed.Events(f.Context(), f.key, 0)))
}

func testListJournals(f *listFixture) {
	before := time.Now()
	for _, id := range []string{"c", "a", "b"} {
		events, _ := f.of(f.typ, id)
		head := events.append(store.Head{}, "1", "2")
		if id != "a" {
			head = events.appendWithSnapshot(head, "after 3", "3")
		}
		if id == "b" {
			events.append(head, "4")
		}
	}
	infos := collect(f, f.listed.Journals(f.Context(), f.typ, ""))
	for i := range infos {
		f.requireRecent(before, infos[i].Updated)
		infos[i].Updated = time.Time{}
	}
	require.Equal(f, []store.JournalInfo{
		{Key: store.Key{Type: f.typ, ID: "a"}, Seq: 2},
		{Key: store.Key{Type: f.typ, ID: "b"}, Seq: 4, Snapshot: 3},
		{Key: store.Key{Type: f.typ, ID: "c"}, Seq: 3, Snapshot: 3},
	}, infos)
}

// requireRecent requires that a time is between another one and now. The clock of a store
// may be less precise, and that of a server a little off.
func (f *listFixture) requireRecent(before, recent time.Time) {
	f.Helper()
	require.WithinRange(f, recent, before.Add(-time.Minute), time.Now().Add(time.Minute))
}

func testListValues(f *listFixture) {
	before := time.Now()
	versions := map[string]store.Version{}
	for _, id := range []string{"c", "a", "b"} {
		_, values := f.of(f.typ, id)
		versions[id] = values.put(values.put(0, "first"), "second")
	}
	infos := collect(f, f.listed.ListValues(f.Context(), f.typ, ""))
	for i := range infos {
		f.requireRecent(before, infos[i].Updated)
		infos[i].Updated = time.Time{}
	}
	require.Equal(f, []store.ValueInfo{
		{Key: store.Key{Type: f.typ, ID: "a"}, Exists: true, Version: versions["a"]},
		{Key: store.Key{Type: f.typ, ID: "b"}, Exists: true, Version: versions["b"]},
		{Key: store.Key{Type: f.typ, ID: "c"}, Exists: true, Version: versions["c"]},
	}, infos)
}

func testListDeleted(f *listFixture) {
	version := f.values.delete(f.values.put(0, "value"))
	infos := collect(f, f.listed.ListValues(f.Context(), f.typ, ""))
	require.Len(f, infos, 1)
	require.False(f, infos[0].Exists)
	require.Equal(f, version, infos[0].Version)
}

func testListFrom(f *listFixture) {
	for _, id := range []string{"a", "b", "bb", "c"} {
		events, values := f.of(f.typ, id)
		events.append(store.Head{}, "event")
		values.put(0, "value")
	}
	tests := map[string][]string{"": {"a", "b", "bb", "c"}, "b": {"b", "bb", "c"}, "b\x00": {"bb", "c"}, "d": {}}
	for from, want := range tests {
		require.Equal(f, want, f.journalIDs(from), "from %q", from)
		require.Equal(f, want, f.valueIDs(from), "from %q", from)
	}
}

func testListEvents(f *listFixture) {
	before := time.Now()
	head := f.appendWithSnapshot(store.Head{}, "after 2", "1", "2")
	f.append(head, "3")
	for from, want := range map[uint64][]string{0: {"1", "2", "3"}, 1: {"1", "2", "3"}, 2: {"2", "3"}, 4: nil} {
		events := collect(f, f.listed.Events(f.Context(), f.key, from))
		require.Len(f, events, len(want), "from %d", from)
		for i, event := range events {
			require.Equal(f, max(from, 1)+uint64(i), event.Seq)
			require.Equal(f, want[i], string(event.Data))
			f.requireRecent(before, event.Time)
		}
	}
}

func testListLong(f *listFixture) {
	const entities, events = 600, 3000
	f.append(store.Head{}, make([]string, events)...)
	require.Len(f, collect(f, f.listed.Events(f.Context(), f.key, 0)), events)

	want := make([]string, 1+entities)
	want[0] = f.key.ID
	var writers sync.WaitGroup
	errs := make([]error, entities)
	for i := range entities { // at once, because a durable store takes its time for each
		want[1+i] = "e1 " + string(rune('\u4e00'+i))
		writers.Go(func() {
			entity, _ := f.of(f.typ, want[1+i])
			_, errs[i] = f.listed.Append(f.Context(), entity.request(store.Head{}, "event"))
		})
	}
	writers.Wait()
	require.NoError(f, errors.Join(errs...))
	require.Equal(f, want, f.journalIDs(""))
}

func testListOddIDs(f *listFixture) {
	for _, id := range odd {
		events, values := f.of(f.typ, id)
		events.append(store.Head{}, "event")
		values.put(0, "value")
	}
	want := slices.Sorted(slices.Values(odd))
	require.Equal(f, want, f.journalIDs(""))
	require.Equal(f, want, f.valueIDs(""))
}

func testListEndsEarly(f *listFixture) {
	f.append(store.Head{}, "1", "2", "3")
	seq := f.listed.Events(f.Context(), f.key, 0)
	for range 2 {
		for event, err := range seq {
			require.NoError(f, err)
			require.Equal(f, uint64(1), event.Seq)
			break
		}
	}
	require.Len(f, collect(f, seq), 3)
}

func testAppendDuringList(f *listFixture) {
	head := f.append(store.Head{}, "1", "2")
	f.values.put(0, "value")
	for _, err := range f.listed.Events(f.Context(), f.key, 0) {
		require.NoError(f, err)
		head = f.append(head, "more")
		if head.Seq > 5 {
			break
		}
	}
	for _, err := range f.listed.Journals(f.Context(), f.typ, "") {
		require.NoError(f, err)
		head = f.append(head, "more")
	}
	for info, err := range f.listed.ListValues(f.Context(), f.typ, "") {
		require.NoError(f, err)
		f.values.put(info.Version, "more")
	}
}

func testCancelledList(f *listFixture) {
	f.append(store.Head{}, "event")
	f.values.put(0, "value")
	ctx, cancel := context.WithCancel(f.Context())
	cancel()
	_, err := f.listed.Types(ctx)
	require.ErrorIs(f, err, context.Canceled)
	requireCancelled(f, f.listed.Journals(ctx, f.typ, ""))
	requireCancelled(f, f.listed.Events(ctx, f.key, 0))
	requireCancelled(f, f.listed.ListValues(ctx, f.typ, ""))
}

// requireCancelled requires that a sequence has nothing but the error of its context.
func requireCancelled[T any](f *listFixture, seq iter.Seq2[T, error]) {
	f.Helper()
	calls := 0
	for element, err := range seq {
		calls++
		require.Zero(f, element)
		require.ErrorIs(f, err, context.Canceled)
	}
	require.Equal(f, 1, calls)
}

func testNoListAliasing(f *listFixture) {
	f.append(store.Head{}, "event")
	for range 2 { // the second time shows whether the first one was a copy
		events := collect(f, f.listed.Events(f.Context(), f.key, 0))
		require.Len(f, events, 1)
		require.Equal(f, "event", string(events[0].Data))
		clear(events[0].Data)
	}
}
