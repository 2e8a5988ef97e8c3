package program

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/cloudstate-go/cloudstate/proxy/store"
	"github.com/cloudstate-go/cloudstate/proxy/store/memory"
	"github.com/cloudstate-go/cloudstate/proxy/store/sqlite"
)

// A storeURL is the value of a flag that names a store.
type storeURL string

const (
	inMemory     storeURL = "memory"
	defaultStore storeURL = sqlitePrefix + "cloudstate.db"

	sqlitePrefix = "sqlite:"
)

var _ pflag.Value = (*storeURL)(nil)

func (u *storeURL) String() string { return string(*u) }

// Type names the type in the help.
func (u *storeURL) Type() string { return "store" }

// Set takes the name of a store.
func (u *storeURL) Set(text string) error {
	if path, isFile := strings.CutPrefix(text, sqlitePrefix); text != string(inMemory) && (!isFile || path == "") {
		return fmt.Errorf("%q is not a store, want sqlite:FILE, such as sqlite:cart.db, or memory", text)
	}
	*u = storeURL(text)
	return nil
}

// file returns the path of the SQLite file, or "" if there is none.
func (u *storeURL) file() string {
	path, _ := strings.CutPrefix(string(*u), sqlitePrefix)
	if *u == inMemory {
		return ""
	}
	return path
}

// A stored is a store for everything that a proxy keeps.
type stored interface {
	store.Journal
	store.Values
	store.Replicas
	store.Descriptors
}

// open opens the store. What it returns second closes it.
func (u *storeURL) open(ctx context.Context) (stored, func() error, error) {
	if *u == inMemory {
		return memory.New(), func() error { return nil }, nil
	}
	opened, err := sqlite.Open(ctx, u.file())
	if err != nil {
		return nil, nil, fmt.Errorf("open the store: %w", err)
	}
	return opened, opened.Close, nil
}
