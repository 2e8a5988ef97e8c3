package storetest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/proxy/store"
	"github.com/cloudstate-go/cloudstate/proxy/store/memory"
	"github.com/cloudstate-go/cloudstate/proxy/store/storetest"
)

// Without faults the wrapper keeps CRDTs like any other store.
func TestFaultyReplicas_AreReplicas(t *testing.T) {
	t.Parallel()
	storetest.RunReplicas(t, "faulty", func(*testing.T) store.Replicas { return storetest.NewFaultyReplicas(memory.New()) })
}

func TestFaultyReplicas_InjectEachFaultOnce(t *testing.T) {
	t.Parallel()
	faulty := storetest.NewFaultyReplicas(memory.New())
	list := func() (parts []string, last error) {
		for part, err := range faulty.Parts(t.Context()) {
			if last = err; err == nil {
				parts = append(parts, string(part.Data))
			}
		}
		return parts, last
	}
	faulty.Inject(storetest.FailSave, storetest.UnknownStored)
	require.ErrorIs(t, faulty.AddParts(t.Context(), cart, []byte("lost")), storetest.ErrInjected)
	err := faulty.ReplaceParts(t.Context(), cart, []byte("kept"))
	require.ErrorIs(t, err, storetest.ErrInjected)
	require.ErrorContains(t, err, `cart "u1"`)
	require.NoError(t, faulty.AddParts(t.Context(), cart, []byte("more")))
	require.Empty(t, faulty.Pending())

	faulty.Inject(storetest.FailLoad, storetest.FailLoadLate)
	parts, err := list()
	require.ErrorIs(t, err, storetest.ErrInjected)
	require.Empty(t, parts)
	parts, err = list()
	require.ErrorIs(t, err, storetest.ErrInjected)
	require.ElementsMatch(t, []string{"kept", "more"}, parts)
	parts, err = list()
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"kept", "more"}, parts)
}
