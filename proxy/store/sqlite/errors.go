package sqlite

import (
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// remedies say what to do about what SQLite reports, by its primary code.
var remedies = map[int]string{
	sqlite3.SQLITE_BUSY:     "another program is writing the file, perhaps the sqlite3 tool; end its transaction",
	sqlite3.SQLITE_CANTOPEN: "it must be possible to create files in its directory",
	sqlite3.SQLITE_CORRUPT:  "the file is damaged; restore a backup, or try the command .recover of the sqlite3 tool",
	sqlite3.SQLITE_FULL:     "there is no space on the disk; make some, what is stored is intact",
	sqlite3.SQLITE_IOERR:    "the disk failed; look into the log of the system",
	sqlite3.SQLITE_NOTADB:   "it is not an SQLite file, or it is damaged or encrypted; choose another path, or restore a backup",
	sqlite3.SQLITE_PERM:     "the file and its directory must be writable",
	sqlite3.SQLITE_READONLY: "the file and its directory must be writable",
	sqlite3.SQLITE_TOOBIG:   "an event, a snapshot or a state may have 1000 MB at most",
}

// explain names the file in an error, and says what to do if it comes from SQLite.
func (f file) explain(err error) error {
	failure, found := errors.AsType[*sqlite.Error](err)
	if found && remedies[failure.Code()&0xff] != "" {
		return fmt.Errorf("sqlite: %s: %w: %s", f, err, remedies[failure.Code()&0xff])
	}
	return fmt.Errorf("sqlite: %s: %w", f, err)
}
