package storetest_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/proxy/store"
	"github.com/cloudstate-go/cloudstate/proxy/store/memory"
	"github.com/cloudstate-go/cloudstate/proxy/store/storetest"
)

var cart = store.Key{Type: "cart", ID: "u1"}

func appendOf(head store.Head, event string) store.Append {
	return store.Append{Key: cart, Expected: head, Events: [][]byte{[]byte(event)}, OpID: store.OpID(uuid.New())}
}

func load(t *testing.T, journal store.Journal) (store.Head, error) {
	t.Helper()
	return journal.Load(t.Context(), cart, func(store.Record) error { return nil })
}

// Without faults the wrapper is a journal like any other.
func TestFaulty_IsAJournal(t *testing.T) {
	t.Parallel()
	storetest.Run(t, "faulty", func(*testing.T) store.Journal { return storetest.NewFaulty(memory.New()) })
}

func TestFaulty_InjectsEachFaultOnce(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		fault  storetest.Fault
		stored uint64 // events in the journal afterwards
		is     error
	}{
		"an append fails":                    {storetest.FailAppend, 0, storetest.ErrInjected},
		"an outcome is unknown, but stored":  {storetest.UnknownStored, 1, store.ErrUnknown},
		"an outcome is unknown, and nothing": {storetest.UnknownNotStored, 0, store.ErrUnknown},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			faulty := storetest.NewFaulty(memory.New())
			faulty.Inject(tt.fault)
			request := appendOf(store.Head{}, "a")
			_, err := faulty.Append(t.Context(), request)
			require.ErrorIs(t, err, tt.is)
			require.Empty(t, faulty.Pending())

			head, err := load(t, faulty)
			require.NoError(t, err)
			require.Equal(t, tt.stored, head.Seq)
			_, stored, err := faulty.Resolve(t.Context(), cart, request.OpID)
			require.NoError(t, err)
			require.Equal(t, tt.stored == 1, stored)

			_, err = faulty.Append(t.Context(), appendOf(head, "b"))
			require.NoError(t, err)
		})
	}
}

func TestFaulty_InjectsAConflictWithTheActualHead(t *testing.T) {
	t.Parallel()
	faulty := storetest.NewFaulty(memory.New())
	head, err := faulty.Append(t.Context(), appendOf(store.Head{}, "a"))
	require.NoError(t, err)
	faulty.Inject(storetest.ConflictAppend)
	_, err = faulty.Append(t.Context(), appendOf(head, "b"))
	var conflict *store.ConflictError
	require.ErrorAs(t, err, &conflict)
	require.Equal(t, head, conflict.Actual)
	require.ErrorContains(t, err, `cart "u1"`)
}

func TestFaulty_FailsLoadsAndResolves(t *testing.T) {
	t.Parallel()
	faulty := storetest.NewFaulty(memory.New())
	faulty.Inject(storetest.FailLoadLate, storetest.FailResolve, storetest.FailLoad)
	_, err := load(t, faulty)
	require.ErrorIs(t, err, storetest.ErrInjected)
	_, err = load(t, faulty)
	require.ErrorIs(t, err, storetest.ErrInjected)
	_, _, err = faulty.Resolve(t.Context(), cart, store.OpID{1})
	require.ErrorIs(t, err, storetest.ErrInjected)
	require.Empty(t, faulty.Pending())
	_, err = load(t, faulty)
	require.NoError(t, err)
}
