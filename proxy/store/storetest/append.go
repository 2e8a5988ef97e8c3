package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/proxy/store"
)

func testEmpty(f *fixture) {
	records, head := f.load(f.key)
	require.Empty(f, records)
	require.Equal(f, store.Head{}, head)
}

func testNumbers(f *fixture) {
	head := store.Head{}
	for n := range uint64(5) {
		head = f.append(head, fmt.Sprint("event ", n+1))
		require.Equal(f, n+1, head.Seq)
	}
	require.Equal(f, head, f.requireEvents("event 1", "event 2", "event 3", "event 4", "event 5"))
}

func testBatch(f *fixture) {
	head := f.append(store.Head{}, "a")
	head = f.append(head, "b", "c", "d")
	require.Equal(f, uint64(4), head.Seq)
	require.Equal(f, head, f.requireEvents("a", "b", "c", "d"))
}

func testNoEvents(f *fixture) {
	a := f.request(store.Head{})
	a.Snapshot = []byte("state")
	_, err := f.journal.Append(f.Context(), a)
	require.Error(f, err)
	require.NotErrorIs(f, err, store.ErrUnknown)
	f.requireEvents()
}

func testNoOpID(f *fixture) {
	a := f.request(store.Head{}, "a")
	a.OpID = store.OpID{}
	_, err := f.journal.Append(f.Context(), a)
	require.Error(f, err)
	require.NotErrorIs(f, err, store.ErrUnknown)
	f.requireEvents()
}

func testStaleHead(f *fixture) {
	first := f.append(store.Head{}, "a")
	second := f.append(first, "b")
	require.Equal(f, second, f.refused(f.request(first, "c")))
	require.Equal(f, second, f.refused(f.request(store.Head{}, "c")))
	f.requireEvents("a", "b")
}

func testFutureHead(f *fixture) {
	require.Equal(f, store.Head{}, f.refused(f.request(store.Head{Seq: 7, Token: 7}, "a")))
	head := f.append(store.Head{}, "a")
	future := head
	future.Seq++
	require.Equal(f, head, f.refused(f.request(future, "b")))
	f.requireEvents("a")
}

func testConflictRecovers(f *fixture) {
	f.append(store.Head{}, "a")
	actual := f.refused(f.request(store.Head{}, "b"))
	f.append(actual, "b")
	f.requireEvents("a", "b")
}

func testRefusedBatch(f *fixture) {
	head := f.append(store.Head{}, "a")
	f.refused(f.request(store.Head{}, "b", "c", "d"))
	require.Equal(f, head, f.requireEvents("a"))
	f.append(head, "e")
	f.requireEvents("a", "e")
}

func testOneWins(f *fixture) {
	head := f.append(store.Head{}, "a")
	const writers = 8
	var wins atomic.Int32
	var group sync.WaitGroup
	errs := make([]error, writers)
	for i := range writers {
		group.Go(func() {
			_, errs[i] = f.journal.Append(f.Context(), f.request(head, "b"))
			if errs[i] == nil {
				wins.Add(1)
			}
		})
	}
	group.Wait()
	require.Equal(f, int32(1), wins.Load())
	newest := f.requireEvents("a", "b")
	for _, err := range errs {
		if err == nil {
			continue
		}
		var conflict *store.ConflictError
		require.ErrorAs(f, err, &conflict)
		require.Equal(f, newest, conflict.Actual)
	}
}

func testWritersRetry(f *fixture) {
	const writers, each = 4, 25
	var group sync.WaitGroup
	errs := make([]error, writers)
	for i := range writers {
		group.Go(func() { errs[i] = f.appendAll(each, fmt.Sprintf("writer %d event %%d", i)) })
	}
	group.Wait()
	for _, err := range errs {
		require.NoError(f, err)
	}
	records, _ := f.load(f.key)
	next := map[int]int{}
	for i, record := range records {
		require.Equal(f, uint64(i+1), record.Seq)
		var writer, event int
		_, err := fmt.Sscanf(string(record.Data), "writer %d event %d", &writer, &event)
		require.NoError(f, err)
		require.Equal(f, next[writer], event, "events of a writer keep their order")
		next[writer]++
	}
	require.Len(f, records, writers*each)
}

