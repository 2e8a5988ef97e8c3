//go:build linux || darwin

package sqlite

import (
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// limitedEnv tells the test binary that it is the process whose files may be limited.
const limitedEnv = "CLOUDSTATE_SQLITE_TEST_LIMITED"

// The operating system refuses to let the log grow beyond some size, so that commits fail
// after some of their pages have been written. Whatever becomes of them, the store says so,
// and what it says is what is in the file, also after a crash.
func TestStore_SurvivesWriteErrors(t *testing.T) {
	t.Parallel()
	if os.Getenv(limitedEnv) == "" {
		// The limit is that of a process, so it needs one of its own.
		limited := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^"+t.Name()+"$")
		limited.Env = append(os.Environ(), limitedEnv+"=1")
		output, err := limited.CombinedOutput()
		require.NoError(t, err, "%s", output)
		return
	}
	signal.Ignore(syscall.SIGXFSZ)
	f := newFixture(t)
	require.NoError(f, f.append("first"))
	outcomes := map[bool]int{}
	for extra := int64(0); extra < 20_000; extra += 1500 {
		f.limitLog(extra)
		a := f.request("event")
		head, err := f.Append(f.Context(), a)
		outcomes[err == nil]++
		if err == nil {
			f.head = head
			f.events = append(f.events, "event")
		} else {
			f.requireUnknown(err, a)
		}
		f.setLimit(unix.RLIM_INFINITY)
		f.requireIntact()
		f.requireIntactAfterCrash()
	}
	require.Greater(f, outcomes[false], 3)
	require.Positive(f, outcomes[true])
}

// requireUnknown requires that a failed append has an unknown outcome, which the store cannot
// resolve before it can write again.
func (f *fixture) requireUnknown(err error, a store.Append) {
	f.Helper()
	require.ErrorIs(f, err, store.ErrUnknown)
	require.ErrorContains(f, err, "the disk failed; look into the log of the system")
	f.requireIntact()
	f.setLimit(0)
	_, _, err = f.Resolve(f.Context(), cart, a.OpID)
	require.ErrorContains(f, err, "the disk failed")

	f.setLimit(unix.RLIM_INFINITY)
	_, stored, err := f.Resolve(f.Context(), cart, a.OpID)
	require.NoError(f, err)
	require.False(f, stored, "SQLite takes back what it cannot write")
}

// requireIntactAfterCrash requires that a process that finds the files as they are now finds
// what has been confirmed.
func (f *fixture) requireIntactAfterCrash() {
	f.Helper()
	// Not read by this process: closing a file would release the locks that SQLite has on it.
	directory := f.TempDir()
	output, err := exec.CommandContext(f.Context(), "cp", f.path, f.path+"-wal", directory).CombinedOutput()
	require.NoError(f, err, "%s", output)
	crashed, err := Open(f.Context(), filepath.Join(directory, filepath.Base(f.path)))
	require.NoError(f, err)
	require.Equal(f, f.events, eventsOf(f.T, crashed))
	require.NoError(f, crashed.Close())
}

// limitLog lets the log grow by some bytes and no more.
func (f *fixture) limitLog(extra int64) {
	f.Helper()
	info, err := os.Stat(f.path + "-wal")
	require.NoError(f, err)
	f.setLimit(uint64(info.Size() + extra))
}

// setLimit limits the files of this process.
func (f *fixture) setLimit(bytes uint64) {
	f.Helper()
	require.NoError(f, unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: bytes, Max: unix.RLIM_INFINITY}))
}
