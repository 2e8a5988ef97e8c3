package sqlite_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/proxy/store"
	"github.com/cloudstate-go/cloudstate/proxy/store/sqlite"
)

// appendOf returns an append of events.
func appendOf(key store.Key, head store.Head, events ...string) store.Append {
	a := store.Append{Key: key, Expected: head, OpID: store.OpID(uuid.New())}
	for _, event := range events {
		a.Events = append(a.Events, []byte(event))
	}
	return a
}

var cart = store.Key{Type: "shopping-cart", ID: "u1"}

// fill stores events for a cart, and closes the file.
func fill(t *testing.T, path string, events int) {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path)
	require.NoError(t, err)
	a := appendOf(cart, store.Head{})
	for i := range events {
		a.Events = append(a.Events, bytes.Repeat([]byte{byte(i)}, 100))
	}
	_, err = s.Append(t.Context(), a)
	require.NoError(t, err)
	require.NoError(t, s.Close())
}

// execute changes a file in a way in which the store would not.
func execute(t *testing.T, path, statements string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), statements)
	require.NoError(t, err)
	require.NoError(t, db.Close())
}

// content returns the content of a file; nil if there is none.
func content(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		require.ErrorIs(t, err, fs.ErrNotExist)
	}
	return data
}

// What cannot be opened is left as it was, and the error says what to do.
func TestOpen_RefusesWhatIsNotItsFile(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		// prepare makes what is at a path, and may return another one.
		prepare func(t *testing.T, path string) string
		wants   []string // parts of the error
	}{
		"no path": {
			func(*testing.T, string) string { return "" },
			[]string{`the path of the file is ""`, "cart.db"},
		},
		"memory": {
			func(*testing.T, string) string { return ":memory:" },
			[]string{`":memory:"`, "package memory"},
		},
		"a directory that does not exist": {
			func(_ *testing.T, path string) string { return filepath.Join(path, "missing", "test.db") },
			[]string{"there is no directory", "missing", "create it first"},
		},
		"a directory": {
			func(t *testing.T, path string) string {
				t.Helper()
				require.NoError(t, os.Mkdir(path, 0o700))
				return path
			},
			[]string{"is a directory, want a file"},
		},
		"below a file": {
			func(t *testing.T, path string) string {
				t.Helper()
				require.NoError(t, os.WriteFile(path, nil, 0o600))
				return filepath.Join(path, "test.db")
			},
			[]string{"not a directory"},
		},
		"a read-only file": {
			func(t *testing.T, path string) string {
				t.Helper()
				fill(t, path, 1)
				require.NoError(t, os.Chmod(path, 0o444))
				return path
			},
			[]string{"test.db is read-only (mode -r--r--r--)", "make it writable"},
		},
		"a text file": {
			func(t *testing.T, path string) string {
				t.Helper()
				require.NoError(t, os.WriteFile(path, []byte("Dear diary, today I have"), 0o600))
				return path
			},
			[]string{"test.db is not an SQLite file", `it begins with "Dear diary, toda"`, "choose another path"},
		},
		"a text file that is shorter than a header": {
			func(t *testing.T, path string) string {
				t.Helper()
				require.NoError(t, os.WriteFile(path, []byte("x"), 0o600))
				return path
			},
			[]string{"is not an SQLite file", `it begins with "x"`},
		},
		"a file that ends in the header": {
			func(t *testing.T, path string) string {
				t.Helper()
				fill(t, path, 1)
				require.NoError(t, os.Truncate(path, 50))
				return path
			},
			[]string{"is damaged", "it has 50 bytes, want 100", "restore a backup"},
		},
		"a file that ends too early": {
			func(t *testing.T, path string) string {
				t.Helper()
				fill(t, path, 1000)
				info, err := os.Stat(path)
				require.NoError(t, err)
				require.NoError(t, os.Truncate(path, info.Size()/2))
				return path
			},
			[]string{"is damaged", "bytes, want", "restore a backup"},
		},
		"a damaged file": {
			func(t *testing.T, path string) string {
				t.Helper()
				fill(t, path, 1)
				data := content(t, path)
				copy(data[100:], bytes.Repeat([]byte{0xff}, 1000)) // the list of tables
				require.NoError(t, os.WriteFile(path, data, 0o600))
				return path
			},
			[]string{"malformed", "the file is damaged", "restore a backup", ".recover"},
		},
		"the file of another program": {
			func(t *testing.T, path string) string {
				t.Helper()
				execute(t, path, `CREATE TABLE events (id INTEGER PRIMARY KEY); INSERT INTO events VALUES (1)`)
				return path
			},
			[]string{"test.db", "it has tables of another program", "choose another path"},
		},
		"a file of a newer version": {
			func(t *testing.T, path string) string {
				t.Helper()
				fill(t, path, 1)
				execute(t, path, `UPDATE meta SET value = 1000 WHERE name = 'version'`)
				return path
			},
			[]string{"it has tables of version 1000", "knows versions up to", "use the newer program"},
		},
		"a file without a version": {
			func(t *testing.T, path string) string {
				t.Helper()
				fill(t, path, 1)
				execute(t, path, `DELETE FROM meta WHERE name = 'version'`)
				return path
			},
			[]string{"test.db", "its table meta has no version", "restore a backup"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			original := filepath.Join(t.TempDir(), "test.db")
			path := tt.prepare(t, original)
			before := []byte(nil)
			if info, err := os.Stat(original); err == nil && info.Mode().IsRegular() {
				before = content(t, original)
			}

			_, err := sqlite.Open(t.Context(), path)
			require.Error(t, err)
			for _, want := range tt.wants {
				require.ErrorContains(t, err, want)
			}
			if before != nil {
				require.Equal(t, before, content(t, original), "the file has been changed")
			}
			require.NoFileExists(t, original+"-wal")
		})
	}
}

