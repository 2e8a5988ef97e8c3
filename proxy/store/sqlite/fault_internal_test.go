package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// A fixture is a store, and the appends that it has confirmed.
type fixture struct {
	*testing.T
	*Store

	path   string
	head   store.Head
	events []string
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.db")
	s, err := Open(t.Context(), path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return &fixture{T: t, Store: s, path: path}
}

// request returns an append to the cart, at its head.
func (f *fixture) request(event string) store.Append {
	return store.Append{Key: cart, Expected: f.head, Events: [][]byte{[]byte(event)}, OpID: store.OpID(uuid.New())}
}

// append appends an event to the cart, and returns the error.
func (f *fixture) append(event string) error {
	head, err := f.Append(f.Context(), f.request(event))
	if err == nil {
		f.head = head
		f.events = append(f.events, event)
	}
	return err
}

// requireIntact requires that the cart has exactly what has been confirmed.
func (f *fixture) requireIntact() {
	f.Helper()
	require.Equal(f, f.events, eventsOf(f.T, f.Store))
}

// pragmaf sets something in the connection that writes.
func (f *fixture) pragmaf(format string, args ...any) {
	f.Helper()
	_, err := f.writer.conn.ExecContext(f.Context(), "PRAGMA "+fmt.Sprintf(format, args...))
	require.NoError(f, err)
}

// limit lets the file have a number of pages more than it has.
func (f *fixture) limit(more int) {
	f.Helper()
	var pages int
	require.NoError(f, f.writer.conn.QueryRowContext(f.Context(), "PRAGMA page_count").Scan(&pages))
	f.pragmaf("max_page_count = %d", pages+more)
}

func TestStore_SurvivesAFullDisk(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	large := string(bytes.Repeat([]byte("x"), 10_000))
	require.NoError(f, f.append("first"))
	f.limit(20)
	var err error
	for err == nil {
		err = f.append(large)
	}
	require.Greater(f, len(f.events), 2)
	require.ErrorContains(f, err, "there is no space on the disk; make some, what is stored is intact")
	require.NotErrorIs(f, err, store.ErrUnknown)
	f.requireIntact()
	require.Error(f, f.append(large), "it stays full")
	_, err = f.Put(f.Context(), store.Write{Key: cart, OpID: store.OpID{1}}, []byte(large))
	require.ErrorContains(f, err, "there is no space on the disk")
	f.requireIntact()

	f.limit(1000)
	require.NoError(f, f.append(large))
	f.requireIntact()
	require.NoError(f, f.Close())
	f.Store, err = Open(f.Context(), f.path)
	require.NoError(f, err)
	f.requireIntact()
	require.NoError(f, f.Close())
}

// Writers who share a transaction do not share its fate.
func TestStore_LetsSmallEventsIntoTheLastPages(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	require.NoError(f, f.append("first"))
	f.limit(20)
	release := f.block()
	var writers sync.WaitGroup
	errs := make([]error, 10)
	for i := range errs {
		event := "small"
		if i == 5 {
			event = string(bytes.Repeat([]byte("x"), 1_000_000))
		}
		writers.Go(func() {
			a := f.request(event)
			a.Key.ID, a.Expected = fmt.Sprint("other ", i), store.Head{}
			_, errs[i] = f.Append(f.Context(), a)
		})
	}
	release()
	writers.Wait()
	for i, err := range errs {
		if i == 5 {
			require.ErrorContains(f, err, "there is no space on the disk")
		} else {
			require.NoError(f, err)
		}
	}
	f.requireIntact()
}

// block lets another program begin to write, so that the store has to wait until it ends.
func (f *fixture) block() (release func()) {
	f.Helper()
	db, err := sql.Open("sqlite", f.path)
	require.NoError(f, err)
	conn, err := db.Conn(f.Context())
	require.NoError(f, err)
	_, err = conn.ExecContext(f.Context(), "BEGIN IMMEDIATE")
	require.NoError(f, err)
	return sync.OnceFunc(func() {
		_, err := conn.ExecContext(f.Context(), "ROLLBACK")
		require.NoError(f, err)
		require.NoError(f, conn.Close())
		require.NoError(f, db.Close())
	})
}

func TestStore_WaitsForOthersWhoWriteButNotWithoutEnd(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	require.NoError(f, f.append("first"))
	f.pragmaf("busy_timeout = 1")
	release := f.block()
	defer release()
	err := f.append("second")
	require.ErrorContains(f, err, "another program is writing the file, perhaps the sqlite3 tool; end its transaction")
	require.NotErrorIs(f, err, store.ErrUnknown)
	f.requireIntact()

	release()
	require.NoError(f, f.append("second"))
	f.requireIntact()
}

// Whoever does not wait for the end of a commit can find out what became of it.
func TestStore_ResolvesAppendsThatNobodyHasWaitedFor(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	require.NoError(f, f.append("first"))
	release := f.block()
	defer release()
	a := f.request("second")
	f.leave(func(ctx context.Context) error {
		_, err := f.Append(ctx, a)
		return err
	})
	f.requireIntact()
	ctx, cancel := context.WithTimeout(f.Context(), time.Millisecond)
	defer cancel()
	_, _, err := f.Resolve(ctx, cart, a.OpID)
	require.ErrorIs(f, err, context.DeadlineExceeded, "while it is under way, nobody knows")

	release()
	head, stored, err := f.Resolve(f.Context(), cart, a.OpID)
	require.NoError(f, err)
	require.True(f, stored)
	require.Equal(f, store.Head{Seq: 2}, head)
	f.events = append(f.events, "second")
	f.requireIntact()
}

func TestStore_ResolvesWritesThatNobodyHasWaitedFor(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	release := f.block()
	defer release()
	w := store.Write{Key: cart, OpID: store.OpID{1}}
	f.leave(func(ctx context.Context) error {
		_, err := f.Put(ctx, w, []byte("value"))
		return err
	})
	value, err := f.Get(f.Context(), cart)
	require.NoError(f, err)
	require.False(f, value.Exists)

	release()
	version, stored, err := f.ResolveWrite(f.Context(), w)
	require.NoError(f, err)
	require.True(f, stored)
	require.Equal(f, store.Version(1), version)
}

// leave writes something, and stops waiting for it when it is under way.
func (f *fixture) leave(write func(context.Context) error) {
	f.Helper()
	var err error
	for !errors.Is(err, store.ErrUnknown) { // it may not have been under way yet
		ctx, cancel := context.WithTimeout(f.Context(), time.Millisecond)
		err = write(ctx)
		cancel()
		require.ErrorIs(f, err, context.DeadlineExceeded)
	}
}
