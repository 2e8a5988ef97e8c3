package sqlite_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/proxy/store"
	"github.com/cloudstate-go/cloudstate/proxy/store/group"
)

// An appender makes one append after the other to an entity of its own, each durable before
// the next.
type appender func(ctx context.Context) error

// A bareLog is what a store cannot be faster than: a file that events are appended to, with
// one sync for all that wait.
type bareLog struct {
	file      *os.File
	committer *group.Committer[[]byte]
}

func openBareLog(b *testing.B) *bareLog {
	b.Helper()
	file, err := os.Create(filepath.Join(b.TempDir(), "bare.log"))
	require.NoError(b, err)
	l := &bareLog{file: file}
	l.committer = group.New(b.Context(), l.commit)
	b.Cleanup(func() {
		l.committer.Close()
		require.NoError(b, file.Close())
	})
	return l
}

func (l *bareLog) commit(_ context.Context, batch [][]byte) error {
	var all []byte
	for _, event := range batch {
		all = binary.AppendUvarint(all, uint64(len(event)))
		all = append(all, event...)
	}
	if _, err := l.file.Write(all); err != nil {
		return err
	}
	return l.file.Sync()
}

// events are what is appended in benchmarks: 256 bytes each.
var event = make([]byte, 256)

func (l *bareLog) appender() appender {
	return func(ctx context.Context) error { return l.committer.Do(ctx, event) }
}

func newAppender(journal store.Journal, entity string) appender {
	a := store.Append{Key: store.Key{Type: "shopping-cart", ID: entity}, Events: [][]byte{event}}
	return func(ctx context.Context) (err error) {
		a.OpID = store.OpID(uuid.New())
		a.Expected, err = journal.Append(ctx, a)
		return err
	}
}

// run lets appenders make n appends together, and returns how long that took.
func run(b *testing.B, n int, appenders []appender) time.Duration {
	b.Helper()
	var left atomic.Int64
	left.Store(int64(n))
	var all sync.WaitGroup
	errs := make([]error, len(appenders))
	begin := time.Now()
	for i, appendEvent := range appenders {
		all.Go(func() {
			for left.Add(-1) >= 0 && errs[i] == nil {
				errs[i] = appendEvent(b.Context())
			}
		})
	}
	all.Wait()
	took := time.Since(begin)
	for _, err := range errs {
		require.NoError(b, err)
	}
	return took
}

// Durable events per second, and that as a ratio to a bare log in the same run. They take
// turns, because a disk is slower at some times than at others.
func BenchmarkStore_Append(b *testing.B) {
	for _, entities := range []int{1, 64} {
		b.Run(fmt.Sprint(entities, " entities"), func(b *testing.B) {
			s, bare := openNew(b), openBareLog(b)
			var toStore, toBare []appender
			for i := range entities {
				toStore = append(toStore, newAppender(s, fmt.Sprintf("user-%08d", i)))
				toBare = append(toBare, bare.appender())
			}
			turn := max(entities*16, 64)
			var onStore, onBare time.Duration
			b.ReportAllocs()
			b.ResetTimer()
			for done := 0; done < b.N; done += turn {
				n := min(turn, b.N-done)
				onStore += run(b, n, toStore)
				b.StopTimer()
				onBare += run(b, n, toBare)
				b.StartTimer()
			}
			b.ReportMetric(float64(b.N)/onStore.Seconds(), "events/s")
			b.ReportMetric(onBare.Seconds()/onStore.Seconds(), "ratio-to-bare-log")
		})
	}
}

// What it takes to read an entity that has a long journal, and no snapshot.
func BenchmarkStore_Load(b *testing.B) {
	const events = 10_000
	s := openNew(b)
	a := store.Append{Key: cart, OpID: store.OpID{1}}
	for range events {
		a.Events = append(a.Events, event)
	}
	_, err := s.Append(b.Context(), a)
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		head, err := s.Load(b.Context(), cart, func(store.Record) error { return nil })
		require.NoError(b, err)
		require.Equal(b, uint64(events), head.Seq)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/events, "ns/event")
}
