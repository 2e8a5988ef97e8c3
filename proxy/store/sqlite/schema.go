package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
)

// applicationID is what marks a file as ours: "CSgo", as a number in the header.
const applicationID = 0x4353676f

// steps lead from an empty file to the tables of today. A file of version n has had the
// first n of them. Steps are never changed, only added.
var steps = []string{
	`
	-- What the file says of itself.
	CREATE TABLE meta (
		name  TEXT PRIMARY KEY,
		value
	);
	INSERT INTO meta VALUES ('settled', 0);

	-- The event sourced entities that have events.
	CREATE TABLE journals (
		id     INTEGER PRIMARY KEY,
		type   TEXT NOT NULL, -- the persistence id
		entity TEXT NOT NULL,
		UNIQUE (type, entity)
	);

	-- Their events. Rows are only ever added.
	CREATE TABLE events (
		id      INTEGER PRIMARY KEY, -- grows from event to event, over all entities
		type    TEXT    NOT NULL,    -- as in journals
		journal INTEGER NOT NULL REFERENCES journals,
		seq     INTEGER NOT NULL,    -- from 1, without gaps, for each entity
		time    INTEGER NOT NULL,    -- Unix time in milliseconds
		op      BLOB,                -- of the append, at its last event
		data    BLOB    NOT NULL,    -- google.protobuf.Any
		UNIQUE (journal, seq)
	);

	-- Their newest snapshots.
	CREATE TABLE snapshots (
		journal INTEGER PRIMARY KEY REFERENCES journals,
		seq     INTEGER NOT NULL, -- of the last event that it contains
		time    INTEGER NOT NULL,
		data    BLOB    NOT NULL -- google.protobuf.Any
	);

	-- For people: what has happened to whom, and when.
	CREATE VIEW history AS
		SELECT events.id, events.type, entity, seq, strftime('%Y-%m-%d %H:%M:%f', time / 1000.0, 'unixepoch') AS time, data
		FROM events JOIN journals ON journals.id = journal;

	-- The states of value entities.
	CREATE TABLE entity_values (
		type    TEXT    NOT NULL,
		entity  TEXT    NOT NULL,
		version INTEGER NOT NULL, -- from 1, for each entity
		time    INTEGER NOT NULL,
		op      BLOB    NOT NULL, -- of the newest write
		data    BLOB,             -- google.protobuf.Any; NULL once it has been deleted
		PRIMARY KEY (type, entity)
	);

	-- What the user function last said of itself.
	CREATE TABLE descriptors (
		id   INTEGER PRIMARY KEY CHECK (id = 1),
		time INTEGER NOT NULL,
		data BLOB    NOT NULL -- cloudstate.EntitySpec
	);
	`,
	`
	-- The events of a type in the order of their ids.
	CREATE INDEX events_of_type ON events (type);

	-- What has been published to topics.
	CREATE TABLE messages (
		id    INTEGER PRIMARY KEY AUTOINCREMENT, -- grows from message to message, over all topics
		topic TEXT    NOT NULL,
		time  INTEGER NOT NULL,
		data  BLOB    NOT NULL
	);
	CREATE INDEX messages_of_topic ON messages (topic);

	-- How far consumers have come.
	CREATE TABLE positions (
		kind     TEXT    NOT NULL, -- event_log or topic
		source   TEXT    NOT NULL, -- the persistence id, or the topic
		service  TEXT    NOT NULL,
		"group"  TEXT    NOT NULL,
		time     INTEGER NOT NULL,
		last     INTEGER NOT NULL, -- the id of the last event or message that has been dealt with
		attempts INTEGER NOT NULL, -- how often the one after that has failed
		PRIMARY KEY (kind, source, service, "group")
	);

	-- What consumers have given up.
	CREATE TABLE dead_letters (
		id       INTEGER PRIMARY KEY AUTOINCREMENT,
		kind     TEXT    NOT NULL,
		source   TEXT    NOT NULL,
		service  TEXT    NOT NULL,
		"group"  TEXT    NOT NULL,
		time     INTEGER NOT NULL,
		attempts INTEGER NOT NULL,
		reason   TEXT    NOT NULL,
		data     BLOB    NOT NULL
	);

	-- The CRDTs of the proxy: an entity is what its parts add up to.
	CREATE TABLE crdt_parts (
		id     INTEGER PRIMARY KEY AUTOINCREMENT, -- so that who reads in its order misses nothing that is replaced
		type   TEXT    NOT NULL,
		entity TEXT    NOT NULL,
		time   INTEGER NOT NULL,
		data   BLOB    NOT NULL
	);
	CREATE INDEX parts_of_entity ON crdt_parts (type, entity);
	`,
}

