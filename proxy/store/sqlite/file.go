package sqlite

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// A file is the path of a database, absolute and without symbolic links, so that one file
// has one name.
type file string

// locate finds out which file a path means. The file need not exist.
func locate(path string) (file, error) {
	if path == "" || path == ":memory:" {
		return "", fmt.Errorf("sqlite: the path of the file is %q, want a file name such as cart.db; package memory has a store in memory", path)
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("sqlite: %w", err)
	}
	resolved, err := filepath.EvalSymlinks(absolute)
	if err == nil {
		return file(resolved), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("sqlite: %w", err)
	}
	directory, err := filepath.EvalSymlinks(filepath.Dir(absolute))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("sqlite: %s: there is no directory %s; create it first", path, filepath.Dir(absolute))
	case err != nil:
		return "", fmt.Errorf("sqlite: %w", err)
	}
	return file(filepath.Join(directory, filepath.Base(absolute))), nil
}

// uri returns what the driver opens: the file with settings of a connection.
func (f file) uri(settings url.Values) string {
	path := filepath.ToSlash(string(f))
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // a volume name of Windows
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: settings.Encode()}).String()
}

// An SQLite file begins with a header of 100 bytes; see https://sqlite.org/fileformat2.html.
const headerSize = 100

var magic = []byte("SQLite format 3\x00")

// check returns why the file cannot be a database that can be written. A file that does not
// exist yet, or is empty, is none of that. It must not be called while this process has
// the database open: closing a file would release the locks that SQLite has on it.
func (f file) check() (err error) {
	info, err := os.Stat(string(f))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("sqlite: %w", err)
	case info.IsDir():
		return fmt.Errorf("sqlite: %s is a directory, want a file", f)
	case info.Mode().Perm()&0o222 == 0:
		// Root could write it all the same, but somebody has said that it shall not be.
		return fmt.Errorf("sqlite: %s is read-only (mode %v), want to write it; make it writable, or open a writable copy", f, info.Mode().Perm())
	}
	opened, err := os.OpenFile(string(f), os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("sqlite: the file must be readable and writable: %w", err)
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	header := make([]byte, headerSize)
	n, err := io.ReadFull(opened, header)
	switch {
	case n == 0 && errors.Is(err, io.EOF):
		return nil
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("sqlite: %w", err)
	case !bytes.HasPrefix(header[:n], magic):
		return fmt.Errorf("sqlite: %s is not an SQLite file: it begins with %q, want %q; choose another path, or move it away", f, header[:min(n, len(magic))], magic)
	case n < headerSize:
		return f.truncated(info.Size(), headerSize)
	}
	return f.checkSize(header, info.Size())
}

// checkSize returns an error if a file is shorter than its header says.
func (f file) checkSize(header []byte, size int64) error {
	if log, err := os.Stat(string(f) + "-wal"); err == nil && log.Size() > 0 {
		return nil // what is missing may be in there
	}
	pageSize := int64(binary.BigEndian.Uint16(header[16:]))
	if pageSize == 1 {
		pageSize = 65536
	}
	if bytes.Equal(header[24:28], header[92:96]) { // else the number of pages is not kept
		if want := pageSize * int64(binary.BigEndian.Uint32(header[28:])); size < want {
			return f.truncated(size, want)
		}
	}
	return nil
}

func (f file) truncated(size, want int64) error {
	return fmt.Errorf("sqlite: %s is damaged: it has %d bytes, want %d; restore a backup", f, size, want)
}
