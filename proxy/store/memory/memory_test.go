package memory_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/proxy/store"
	"github.com/cloudstate-go/cloudstate/proxy/store/memory"
	"github.com/cloudstate-go/cloudstate/proxy/store/storetest"
)

func TestStore_KeepsThePromisesOfAJournal(t *testing.T) {
	t.Parallel()
	storetest.Run(t, "memory", func(*testing.T) store.Journal { return memory.New() })
}

func TestStore_KeepsThePromisesOfValues(t *testing.T) {
	t.Parallel()
	storetest.RunValues(t, "memory", func(*testing.T) store.Values { return memory.New() })
}

func TestStore_KeepsThePromisesOfReplicas(t *testing.T) {
	t.Parallel()
	storetest.RunReplicas(t, "memory", func(*testing.T) store.Replicas { return memory.New() })
}

func TestStore_ListsWhatItHas(t *testing.T) {
	t.Parallel()
	storetest.RunLister(t, "memory", func(*testing.T) storetest.Listed { return memory.New() })
}

func TestStore_KeepsDescriptors(t *testing.T) {
	t.Parallel()
	storetest.RunDescriptors(t, "memory", func(*testing.T) store.Descriptors { return memory.New() })
}

func TestStore_KeepsThePromisesOfAnEventLog(t *testing.T) {
	t.Parallel()
	storetest.RunEventLog(t, "memory", func(*testing.T) storetest.LoggedJournal { return memory.New() })
}

func TestStore_KeepsThePromisesOfTopics(t *testing.T) {
	t.Parallel()
	storetest.RunTopics(t, "memory", func(*testing.T) store.Topics { return memory.New() })
}

func TestStore_KeepsThePromisesOfConsumers(t *testing.T) {
	t.Parallel()
	storetest.RunConsumers(t, "memory", func(*testing.T) store.Consumers { return memory.New() })
}

// A store that several tests share is no problem for the suites.
func TestStore_CanBeSharedByTheTestsOfASuite(t *testing.T) {
	t.Parallel()
	shared := memory.New()
	storetest.RunEventLog(t, "event log", func(*testing.T) storetest.LoggedJournal { return shared })
	storetest.RunTopics(t, "topics", func(*testing.T) store.Topics { return shared })
	storetest.RunConsumers(t, "consumers", func(*testing.T) store.Consumers { return shared })
}

func ExampleNew() {
	ctx := context.Background()
	journal := memory.New()
	key := store.Key{Type: "shopping-cart", ID: "u1"}

	_, err := journal.Append(ctx, store.Append{
		Key:    key,
		Events: [][]byte{[]byte("item added"), []byte("item removed")},
		OpID:   store.OpID(uuid.New()),
	})
	if err != nil {
		fmt.Println(err)
	}
	head, err := journal.Load(ctx, key, func(record store.Record) error {
		fmt.Printf("%d: %s\n", record.Seq, record.Data)
		return nil
	})
	fmt.Println("head:", head.Seq, err)
	// Output:
	// 1: item added
	// 2: item removed
	// head: 2 <nil>
}

func BenchmarkStore_Append(b *testing.B) {
	journal := memory.New()
	key := store.Key{Type: "shopping-cart", ID: "u1"}
	event := make([]byte, 256)
	var head store.Head
	b.ReportAllocs()
	for b.Loop() {
		var err error
		head, err = journal.Append(b.Context(), store.Append{Key: key, Expected: head, Events: [][]byte{event}, OpID: store.OpID(uuid.New())})
		require.NoError(b, err)
	}
}

func BenchmarkStore_Put(b *testing.B) {
	values := memory.New()
	key := store.Key{Type: "shopping-cart", ID: "u1"}
	value := make([]byte, 256)
	var version store.Version
	b.ReportAllocs()
	for b.Loop() {
		var err error
		version, err = values.Put(b.Context(), store.Write{Key: key, Expected: version, OpID: store.OpID(uuid.New())}, value)
		require.NoError(b, err)
	}
}
