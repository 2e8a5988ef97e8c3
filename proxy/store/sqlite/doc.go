// Package sqlite is a durable store in one SQLite file, for a proxy on one machine.
//
//	stored, err := sqlite.Open(ctx, "cart.db")
//	if err != nil {
//		return err
//	}
//	defer stored.Close()
//	p := &proxy.Proxy{UserFunction: proxy.Embed(service), Journal: stored}
//
// SQLite is part of the program, in pure Go; nothing has to be installed.
//
// # Durability
//
// What a [Store] has confirmed is on the disk, and survives a crash of the process and of
// the machine, as far as the file system and the disk keep the promise of fsync. Writes that
// arrive at the same time share one sync.
//
// # One process
//
// One Store may have a file open, in one process; a second one is refused. A [Reader] may
// come at any time, and so may people: the tables are made to be read with the sqlite3
// tool, also while a proxy runs. docs/store-sqlite.md describes them.
//
// The file has companions while it is open, whose names end with -wal and -shm, and belong
// to it: whoever copies it by hand closes the store first, or uses the command .backup of
// the sqlite3 tool.
package sqlite
