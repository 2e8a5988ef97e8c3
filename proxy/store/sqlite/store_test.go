package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/proxy/store"
	"github.com/cloudstate-go/cloudstate/proxy/store/sqlite"
	"github.com/cloudstate-go/cloudstate/proxy/store/storetest"
)

// open opens a file, and closes it when the test ends.
func open(tb testing.TB, path string) *sqlite.Store {
	tb.Helper()
	s, err := sqlite.Open(tb.Context(), path)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, s.Close()) })
	return s
}

// openNew opens a new file.
func openNew(tb testing.TB) *sqlite.Store {
	tb.Helper()
	return open(tb, filepath.Join(tb.TempDir(), "test.db"))
}

func TestStore_KeepsThePromisesOfAJournal(t *testing.T) {
	t.Parallel()
	s := openNew(t)
	storetest.Run(t, "sqlite", func(*testing.T) store.Journal { return s })
}

func TestStore_KeepsThePromisesOfValues(t *testing.T) {
	t.Parallel()
	s := openNew(t)
	storetest.RunValues(t, "sqlite", func(*testing.T) store.Values { return s })
}

func TestStore_KeepsThePromisesOfAnEventLog(t *testing.T) {
	t.Parallel()
	s := openNew(t)
	storetest.RunEventLog(t, "sqlite", func(*testing.T) storetest.LoggedJournal { return s })
}

func TestStore_KeepsThePromisesOfTopics(t *testing.T) {
	t.Parallel()
	s := openNew(t)
	storetest.RunTopics(t, "sqlite", func(*testing.T) store.Topics { return s })
}

func TestStore_KeepsThePromisesOfConsumers(t *testing.T) {
	t.Parallel()
	s := openNew(t)
	storetest.RunConsumers(t, "sqlite", func(*testing.T) store.Consumers { return s })
}

func TestStore_KeepsThePromisesOfReplicas(t *testing.T) {
	t.Parallel()
	s := openNew(t)
	storetest.RunReplicas(t, "sqlite", func(*testing.T) store.Replicas { return s })
}

func TestStore_ListsWhatItHas(t *testing.T) {
	t.Parallel()
	s := openNew(t)
	storetest.RunLister(t, "sqlite", func(*testing.T) storetest.Listed { return s })
}

func TestStore_KeepsDescriptors(t *testing.T) {
	t.Parallel()
	storetest.RunDescriptors(t, "sqlite", func(t *testing.T) store.Descriptors {
		t.Helper()
		return openNew(t)
	})
}
