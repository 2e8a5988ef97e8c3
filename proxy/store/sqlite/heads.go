package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// maxHeads limits how many heads are remembered; when it is reached, all are forgotten.
const maxHeads = 1 << 16

// A head is the end of the journal of an entity.
type head struct {
	journal int64 // its id in the table of journals; 0 if it has no events
	seq     uint64
}

// heads are those that the writer need not ask the database for: it was the last one who
// has changed the file, and knows what it has written.
type heads struct {
	known   map[store.Key]head
	version int64 // of the file; it changes when somebody else changes the file
}

// refresh forgets the heads if the file has been changed by somebody else, such as a person
// with the sqlite3 tool. It must be called in a transaction, so that nobody can do so later.
func (h *heads) refresh(ctx context.Context, s *statements) error {
	var version int64
	err := s.row(ctx, `PRAGMA data_version`, nil, &version)
	if err != nil || version != h.version {
		h.forget()
	}
	h.version = version
	return err
}

// forget has all heads looked up again.
func (h *heads) forget() {
	clear(h.known)
}

// get returns the head of an entity, which is zero if there is none.
func (h *heads) get(ctx context.Context, s *statements, key store.Key) (head, error) {
	if known, found := h.known[key]; found {
		return known, nil
	}
	var stored head
	err := s.row(ctx, `
		SELECT id, (SELECT max(seq) FROM events WHERE journal = journals.id) FROM journals WHERE type = ? AND entity = ?`,
		[]any{key.Type, key.ID}, &stored.journal, &stored.seq)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return stored, err
}

// set remembers the head of an entity, in a transaction. If it fails, everything must be
// forgotten.
func (h *heads) set(key store.Key, current head) {
	if h.known == nil || len(h.known) == maxHeads {
		h.known = map[store.Key]head{}
	}
	h.known[key] = current
}
