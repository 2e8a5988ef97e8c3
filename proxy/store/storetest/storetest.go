// Package storetest proves that a store keeps the promises of package store, and
// injects faults into one.
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, "postgres", func(t *testing.T) store.Journal {
//			return openForTest(t)
//		})
//	}
//
// [RunValues] does the same for values, [RunReplicas] for CRDTs, [RunEventLog], [RunTopics]
// and [RunConsumers] for what eventing needs, and [RunLister] and [RunDescriptors] for what
// tools read. A [Faulty] wraps a journal for tests of what uses it, [FaultyValues] values, and
// [FaultyReplicas] CRDTs: the next append or write fails, conflicts, or ends with an unknown
// outcome.
package storetest

import (
	"crypto/rand"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// Run runs the conformance tests, each with a journal that open returns, as
// subtests of a test called name. They run in parallel. A journal may be shared by
// several of them, as each uses entities of its own; open closes it by t.Cleanup.
func Run(t *testing.T, name string, open func(t *testing.T) store.Journal) {
	t.Helper()
	tests := map[string]func(*fixture){
		"an entity without events is empty":                          testEmpty,
		"events are numbered from one":                               testNumbers,
		"a batch is stored in order":                                 testBatch,
		"an append without events is refused":                        testNoEvents,
		"an append without an operation id is refused":               testNoOpID,
		"an append that expects too little conflicts":                testStaleHead,
		"an append that expects too much conflicts":                  testFutureHead,
		"a conflict says where to go on":                             testConflictRecovers,
		"a refused batch leaves nothing behind":                      testRefusedBatch,
		"of concurrent writers exactly one wins":                     testOneWins,
		"concurrent writers that retry lose nothing":                 testWritersRetry,
		"a load starts with the newest snapshot":                     testSnapshot,
		"a snapshot of a refused append is not stored":               testRefusedSnapshot,
		"an empty snapshot is a snapshot":                            testEmptySnapshot,
		"a stored append resolves to its head":                       testResolveStored,
		"a refused append resolves to not stored":                    testResolveRefused,
		"an unknown operation resolves to not stored":                testResolveUnknown,
		"an operation belongs to its entity":                         testResolveOtherEntity,
		"an append that is repeated conflicts and is stored once":    testRepeatedAppend,
		"a long journal is loaded completely and in order":           testLongJournal,
		"an error of the callback ends the load":                     testCallbackError,
		"appends do not wait for a slow load":                        testAppendDuringLoad,
		"a load sees all of a batch or nothing":                      testLoadIsAtomic,
		"a cancelled context stores nothing that is not resolvable":  testCancelledAppend,
		"a cancelled context ends a load":                            testCancelledLoad,
		"a context that ends during a load ends it":                  testCancelDuringLoad,
		"large events survive":                                       testLargeEvent,
		"empty and binary events survive":                            testOddEvents,
		"keys may contain anything":                                  testOddKeys,
		"keys do not run into each other":                            testKeyIsolation,
		"what the caller does to its bytes afterwards has no effect": testNoAliasing,
	}
	run(t, name, tests, func(t *testing.T) *fixture {
		t.Helper()
		return &fixture{T: t, journal: open(t), key: store.Key{Type: t.Name(), ID: "e1"}}
	})
}

// run runs tests in parallel, each with a fixture of its own.
func run[F any](t *testing.T, name string, tests map[string]func(F), newFixture func(*testing.T) F) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		for name, test := range tests {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(newFixture(t))
			})
		}
	})
}

// A fixture is a journal and an entity that nobody else uses.
type fixture struct {
	*testing.T

	journal store.Journal
	key     store.Key
}

// newOpID returns an operation id that nobody else has.
func newOpID() store.OpID {
	var id store.OpID
	_, _ = rand.Read(id[:]) // never fails, see its documentation
	return id
}

// request returns an append of events to the entity of f.
func (f *fixture) request(expected store.Head, events ...string) store.Append {
	a := store.Append{Key: f.key, Expected: expected, OpID: newOpID()}
	for _, event := range events {
		a.Events = append(a.Events, []byte(event))
	}
	return a
}

// append appends events and returns the new head.
func (f *fixture) append(expected store.Head, events ...string) store.Head {
	f.Helper()
	head, err := f.journal.Append(f.Context(), f.request(expected, events...))
	require.NoError(f, err)
	return head
}

// refused does an append that must conflict and returns the actual head.
func (f *fixture) refused(a store.Append) store.Head {
	f.Helper()
	_, err := f.journal.Append(f.Context(), a)
	var conflict *store.ConflictError
	require.ErrorAs(f, err, &conflict)
	require.NotErrorIs(f, err, store.ErrUnknown)
	require.Equal(f, a.Key, conflict.Key)
	require.Equal(f, a.Expected, conflict.Expected)
	return conflict.Actual
}

// load returns all records of an entity and its head.
func (f *fixture) load(key store.Key) ([]store.Record, store.Head) {
	f.Helper()
	var records []store.Record
	head, err := f.journal.Load(f.Context(), key, func(record store.Record) error {
		records = append(records, record)
		return nil
	})
	require.NoError(f, err)
	return records, head
}

// requireEvents requires that the journal has exactly these events, and no
// snapshot.
func (f *fixture) requireEvents(want ...string) store.Head {
	f.Helper()
	records, head := f.load(f.key)
	events := make([]string, 0, len(records))
	for _, record := range records {
		events = append(events, string(record.Data))
		require.False(f, record.Snapshot)
		require.Equal(f, record.Seq, uint64(len(events)))
	}
	require.Equal(f, append([]string{}, want...), events)
	require.Equal(f, uint64(len(want)), head.Seq)
	return head
}
