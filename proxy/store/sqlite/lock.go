package sqlite

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
)

// errLocked says that another process, or another store of this one, has a lock.
var errLocked = errors.New("locked")

// A lock keeps other processes from a file. It is a lock of the operating system on a file
// beside it, so it ends with the process, however that ends. SQLite's own exclusive lock
// would keep away those who only want to read, too.
type lock struct {
	side *os.File
}

// acquire locks a file, or says who has locked it.
func acquire(f file) (*lock, error) {
	path := string(f) + ".lock"
	side, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the path is up to the user
	if err != nil {
		return nil, fmt.Errorf("sqlite: %s needs other files beside it, so the directory must be writable: %w", f, err)
	}
	err = tryLock(side)
	if err == nil {
		err = writeOwner(side)
	}
	switch {
	case errors.Is(err, errLocked):
		err = fmt.Errorf("sqlite: %s is in use by %s, and one at a time may write it; stop that first, or choose another file", f, readOwner(side))
	case err != nil:
		err = fmt.Errorf("sqlite: lock %s: %w", path, err)
	default:
		return &lock{side: side}, nil
	}
	return nil, errors.Join(err, side.Close())
}

// release gives the lock back. The side file stays: removing it would race with somebody
// who has opened it already, and is about to lock it.
func (l *lock) release() error {
	return errors.Join(unlock(l.side), l.side.Close())
}

// writeOwner notes who has the lock, for the message that another process gets.
func writeOwner(side *os.File) error {
	if err := side.Truncate(0); err != nil {
		return err
	}
	_, err := side.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// readOwner returns who has the lock, as far as can be told.
func readOwner(side *os.File) string {
	content, err := io.ReadAll(io.LimitReader(side, 32))
	if err != nil {
		return "another process"
	}
	pid, err := strconv.Atoi(string(bytes.TrimSpace(content)))
	switch {
	case err != nil:
		return "another process"
	case pid == os.Getpid():
		return "this process already"
	default:
		return fmt.Sprintf("process %d", pid)
	}
}
