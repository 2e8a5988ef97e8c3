package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"

	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// A writer is the one connection that writes. It is used by one goroutine at a time, the
// committer's.
type writer struct {
	statements

	file file
	db   *sql.DB
	conn *sql.Conn

	heads    heads
	changed  []log // by the transaction that is under way
	watchers watchers
}

// An operation is a request to the writer, which keeps its answer. It is asked for once,
// but may be run several times: whatever an earlier run did and found has been undone then.
type operation interface {
	// run does the operation in the transaction that is under way. An error undoes all of
	// the transaction; a refusal is none, and leaves no trace.
	run(ctx context.Context, w *writer) error
}

// openWriter connects to a file, and creates it if there is none. Nothing is written yet.
func openWriter(ctx context.Context, f file) (*writer, error) {
	db, err := sql.Open("sqlite", f.uri(url.Values{
		"_pragma": {
			"busy_timeout(5000)",           // the sqlite3 tool may be writing
			"page_size(2048)",              // of a new file: an event touches a few pages, and each is written to the log
			"fullfsync(1)",                 // macOS has an fsync that does not sync
			"checkpoint_fullfsync(1)",      //
			"wal_autocheckpoint(16000)",    // pages; rarely, because it stops the writer
			"journal_size_limit(67108864)", // bytes that the log may keep after it has grown
			"temp_store(memory)",
		},
		"_error_rc": {"1"},
	}))
	if err != nil {
		return nil, f.explain(err)
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(f.explain(err), db.Close())
	}
	return &writer{statements: statements{on: conn}, file: f, db: db, conn: conn}, nil
}

// close closes the connection, and moves what is in the log into the file.
func (w *writer) close() error {
	return errors.Join(w.statements.close(), w.conn.Close(), w.db.Close())
}

// commit does a batch of operations in one transaction. It is what the committer calls.
func (w *writer) commit(ctx context.Context, batch []operation) error {
	w.changed = w.changed[:0]
	defer func() { w.watchers.notify(w.changed) }() // after a failure, too: it may be unknown
	return w.transaction(ctx, func() error {
		if err := w.heads.refresh(ctx, &w.statements); err != nil {
			return err
		}
		for _, o := range batch {
			if err := o.run(ctx, w); err != nil {
				return err
			}
		}
		return nil
	})
}

// transaction does something in a transaction. When it returns nil, that is on the disk. If
// the error matches store.ErrUnknown, it may be; after another error it is not.
func (w *writer) transaction(ctx context.Context, do func() error) error {
	if _, err := w.exec(ctx, `BEGIN IMMEDIATE`); err != nil {
		return w.file.explain(err)
	}
	if err := do(); err != nil {
		w.rollback(ctx)
		return w.file.explain(err)
	}
	// From here on the disk has the last word: if it reports a failure, what it has may
	// be found again after a crash.
	if _, err := w.exec(ctx, `COMMIT`); err != nil {
		w.rollback(ctx)
		return fmt.Errorf("%w: %w", w.file.explain(err), store.ErrUnknown)
	}
	return nil
}

// rollback ends a transaction that has failed. SQLite may have ended it already, which makes
// this an error.
func (w *writer) rollback(ctx context.Context) {
	w.heads.forget()
	_, _ = w.exec(ctx, `ROLLBACK`)
}

// changes says that the transaction that is under way adds to a log.
func (w *writer) changes(l log) {
	w.changed = append(w.changed, l)
}

// settle makes an answer final that says what is stored, once the transaction that it is
// part of has been committed. If the disk has failed to sync an earlier transaction, SQLite
// takes that back; but it may still be in the log, and would be found there after a crash.
// What is written now takes its place.
func (w *writer) settle(ctx context.Context) error {
	_, err := w.exec(ctx, `UPDATE meta SET value = value + 1 WHERE name = 'settled'`)
	return err
}
