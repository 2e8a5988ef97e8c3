package storetest_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/proxy/store"
	"github.com/cloudstate-go/cloudstate/proxy/store/memory"
	"github.com/cloudstate-go/cloudstate/proxy/store/storetest"
)

func writeOf(expected store.Version) store.Write {
	return store.Write{Key: cart, Expected: expected, OpID: store.OpID(uuid.New())}
}

// Without faults the wrapper keeps values like any other.
func TestFaultyValues_AreValues(t *testing.T) {
	t.Parallel()
	storetest.RunValues(t, "faulty", func(*testing.T) store.Values { return storetest.NewFaultyValues(memory.New()) })
}

func TestFaultyValues_InjectEachFaultOnce(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		fault  storetest.Fault
		stored bool
		is     error
	}{
		"a write fails":                      {storetest.FailWrite, false, storetest.ErrInjected},
		"an outcome is unknown, but stored":  {storetest.UnknownStored, true, store.ErrUnknown},
		"an outcome is unknown, and nothing": {storetest.UnknownNotStored, false, store.ErrUnknown},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			faulty := storetest.NewFaultyValues(memory.New())
			faulty.Inject(tt.fault)
			w := writeOf(0)
			_, err := faulty.Put(t.Context(), w, []byte("a"))
			require.ErrorIs(t, err, tt.is)
			require.Empty(t, faulty.Pending())

			value, err := faulty.Get(t.Context(), cart)
			require.NoError(t, err)
			require.Equal(t, tt.stored, value.Exists)
			_, stored, err := faulty.ResolveWrite(t.Context(), w)
			require.NoError(t, err)
			require.Equal(t, tt.stored, stored)

			_, err = faulty.Delete(t.Context(), writeOf(value.Version))
			require.NoError(t, err)
		})
	}
}

func TestFaultyValues_InjectConflictsAndFailures(t *testing.T) {
	t.Parallel()
	faulty := storetest.NewFaultyValues(memory.New())
	version, err := faulty.Put(t.Context(), writeOf(0), []byte("a"))
	require.NoError(t, err)
	faulty.Inject(storetest.ConflictWrite, storetest.FailResolve, storetest.FailGet)
	_, err = faulty.Delete(t.Context(), writeOf(version))
	var conflict *store.VersionError
	require.ErrorAs(t, err, &conflict)
	require.Equal(t, version, conflict.Actual)
	require.ErrorContains(t, err, `cart "u1"`)
	_, _, err = faulty.ResolveWrite(t.Context(), writeOf(version))
	require.ErrorIs(t, err, storetest.ErrInjected)
	_, err = faulty.Get(t.Context(), cart)
	require.ErrorIs(t, err, storetest.ErrInjected)
	require.Empty(t, faulty.Pending())
}
