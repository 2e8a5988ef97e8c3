package sqlite_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/uuid"

	"github.com/cloudstate-go/cloudstate/proxy/store"
	"github.com/cloudstate-go/cloudstate/proxy/store/sqlite"
)

func Example() {
	ctx := context.Background()
	directory, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(directory) //nolint:errcheck // the system tidies up, too

	stored, err := sqlite.Open(ctx, filepath.Join(directory, "cart.db"))
	if err != nil {
		fmt.Println(err)
		return
	}
	key := store.Key{Type: "shopping-cart", ID: "u1"}
	_, err = stored.Append(ctx, store.Append{
		Key:    key,
		Events: [][]byte{[]byte("item added"), []byte("item removed")},
		OpID:   store.OpID(uuid.New()),
	})
	fmt.Println("durable:", err == nil)
	fmt.Println(stored.Close())

	reader, err := sqlite.OpenReader(ctx, filepath.Join(directory, "cart.db"))
	if err != nil {
		fmt.Println(err)
		return
	}
	for event, err := range reader.Events(ctx, key, 0) {
		fmt.Printf("%d: %s %v\n", event.Seq, event.Data, err)
	}
	fmt.Println(reader.Close())
	// Output:
	// durable: true
	// <nil>
	// 1: item added <nil>
	// 2: item removed <nil>
	// <nil>
}
