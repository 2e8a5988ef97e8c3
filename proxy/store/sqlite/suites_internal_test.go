package sqlite

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/proxy/store"
	"github.com/cloudstate-go/cloudstate/proxy/store/storetest"
)

func TestStore_KeepsThePromisesOfAJournal(t *testing.T) {
	t.Parallel()
	s := openForSuite(t)
	storetest.Run(t, "sqlite", func(*testing.T) store.Journal { return s })
}

func TestStore_KeepsThePromisesOfValues(t *testing.T) {
	t.Parallel()
	s := openForSuite(t)
	storetest.RunValues(t, "sqlite", func(*testing.T) store.Values { return s })
}

func TestStore_KeepsThePromisesOfAnEventLog(t *testing.T) {
	t.Parallel()
	s := openForSuite(t)
	storetest.RunEventLog(t, "sqlite", func(*testing.T) storetest.LoggedJournal { return s })
}

func TestStore_KeepsThePromisesOfTopics(t *testing.T) {
	t.Parallel()
	s := openForSuite(t)
	storetest.RunTopics(t, "sqlite", func(*testing.T) store.Topics { return s })
}

func TestStore_KeepsThePromisesOfConsumers(t *testing.T) {
	t.Parallel()
	s := openForSuite(t)
	storetest.RunConsumers(t, "sqlite", func(*testing.T) store.Consumers { return s })
}

func TestStore_KeepsThePromisesOfReplicas(t *testing.T) {
	t.Parallel()
	s := openForSuite(t)
	storetest.RunReplicas(t, "sqlite", func(*testing.T) store.Replicas { return s })
}

func TestStore_ListsWhatItHas(t *testing.T) {
	t.Parallel()
	s := openForSuite(t)
	storetest.RunLister(t, "sqlite", func(*testing.T) storetest.Listed { return s })
}

func TestStore_KeepsDescriptors(t *testing.T) {
	t.Parallel()
	storetest.RunDescriptors(t, "sqlite", func(t *testing.T) store.Descriptors {
		t.Helper()
		return openForSuite(t)
	})
}

// openForSuite opens a new file, and when the test ends, it looks at how SQLite runs the
// queries that it has been used for.
func openForSuite(t *testing.T) *Store {
	t.Helper()
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "test.db"))
	require.NoError(t, err)
	t.Cleanup(func() {
		for _, query := range append(queriesOf(&s.statements), queriesOf(&s.writer.statements)...) {
			requireLookup(t, s, query)
		}
		require.NoError(t, s.Close())
	})
	return s
}

// mayScan has parts of queries that may read a whole table or index, and why.
var mayScan = map[string]string{
	"SELECT DISTINCT type": "it reads an index, once per use of a tool",
	"sqlite_schema":        "it is small",
	"pragma_":              "it is a table that SQLite makes up",
}

// requireLookup requires that a query does not get slower with all that is stored, as one
// does that reads a whole table, or sorts.
func requireLookup(t *testing.T, s *Store, query string) {
	t.Helper()
	for part := range mayScan {
		if strings.Contains(query, part) {
			return
		}
	}
	for _, step := range planOf(t, s, query) {
		require.NotContains(t, step, "SCAN", query)
		require.NotContains(t, step, "TEMP B-TREE", query)
	}
}

func queriesOf(s *statements) []string {
	var queries []string
	for query := range s.prepared {
		if !strings.HasPrefix(query, "PRAGMA") {
			queries = append(queries, query)
		}
	}
	return queries
}

// planOf returns how SQLite runs a query.
func planOf(t *testing.T, s *Store, query string) []string {
	t.Helper()
	rows, err := s.db.QueryContext(context.Background(), "EXPLAIN QUERY PLAN "+query, make([]any, strings.Count(query, "?"))...)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	var steps []string
	for rows.Next() {
		var id, parent, unused int
		var step string
		require.NoError(t, rows.Scan(&id, &parent, &unused, &step))
		steps = append(steps, step)
	}
	require.NoError(t, rows.Err())
	return steps
}