// appendAll appends events one by one, and goes on where a conflict says.
func (f *fixture) appendAll(events int, format string) error {
	head := store.Head{}
	for event := 0; event < events; {
		next, err := f.journal.Append(f.Context(), f.request(head, fmt.Sprintf(format, event)))
		var conflict *store.ConflictError
		switch {
		case err == nil:
			head = next
			event++
		case errors.As(err, &conflict):
			head = conflict.Actual
		default:
			return err
		}
	}
	return nil
}

func testResolveStored(f *fixture) {
	a := f.request(store.Head{}, "a", "b")
	head, err := f.journal.Append(f.Context(), a)
	require.NoError(f, err)
	f.append(head, "c")
	resolved, stored, err := f.journal.Resolve(f.Context(), f.key, a.OpID)
	require.NoError(f, err)
	require.True(f, stored)
	require.Equal(f, head, resolved)
}

func testResolveRefused(f *fixture) {
	f.append(store.Head{}, "a")
	a := f.request(store.Head{}, "b")
	f.refused(a)
	f.requireNotStored(f.key, a.OpID)
}

func testResolveUnknown(f *fixture) {
	f.requireNotStored(f.key, newOpID())
	f.append(store.Head{}, "a")
	f.requireNotStored(f.key, newOpID())
}

func testResolveOtherEntity(f *fixture) {
	a := f.request(store.Head{}, "a")
	_, err := f.journal.Append(f.Context(), a)
	require.NoError(f, err)
	f.requireNotStored(store.Key{Type: f.key.Type, ID: "other"}, a.OpID)
}

// requireNotStored requires that an operation resolves to not stored.
func (f *fixture) requireNotStored(key store.Key, op store.OpID) {
	f.Helper()
	_, stored, err := f.journal.Resolve(f.Context(), key, op)
	require.NoError(f, err)
	require.False(f, stored)
}

func testRepeatedAppend(f *fixture) {
	a := f.request(store.Head{}, "a")
	head, err := f.journal.Append(f.Context(), a)
	require.NoError(f, err)
	require.Equal(f, head, f.refused(a))
	f.requireEvents("a")
	_, stored, err := f.journal.Resolve(f.Context(), f.key, a.OpID)
	require.NoError(f, err)
	require.True(f, stored)
}

func testCancelledAppend(f *fixture) {
	ctx, cancel := context.WithCancel(f.Context())
	cancel()
	a := f.request(store.Head{}, "a")
	_, err := f.journal.Append(ctx, a)
	require.Error(f, err)
	_, stored, resolveErr := f.journal.Resolve(f.Context(), f.key, a.OpID)
	require.NoError(f, resolveErr)
	if stored {
		require.ErrorIs(f, err, store.ErrUnknown)
		f.requireEvents("a")
		return
	}
	f.requireEvents()
	_, _, err = f.journal.Resolve(ctx, f.key, a.OpID)
	require.ErrorIs(f, err, context.Canceled)
}

func testLargeEvent(f *fixture) {
	large := bytes.Repeat([]byte("0123456789abcdef"), 256<<10) // 4 MiB
	a := f.request(store.Head{}, "small")
	a.Events = append(a.Events, large)
	a.Snapshot = large
	head, err := f.journal.Append(f.Context(), a)
	require.NoError(f, err)
	a = f.request(head)
	a.Events = [][]byte{large}
	_, err = f.journal.Append(f.Context(), a)
	require.NoError(f, err)
	records, _ := f.load(f.key)
	require.Len(f, records, 2)
	for _, record := range records {
		require.True(f, bytes.Equal(large, record.Data))
	}
}

func testOddEvents(f *fixture) {
	f.append(store.Head{}, "", "\x00", "\xff\xfe", "'; DROP TABLE events; --")
	f.requireEvents("", "\x00", "\xff\xfe", "'; DROP TABLE events; --")
}
