package sqlite_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/proxy/store"
	"github.com/cloudstate-go/cloudstate/proxy/store/sqlite"
)

func TestReader_ReadsWhatAStoreWrites(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "test.db")
	s := open(t, path)
	reader, err := sqlite.OpenReader(t.Context(), path)
	require.NoError(t, err)
	defer func() { require.NoError(t, reader.Close()) }()
	var head store.Head
	for range 3 {
		head, err = s.Append(t.Context(), appendOf(cart, head, "a", "b"))
		require.NoError(t, err)
		loaded, err := reader.Load(t.Context(), cart, func(store.Record) error { return nil })
		require.NoError(t, err)
		require.Equal(t, head, loaded)
	}
}

func TestReader_ReadsAfterTheStoreWasClosed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "test.db")
	fill(t, path, 3)
	before := content(t, path)
	reader, err := sqlite.OpenReader(t.Context(), path)
	require.NoError(t, err)
	head, err := reader.Load(t.Context(), cart, func(store.Record) error { return nil })
	require.NoError(t, err)
	require.Equal(t, uint64(3), head.Seq)
	require.NoError(t, reader.Close())
	require.NoError(t, reader.Close())
	require.Equal(t, before, content(t, path))
}

func TestOpenReader_RefusesWhatItCannotRead(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		prepare func(t *testing.T, path string)
		wants   []string // parts of the error
	}{
		"no file": {
			func(*testing.T, string) {},
			[]string{"test.db", "no such file"},
		},
		"a text file": {
			func(t *testing.T, path string) {
				t.Helper()
				require.NoError(t, os.WriteFile(path, []byte("Dear diary"), 0o600))
			},
			[]string{"test.db", "it is not an SQLite file", "choose another path"},
		},
		"an empty file": {
			func(t *testing.T, path string) {
				t.Helper()
				require.NoError(t, os.WriteFile(path, nil, 0o600))
			},
			[]string{"it has tables of version 0", "open it for writing once"},
		},
		"the file of another program": {
			func(t *testing.T, path string) {
				t.Helper()
				execute(t, path, `CREATE TABLE t (x)`)
			},
			[]string{"test.db", "it has tables of another program"},
		},
		"a file of a newer version": {
			func(t *testing.T, path string) {
				t.Helper()
				fill(t, path, 1)
				execute(t, path, `UPDATE meta SET value = 1000 WHERE name = 'version'`)
			},
			[]string{"it has tables of version 1000", "knows versions up to"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "test.db")
			tt.prepare(t, path)
			before := content(t, path)
			_, err := sqlite.OpenReader(t.Context(), path)
			require.Error(t, err)
			for _, want := range tt.wants {
				require.ErrorContains(t, err, want)
			}
			require.Equal(t, before, content(t, path))
		})
	}
}
