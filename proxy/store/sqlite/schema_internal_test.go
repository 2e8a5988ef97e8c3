package sqlite

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/proxy/store"
)

var cart = store.Key{Type: "shopping-cart", ID: "u1"}

// Every older version has been in use somewhere.
func TestOpen_BringsOlderFilesUpToDate(t *testing.T) {
	t.Parallel()
	for version := 1; version < len(steps); version++ {
		path := filepath.Join(t.TempDir(), "test.db")
		old, err := open(t.Context(), path, steps[:version])
		require.NoError(t, err)
		head, err := old.Append(t.Context(), store.Append{Key: cart, Events: [][]byte{[]byte("a"), []byte("b")}, OpID: store.OpID{1}})
		require.NoError(t, err)
		require.NoError(t, old.Close())

		_, err = OpenReader(t.Context(), path)
		require.ErrorContains(t, err, "it has tables of version 1, want 2")
		require.ErrorContains(t, err, "open it for writing once")

		s, err := Open(t.Context(), path)
		require.NoError(t, err)
		require.Equal(t, []string{"a", "b"}, eventsOf(t, s))
		require.Equal(t, len(steps), versionOf(t, s))
		logged, err := s.ReadEvents(t.Context(), cart.Type, 0, 10)
		require.NoError(t, err)
		require.Len(t, logged, 2)
		_, err = s.Append(t.Context(), store.Append{Key: cart, Expected: head, Events: [][]byte{[]byte("c")}, OpID: store.OpID{2}})
		require.NoError(t, err)
		require.NoError(t, s.Close())

		_, err = open(t.Context(), path, steps[:version])
		require.ErrorContains(t, err, "it has tables of version 2, and this program knows versions up to 1")
	}
}

// A step that fails leaves the file to the program that could use it.
func TestOpen_LeavesAFileThatCannotBeBroughtUpToDate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "test.db")
	s, err := open(t.Context(), path, steps[:1])
	require.NoError(t, err)
	_, err = s.Append(t.Context(), store.Append{Key: cart, Events: [][]byte{[]byte("a")}, OpID: store.OpID{1}})
	require.NoError(t, err)
	require.NoError(t, s.Close())

	_, err = open(t.Context(), path, append(append([]string{}, steps...), `DELETE FROM events; INSERT INTO missing VALUES (1)`))
	require.ErrorContains(t, err, "bring the tables from version 2 to 3")
	require.ErrorContains(t, err, "no such table: missing")

	s, err = open(t.Context(), path, steps[:1])
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, eventsOf(t, s))
	require.NoError(t, s.Close())
}

func TestOpen_LeavesAFileEmptyIfItsContextEnds(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "test.db")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Open(ctx, path)
	require.ErrorIs(t, err, context.Canceled)
	s, err := Open(t.Context(), path)
	require.NoError(t, err)
	require.NoError(t, s.Close())
}

func versionOf(t *testing.T, s *Store) int {
	t.Helper()
	version, err := s.version(t.Context())
	require.NoError(t, err)
	return version
}

// eventsOf returns the events of the cart.
func eventsOf(t *testing.T, s *Store) []string {
	t.Helper()
	var events []string
	_, err := s.Load(t.Context(), cart, func(record store.Record) error {
		events = append(events, string(record.Data))
		return nil
	})
	require.NoError(t, err)
	return events
}
