package program

import (
	"context"
	"fmt"

	"github.com/cloudstate-go/cloudstate/proxy/store"
	"github.com/cloudstate-go/cloudstate/proxy/store/memory"
)

const (
	defaultStore storeURL = "memory"
	storeUsage            = `where events and states are kept: "memory"`
)

// A storeURL is the value of a flag that names a store.
type storeURL string

func (u *storeURL) String() string { return string(*u) }

func (u *storeURL) Type() string { return "store" }

func (u *storeURL) Set(text string) error {
	if text != "memory" {
		return fmt.Errorf("%q is not a store, want memory", text)
	}
	*u = storeURL(text)
	return nil
}

// A stored is an open store.
type stored struct {
	journal store.Journal
	values  store.Values
	close   func() error
}

// open opens the store.
func (u *storeURL) open(context.Context) (*stored, error) {
	opened := memory.New()
	return &stored{journal: opened, values: opened, close: func() error { return nil }}, nil
}
