//go:build unix

package sqlite

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A process that this one is starting has the files of this one for a moment, as a duplicate
// of their descriptors.
func TestLock_EndsThoughAnotherProcessHasTheFile(t *testing.T) {
	t.Parallel()
	path := file(filepath.Join(t.TempDir(), "test.db"))
	first, err := acquire(path)
	require.NoError(t, err)
	inherited, err := unix.Dup(int(first.side.Fd()))
	require.NoError(t, err)
	defer func() { require.NoError(t, unix.Close(inherited)) }()
	require.NoError(t, first.release())

	second, err := acquire(path)
	require.NoError(t, err)
	require.NoError(t, second.release())
}
