package sqlite

import (
	"context"
	"errors"
	"sync"

	"github.com/cloudstate-go/cloudstate/proxy/store"
	"github.com/cloudstate-go/cloudstate/proxy/store/group"
)

var (
	_ store.Journal     = (*Store)(nil)
	_ store.Values      = (*Store)(nil)
	_ store.EventLog    = (*Store)(nil)
	_ store.Topics      = (*Store)(nil)
	_ store.Consumers   = (*Store)(nil)
	_ store.Replicas    = (*Store)(nil)
	_ store.Lister      = (*Store)(nil)
	_ store.Descriptors = (*Store)(nil)
)

// A Store keeps the state of entities in an SQLite file. It may be used concurrently. What
// it can read, and how, is that of its [Reader].
type Store struct {
	*Reader

	lock      *lock
	writer    *writer
	committer *group.Committer[operation]

	close    sync.Once
	closeErr error
}

// Open opens the file at path, and creates it if there is none; its directory must exist. A
// file of an older version of this package is brought to the form of today. The context is
// that of opening; its end does not concern the store.
//
// The error says what is wrong with the file: it is in use by another process, of a newer
// version, read-only, damaged, or something else. In all these cases it is left as it was.
func Open(ctx context.Context, path string) (*Store, error) {
	return open(ctx, path, steps)
}

// open opens a file whose form is what these steps lead to.
func open(ctx context.Context, path string, steps []string) (_ *Store, err error) {
	file, err := locate(path)
	if err != nil {
		return nil, err
	}
	s := &Store{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if s.lock, err = acquire(file); err != nil {
		return nil, err
	}
	if err := file.check(); err != nil {
		return nil, err
	}
	if s.writer, err = openWriter(ctx, file); err != nil {
		return nil, err
	}
	if err := s.writer.prepare(ctx, steps); err != nil {
		return nil, err
	}
	if s.Reader, err = openReader(ctx, file, len(steps)); err != nil {
		return nil, err
	}
	s.committer = group.New(ctx, s.writer.commit)
	return s, nil
}

// Close finishes the writes that wait, refuses further ones, and closes the file. Whatever
// reads must have ended. It may be called again.
func (s *Store) Close() error {
	s.close.Do(func() {
		var errs []error
		if s.committer != nil {
			s.committer.Close()
		}
		if s.Reader != nil {
			errs = append(errs, s.Reader.Close())
		}
		if s.writer != nil {
			errs = append(errs, s.writer.close()) // last, so that it leaves nothing but the file
		}
		if s.lock != nil {
			errs = append(errs, s.lock.release())
		}
		s.closeErr = errors.Join(errs...)
	})
	return s.closeErr
}
