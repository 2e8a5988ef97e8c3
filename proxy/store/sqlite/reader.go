package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"os"
	"runtime"

	"github.com/cloudstate-go/cloudstate/proxy/store"
)

var _ store.Lister = (*Reader)(nil)

// A Reader reads what is stored in an SQLite file, for tools. It may be used concurrently,
// and while a [Store] of another process writes the file. Each read sees everything that had
// been stored when it began.
type Reader struct {
	statements

	file file
	db   *sql.DB
}

// OpenReader opens the file at path for reading. It does not create one, and changes nothing
// in it. The context is that of opening; its end does not concern the reader.
func OpenReader(ctx context.Context, path string) (*Reader, error) {
	f, err := locate(path)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(string(f)); err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	return openReader(ctx, f, len(steps))
}

// openReader opens a file whose tables have the given version.
func openReader(ctx context.Context, f file, version int) (*Reader, error) {
	db, err := sql.Open("sqlite", f.uri(url.Values{
		"mode":          {"ro"},
		"_busy_timeout": {"5000"},
		"_error_rc":     {"1"},
	}))
	if err != nil {
		return nil, f.explain(err)
	}
	connections := max(4, runtime.GOMAXPROCS(0))
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	r := &Reader{statements: statements{on: db}, file: f, db: db}
	actual, err := r.version(ctx)
	switch {
	case err != nil:
		err = f.explain(err)
	case actual > version:
		err = f.newer(actual, version)
	case actual < version:
		err = f.older(actual, version)
	default:
		return r, nil
	}
	return nil, errors.Join(err, db.Close())
}

// Close closes the file. Whatever reads must have ended. It may be called again.
func (r *Reader) Close() error {
	return errors.Join(r.close(), r.db.Close())
}

// A page is what is read before it is passed on, so that nobody who takes the time that
// they need keeps a connection, or keeps SQLite from tidying up.
const (
	pageRows  = 512
	pageBytes = 1 << 20 // ends a page, and may be exceeded by one row
)

// paged returns the sequence of the elements of all pages. The function returns the page
// after an element, which is nil for the first page; the sequence ends with an empty one.
func paged[T any](read func(after *T) ([]T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var last *T
		for {
			page, err := read(last)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			if len(page) == 0 {
				return
			}
			last = new(T)
			*last = page[len(page)-1]
			for _, element := range page {
				if !yield(element, nil) {
					return
				}
			}
		}
	}
}