// prepare makes sure that the file is ours, brings it to the form that steps lead to, and
// sets the connection up for durable writes.
func (w *writer) prepare(ctx context.Context, steps []string) error {
	version, err := w.version(ctx)
	if err != nil {
		return w.file.explain(err)
	}
	if version > len(steps) {
		return w.file.newer(version, len(steps))
	}
	if err := w.configure(ctx); err != nil {
		return w.file.explain(err)
	}
	if version == len(steps) {
		return nil
	}
	return w.transaction(ctx, func() error { return w.migrate(ctx, version, steps) })
}

// version returns how many steps the file has had: zero if it is new.
func (s *statements) version(ctx context.Context) (int, error) {
	var id, tables int
	if err := s.row(ctx, `SELECT application_id FROM pragma_application_id`, nil, &id); err != nil {
		return 0, err
	}
	if err := s.row(ctx, `SELECT count(*) FROM sqlite_schema`, nil, &tables); err != nil {
		return 0, err
	}
	switch {
	case id == 0 && tables == 0:
		return 0, nil
	case id != applicationID:
		return 0, errForeign
	}
	var version int
	err := s.row(ctx, `SELECT value FROM meta WHERE name = 'version'`, nil, &version)
	if errors.Is(err, sql.ErrNoRows) {
		err = errNoVersion
	}
	return version, err
}

// configure sets the connection up, and checks that SQLite does what it is told.
func (w *writer) configure(ctx context.Context) error {
	var mode string
	if err := w.row(ctx, `PRAGMA journal_mode = WAL`, nil, &mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("the journal mode is %q, want wal; is it on a network file system? SQLite needs a local disk", mode)
	}
	if _, err := w.exec(ctx, `PRAGMA synchronous = FULL`); err != nil {
		return err
	}
	const full = 2
	var synchronous int
	if err := w.row(ctx, `PRAGMA synchronous`, nil, &synchronous); err != nil {
		return err
	}
	if synchronous != full {
		return fmt.Errorf("SQLite does not sync each commit: synchronous is %d, want %d", synchronous, full)
	}
	return nil
}

// migrate does the steps that a file of some version has not had.
func (w *writer) migrate(ctx context.Context, version int, steps []string) error {
	for i, step := range steps[version:] {
		if _, err := w.conn.ExecContext(ctx, step); err != nil {
			return fmt.Errorf("bring the tables from version %d to %d: %w", version+i, version+i+1, err)
		}
	}
	if _, err := w.exec(ctx, `INSERT OR REPLACE INTO meta VALUES ('version', ?)`, len(steps)); err != nil {
		return err
	}
	_, err := w.conn.ExecContext(ctx, `PRAGMA application_id = `+strconv.Itoa(applicationID))
	return err
}

var (
	// errForeign says that a file is an SQLite file, but not one of this package.
	errForeign = errors.New("it has tables of another program; choose another path")
	// errNoVersion says that nobody knows what the tables of a file are.
	errNoVersion = errors.New("its table meta has no version: it has been tampered with; restore a backup")
)

// newer says that a file cannot be understood.
func (f file) newer(version, want int) error {
	return f.explain(fmt.Errorf("it has tables of version %d, and this program knows versions up to %d; use the newer program that wrote it, or restore a backup from before",
		version, want))
}

// older says that a file cannot be read as it is.
func (f file) older(version, want int) error {
	return f.explain(fmt.Errorf("it has tables of version %d, want %d; let this program open it for writing once, which brings it up to date",
		version, want))
}
