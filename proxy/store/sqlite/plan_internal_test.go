package sqlite

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/proxy/store"
	"github.com/cloudstate-go/cloudstate/proxy/store/storetest"
)

// A query that reads a whole table, or sorts, gets slower with all that is stored.
func TestStore_LooksUpWhatItReads(t *testing.T) { //nolint:tparallel // the subtest comes first
	t.Parallel()
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "test.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })

	t.Run("suites", func(t *testing.T) { // they run all queries that there are
		storetest.Run(t, "journal", func(*testing.T) store.Journal { return s })
		storetest.RunValues(t, "values", func(*testing.T) store.Values { return s })
		storetest.RunEventLog(t, "log", func(*testing.T) storetest.LoggedJournal { return s })
		storetest.RunTopics(t, "topics", func(*testing.T) store.Topics { return s })
		storetest.RunConsumers(t, "consumers", func(*testing.T) store.Consumers { return s })
		storetest.RunReplicas(t, "replicas", func(*testing.T) store.Replicas { return s })
		storetest.RunLister(t, "lister", func(*testing.T) storetest.Listed { return s })
	})

	may := map[string]string{ // a part of a query: why it may
		"SELECT DISTINCT type": "it reads an index, once per use of a tool",
		"sqlite_schema":        "it is small",
		"pragma_":              "it is a table that SQLite makes up",
	}
	for _, query := range append(queriesOf(&s.statements), queriesOf(&s.writer.statements)...) {
		for _, step := range planOf(t, s, query) {
			slow := strings.Contains(step, "SCAN") && !strings.Contains(step, "CONSTANT ROW") || strings.Contains(step, "TEMP B-TREE")
			for part := range may {
				slow = slow && !strings.Contains(query, part)
			}
			require.False(t, slow, "%s: %s", query, step)
		}
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
	rows, err := s.db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, make([]any, strings.Count(query, "?"))...)
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
