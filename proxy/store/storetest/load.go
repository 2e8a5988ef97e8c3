package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// appendWithSnapshot appends events and the snapshot that follows them.
func (f *fixture) appendWithSnapshot(expected store.Head, snapshot string, events ...string) store.Head {
	f.Helper()
	a := f.request(expected, events...)
	a.Snapshot = []byte(snapshot)
	head, err := f.journal.Append(f.Context(), a)
	require.NoError(f, err)
	return head
}

func testSnapshot(f *fixture) {
	head := f.appendWithSnapshot(store.Head{}, "after 2", "1", "2")
	records, loaded := f.load(f.key)
	require.Equal(f, []store.Record{{Seq: 2, Snapshot: true, Data: []byte("after 2")}}, records)
	require.Equal(f, head, loaded)

	head = f.append(head, "3")
	head = f.appendWithSnapshot(head, "after 5", "4", "5")
	head = f.append(head, "6", "7")
	records, loaded = f.load(f.key)
	require.Equal(f, []store.Record{
		{Seq: 5, Snapshot: true, Data: []byte("after 5")},
		{Seq: 6, Data: []byte("6")},
		{Seq: 7, Data: []byte("7")},
	}, records)
	require.Equal(f, head, loaded)
}

func testRefusedSnapshot(f *fixture) {
	f.append(store.Head{}, "a")
	a := f.request(store.Head{}, "b")
	a.Snapshot = []byte("never")
	f.refused(a)
	f.requireEvents("a")
}

func testEmptySnapshot(f *fixture) {
	f.appendWithSnapshot(store.Head{}, "", "a", "b")
	records, head := f.load(f.key)
	require.Len(f, records, 1)
	require.True(f, records[0].Snapshot)
	require.Empty(f, records[0].Data)
	require.Equal(f, uint64(2), head.Seq)
}

func testLongJournal(f *fixture) {
	const batches, size = 40, 100
	head := store.Head{}
	for batch := range batches {
		events := make([]string, size)
		for i := range events {
			events[i] = fmt.Sprint(batch*size + i + 1)
		}
		head = f.append(head, events...)
	}
	read := uint64(0)
	loaded, err := f.journal.Load(f.Context(), f.key, func(record store.Record) error {
		read++
		require.Equal(f, read, record.Seq)
		require.Equal(f, fmt.Sprint(read), string(record.Data))
		return nil
	})
	require.NoError(f, err)
	require.Equal(f, uint64(batches*size), read)
	require.Equal(f, head, loaded)
}

func testCallbackError(f *fixture) {
	f.append(store.Head{}, "a", "b", "c")
	enough := errors.New("enough")
	calls := 0
	_, err := f.journal.Load(f.Context(), f.key, func(store.Record) error {
		calls++
		if calls == 2 {
			return enough
		}
		return nil
	})
	require.ErrorIs(f, err, enough)
	require.Equal(f, 2, calls)
}

func testAppendDuringLoad(f *fixture) {
	head := f.append(store.Head{}, "a", "b")
	other := &fixture{T: f.T, journal: f.journal, key: store.Key{Type: f.key.Type, ID: "other"}}
	_, err := f.journal.Load(f.Context(), f.key, func(record store.Record) error {
		if record.Seq == 1 {
			f.append(head, "c")
			other.append(store.Head{}, "d")
		}
		return nil
	})
	require.NoError(f, err)
	f.requireEvents("a", "b", "c")
	other.requireEvents("d")
}

func testLoadIsAtomic(f *fixture) {
	const batches, size = 50, 4
	var writer sync.WaitGroup
	var appendErr error
	writer.Go(func() {
		head := store.Head{}
		for range batches {
			head, appendErr = f.journal.Append(f.Context(), f.request(head, make([]string, size)...))
			if appendErr != nil {
				return
			}
		}
	})
	defer writer.Wait()
	for range batches {
		last := uint64(0)
		head, err := f.journal.Load(f.Context(), f.key, func(record store.Record) error {
			require.Equal(f, last+1, record.Seq)
			last = record.Seq
			return nil
		})
		require.NoError(f, err)
		require.Equal(f, last, head.Seq)
		require.Zero(f, head.Seq%size, "a load saw %d events, part of a batch", head.Seq)
	}
	writer.Wait()
	require.NoError(f, appendErr)
}

func testCancelledLoad(f *fixture) {
	f.append(store.Head{}, "a")
	ctx, cancel := context.WithCancel(f.Context())
	cancel()
	_, err := f.journal.Load(ctx, f.key, func(store.Record) error { return nil })
	require.ErrorIs(f, err, context.Canceled)
}

func testCancelDuringLoad(f *fixture) {
	f.append(store.Head{}, make([]string, 5000)...)
	ctx, cancel := context.WithCancel(f.Context())
	defer cancel()
	calls := 0
	_, err := f.journal.Load(ctx, f.key, func(store.Record) error {
		calls++
		cancel()
		return nil
	})
	require.ErrorIs(f, err, context.Canceled)
	require.Less(f, calls, 5000)
}

// odd are names that tempt a store to quote, split, fold or trim.
var odd = []string{
	"", " ", "a ", "A", "a", "a|b", "a/b", "a\x00b", "ä", "a\u0308", "\u65e5\u672c", "'", `"`, "%", "_", "*", ".", "..", ">",
	"a.b", "a\nb", "\xff\xfe", strings.Repeat("long", 300),
}

func testOddKeys(f *fixture) {
	for _, id := range odd {
		entity := &fixture{T: f.T, journal: f.journal, key: store.Key{Type: f.key.Type, ID: id}}
		entity.append(store.Head{}, "event of "+id)
	}
	for _, id := range odd {
		entity := &fixture{T: f.T, journal: f.journal, key: store.Key{Type: f.key.Type, ID: id}}
		entity.requireEvents("event of " + id)
	}
}

func testKeyIsolation(f *fixture) {
	base := f.key.Type
	keys := []store.Key{
		{Type: base + "a", ID: "b|c"},
		{Type: base + "a|b", ID: "c"},
		{Type: base + "a", ID: "bc"},
		{Type: base + "ab", ID: "c"},
		{Type: base + "a", ID: "b"},
		{Type: base + "b", ID: "a"},
	}
	for _, key := range keys {
		entity := &fixture{T: f.T, journal: f.journal, key: key}
		entity.append(store.Head{}, key.String())
	}
	for _, key := range keys {
		entity := &fixture{T: f.T, journal: f.journal, key: key}
		entity.requireEvents(key.String())
	}
}

func testNoAliasing(f *fixture) {
	event, snapshot := []byte("event"), []byte("snapshot")
	a := f.request(store.Head{})
	a.Events, a.Snapshot = [][]byte{event}, snapshot
	head, err := f.journal.Append(f.Context(), a)
	require.NoError(f, err)
	f.append(head, "later")
	clear(event)
	clear(snapshot)
	a.Events[0] = nil

	for range 2 { // the second time shows whether the first one was a copy
		records, _ := f.load(f.key)
		require.Len(f, records, 2)
		require.Equal(f, "snapshot", string(records[0].Data))
		require.Equal(f, "later", string(records[1].Data))
		clear(records[0].Data)
		clear(records[1].Data)
	}
}