// Damage that is found late is not silent, and does not harm what else there is.
func TestStore_ReportsDamage(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "test.db")
	fill(t, path, 2000)
	data := content(t, path)
	const page = 2048
	copy(data[len(data)/page/2*page:], bytes.Repeat([]byte{0xff}, 16*page)) // some of it is events
	require.NoError(t, os.WriteFile(path, data, 0o600))

	s := open(t, path)
	_, err := s.Load(t.Context(), cart, func(store.Record) error { return nil })
	require.ErrorContains(t, err, `load shopping-cart "u1"`)
	require.ErrorContains(t, err, "the file is damaged; restore a backup")
}

func TestStore_ReportsMissingEvents(t *testing.T) {
	t.Parallel()
	for name, seq := range map[string]int{"the first": 1, "one in the middle": 1500} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "test.db")
			fill(t, path, 2000)
			execute(t, path, fmt.Sprint(`DELETE FROM events WHERE seq = `, seq))
			s := open(t, path)
			_, err := s.Load(t.Context(), cart, func(store.Record) error { return nil })
			require.ErrorContains(t, err, fmt.Sprintf(`the journal of shopping-cart "u1" has later events, but not %d`, seq))
		})
	}
}

// Nobody but the store should change a file that it has open, but a person may.
func TestStore_NoticesWhatOthersWrite(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "test.db")
	s := open(t, path)
	head, err := s.Append(t.Context(), appendOf(cart, store.Head{}, "a"))
	require.NoError(t, err)
	execute(t, path, `INSERT INTO events (type, journal, seq, time, data) VALUES ('shopping-cart', 1, 2, 0, 'b')`)
	_, err = s.Append(t.Context(), appendOf(cart, head, "c"))
	var conflict *store.ConflictError
	require.ErrorAs(t, err, &conflict)
	require.Equal(t, store.Head{Seq: 2}, conflict.Actual)
	_, err = s.Append(t.Context(), appendOf(cart, conflict.Actual, "c"))
	require.NoError(t, err)
}

func TestOpen_CreatesAFileThatIsComplete(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	fill(t, filepath.Join(directory, "100% odd?name=#1.db"), 1)
	entries, err := os.ReadDir(directory)
	require.NoError(t, err)
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = entry.Name()
	}
	require.Equal(t, []string{"100% odd?name=#1.db", "100% odd?name=#1.db.lock"}, names)
}

func TestOpen_TakesAnEmptyFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "test.db")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	fill(t, path, 1)
}

func TestOpen_FindsWhatWasStored(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "test.db")
	s, err := sqlite.Open(t.Context(), path)
	require.NoError(t, err)
	head, err := s.Append(t.Context(), appendOf(cart, store.Head{}, "a", "b"))
	require.NoError(t, err)
	version, err := s.Put(t.Context(), store.Write{Key: cart, OpID: store.OpID{1}}, []byte("value"))
	require.NoError(t, err)
	require.NoError(t, s.SaveDescriptors(t.Context(), []byte("spec")))
	require.NoError(t, s.Close())

	s = open(t, path)
	loaded, err := s.Load(t.Context(), cart, func(store.Record) error { return nil })
	require.NoError(t, err)
	require.Equal(t, head, loaded)
	value, err := s.Get(t.Context(), cart)
	require.NoError(t, err)
	require.Equal(t, store.Value{Data: []byte("value"), Exists: true, Version: version}, value)
	spec, err := s.Descriptors(t.Context())
	require.NoError(t, err)
	require.Equal(t, "spec", string(spec))
	_, err = s.Append(t.Context(), appendOf(cart, loaded, "c"))
	require.NoError(t, err)
}

func TestOpen_RefusesAFileThatIsOpen(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	path := filepath.Join(directory, "test.db")
	link := filepath.Join(directory, "link.db")
	require.NoError(t, os.Symlink(path, link))
	s := open(t, path)
	for _, name := range []string{path, link} {
		_, err := sqlite.Open(t.Context(), name)
		require.ErrorContains(t, err, "test.db is in use by this process already")
		require.ErrorContains(t, err, "stop that first, or choose another file")
	}
	_, err := s.Append(t.Context(), appendOf(cart, store.Head{}, "a"))
	require.NoError(t, err, "the first one is not disturbed")
	require.NoError(t, s.Close())
	open(t, link)
}

func TestOpen_RefusesAFileThatAnotherProcessHasOpen(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "test.db")
	holder := start(t, path, "")
	holder.wait(t)

	_, err := sqlite.Open(t.Context(), path)
	require.ErrorContains(t, err, fmt.Sprintf("is in use by process %d", holder.Process.Pid))
	reader, err := sqlite.OpenReader(t.Context(), path)
	require.NoError(t, err, "reading is possible")
	_, err = reader.Types(t.Context())
	require.NoError(t, err)
	require.NoError(t, reader.Close())

	holder.kill(t)
	open(t, path) // the lock is gone with the process
}

func TestStore_RefusesWhatComesAfterClose(t *testing.T) {
	t.Parallel()
	s := openNew(t)
	require.NoError(t, s.Close())
	_, err := s.Append(t.Context(), appendOf(cart, store.Head{}, "a"))
	require.ErrorContains(t, err, "the store is closed")
	require.NotErrorIs(t, err, store.ErrUnknown)
	_, err = s.Load(t.Context(), cart, func(store.Record) error { return nil })
	require.ErrorContains(t, err, "closed")
	require.NoError(t, s.Close())
}
