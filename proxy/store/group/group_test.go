package group_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/proxy/store"
	"github.com/cloudstate-go/cloudstate/proxy/store/group"
)

// maxBatch and maxWaiting are the documented limits.
const (
	maxBatch   = 256
	maxWaiting = 4096
)

var errDisk = errors.New("the disk is full")

// A write appends a number to an engine.
type write struct {
	number  int
	refused bool // by the engine, which sets it
}

// An engine is a store in memory whose commits take a second.
type engine struct {
	batches [][]int
	stored  []int

	refuses map[int]bool // numbers that conflict
	fails   map[int]bool // numbers that make a commit fail
	unknown map[int]bool // numbers that make the outcome unknown
}

func (e *engine) commit(_ context.Context, batch []*write) error {
	time.Sleep(time.Second) //nolint:forbidigo // virtual time, see synctest
	numbers := make([]int, len(batch))
	for i, w := range batch {
		numbers[i] = w.number
		w.refused = e.refuses[w.number]
	}
	e.batches = append(e.batches, numbers)
	if slices.ContainsFunc(numbers, func(n int) bool { return e.fails[n] }) {
		return errDisk
	}
	for _, number := range numbers {
		if !e.refuses[number] {
			e.stored = append(e.stored, number)
		}
	}
	if slices.ContainsFunc(numbers, func(n int) bool { return e.unknown[n] }) {
		return fmt.Errorf("the connection broke: %w", store.ErrUnknown)
	}
	return nil
}

// numbers returns those from first to last.
func numbers(first, last int) []int {
	all := make([]int, 0, last-first+1)
	for n := first; n <= last; n++ {
		all = append(all, n)
	}
	return all
}

// A bench is an engine below a committer, in virtual time.
type bench struct {
	*testing.T

	engine    *engine
	committer *group.Committer[*write]
	writers   sync.WaitGroup
	errs      map[int]*error
}

// run runs a test in virtual time.
func run(t *testing.T, e *engine, test func(*bench)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{T: t, engine: e, committer: group.New(t.Context(), e.commit), errs: map[int]*error{}}
		defer b.committer.Close()
		test(b)
		b.writers.Wait()
	})
}

// start lets writers write numbers, one after the other, each in its own goroutine.
func (b *bench) start(ctx context.Context, numbers ...int) {
	for _, number := range numbers {
		err := new(error)
		b.errs[number] = err
		b.writers.Go(func() { *err = b.committer.Do(ctx, &write{number: number}) })
		synctest.Wait()
	}
}

// wait returns the errors of all writers, by number, leaving out those without one.
func (b *bench) wait() map[int]error {
	b.writers.Wait()
	failed := map[int]error{}
	for number, err := range b.errs {
		if *err != nil {
			failed[number] = *err
		}
	}
	return failed
}

func TestCommitter_BatchesWhatArrivesDuringACommit(t *testing.T) {
	run(t, &engine{}, func(b *bench) {
		begin := time.Now()
		b.start(b.Context(), numbers(1, 4)...)
		require.Empty(b, b.wait())
		require.Equal(b, [][]int{{1}, {2, 3, 4}}, b.engine.batches)
		require.Equal(b, 2*time.Second, time.Since(begin), "in virtual time: nobody waits longer than for two commits")
	})
}

func TestCommitter_LimitsBatches(t *testing.T) {
	run(t, &engine{}, func(b *bench) {
		b.start(b.Context(), numbers(1, 1+maxBatch+2)...)
		require.Empty(b, b.wait())
		require.Equal(b, [][]int{{1}, numbers(2, 1+maxBatch), {maxBatch + 2, maxBatch + 3}}, b.engine.batches)
	})
}

func TestCommitter_LetsARefusedWriteFailAlone(t *testing.T) {
	run(t, &engine{refuses: map[int]bool{3: true}}, func(b *bench) {
		refused := &write{number: 3}
		b.start(b.Context(), 1, 2)
		require.NoError(b, b.committer.Do(b.Context(), refused))
		require.True(b, refused.refused)
		require.Empty(b, b.wait())
		require.Equal(b, []int{1, 2}, b.engine.stored)
	})
}

func TestCommitter_CommitsEachWriteOfAFailedBatchAlone(t *testing.T) {
	run(t, &engine{fails: map[int]bool{3: true}}, func(b *bench) {
		b.start(b.Context(), numbers(1, 4)...)
		require.Equal(b, map[int]error{3: errDisk}, b.wait())
		require.Equal(b, [][]int{{1}, {2, 3, 4}, {2}, {3}, {4}}, b.engine.batches)
		require.Equal(b, []int{1, 2, 4}, b.engine.stored)
	})
}

func TestCommitter_DoesNotRepeatWhatMayBeStored(t *testing.T) {
	run(t, &engine{unknown: map[int]bool{3: true}}, func(b *bench) {
		b.start(b.Context(), numbers(1, 4)...)
		errs := b.wait()
		require.Len(b, errs, 3)
		for _, err := range errs {
			require.ErrorIs(b, err, store.ErrUnknown)
		}
		require.Equal(b, [][]int{{1}, {2, 3, 4}}, b.engine.batches)

		b.start(b.Context(), 5)
		require.NotContains(b, b.wait(), 5, "it goes on")
	})
}

func TestCommitter_TakesNothingFromAnEndedContext(t *testing.T) {
	run(t, &engine{}, func(b *bench) {
		ctx, cancel := context.WithCancel(b.Context())
		cancel()
		b.start(ctx, 1)
		require.Equal(b, map[int]error{1: context.Canceled}, b.wait())
		require.Empty(b, b.engine.batches)
	})
}

func TestCommitter_ForgetsAWriteWhoseContextEndsBeforeItsTurn(t *testing.T) {
	run(t, &engine{}, func(b *bench) {
		b.start(b.Context(), 1)
		ctx, cancel := context.WithCancel(b.Context())
		b.start(ctx, 2)
		b.start(b.Context(), 3)
		cancel()
		require.Equal(b, map[int]error{2: context.Canceled}, b.wait())
		require.Equal(b, [][]int{{1}, {3}}, b.engine.batches)
	})
}

func TestCommitter_CallsNoEngineIfAllHaveLeft(t *testing.T) {
	run(t, &engine{}, func(b *bench) {
		b.start(b.Context(), 1)
		ctx, cancel := context.WithCancel(b.Context())
		b.start(ctx, 2, 3)
		cancel()
		require.Len(b, b.wait(), 2)
		b.start(b.Context(), 4)
		require.Len(b, b.wait(), 2)
		require.Equal(b, [][]int{{1}, {4}}, b.engine.batches)
	})
}

func TestCommitter_DoesNotKnowWhatBecomesOfAWriteWhoseContextEndsDuringItsCommit(t *testing.T) {
	run(t, &engine{}, func(b *bench) {
		ctx, cancel := context.WithTimeout(b.Context(), time.Second/2)
		defer cancel()
		begin := time.Now()
		b.start(ctx, 1)
		err := b.wait()[1]
		require.ErrorIs(b, err, store.ErrUnknown)
		require.ErrorIs(b, err, context.DeadlineExceeded)
		require.Equal(b, time.Second/2, time.Since(begin), "in virtual time: the caller does not wait for the commit")

		b.start(b.Context(), 2)
		b.wait()
		require.Equal(b, []int{1, 2}, b.engine.stored, "who comes later comes after what was under way")
	})
}

func TestCommitter_LetsNoMoreThanSomeWait(t *testing.T) {
	run(t, &engine{}, func(b *bench) {
		b.start(b.Context(), numbers(1, 1+maxWaiting)...)
		ctx, cancel := context.WithCancel(b.Context())
		b.start(ctx, maxWaiting+2)
		b.start(b.Context(), maxWaiting+3)
		cancel()
		require.Equal(b, map[int]error{maxWaiting + 2: context.Canceled}, b.wait())
		require.Equal(b, append(numbers(1, 1+maxWaiting), maxWaiting+3), b.engine.stored)
	})
}

func TestCommitter_CommitsWhatWaitsWhenItIsClosed(t *testing.T) {
	run(t, &engine{}, func(b *bench) {
		b.start(b.Context(), numbers(1, 3)...)
		b.committer.Close()
		require.Equal(b, []int{1, 2, 3}, b.engine.stored)
		require.Empty(b, b.wait())

		require.ErrorIs(b, b.committer.Do(b.Context(), &write{number: 4}), group.ErrClosed)
		b.committer.Close()
		require.Equal(b, []int{1, 2, 3}, b.engine.stored)
	})
}

func TestCommitter_RefusesWhoWaitsForAPlaceWhenItIsClosed(t *testing.T) {
	run(t, &engine{}, func(b *bench) {
		b.start(b.Context(), numbers(1, 2+maxWaiting)...)
		b.committer.Close()
		require.Equal(b, map[int]error{2 + maxWaiting: group.ErrClosed}, b.wait())
		require.Equal(b, numbers(1, 1+maxWaiting), b.engine.stored)
	})
}

// An engine does not need to know when whoever asked for a store has left.
func TestCommitter_PassesAContextThatDoesNotEnd(t *testing.T) {
	t.Parallel()
	type key struct{}
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
	cancel()
	var value any
	committer := group.New(ctx, func(ctx context.Context, _ []*write) error {
		value = ctx.Value(key{})
		return ctx.Err()
	})
	defer committer.Close()
	require.NoError(t, committer.Do(t.Context(), &write{}))
	require.Equal(t, "value", value)
}

// Without virtual time, for the race detector.
func TestCommitter_DecidesEachWriteOfManyOnce(t *testing.T) {
	t.Parallel()
	const writers, each = 16, 200
	stored := map[int]int{}
	committer := group.New(t.Context(), func(_ context.Context, batch []*write) error {
		for _, w := range batch {
			stored[w.number]++
		}
		return nil
	})
	var group sync.WaitGroup
	errs := make([]error, writers)
	for writer := range writers {
		group.Go(func() {
			for i := range each {
				errs[writer] = errors.Join(errs[writer], committer.Do(t.Context(), &write{number: writer*each + i}))
			}
		})
	}
	group.Wait()
	committer.Close()
	require.NoError(t, errors.Join(errs...))
	require.Len(t, stored, writers*each)
	for number, times := range stored {
		require.Equal(t, 1, times, "write %d", number)
	}
}

func Example() {
	balance := 0
	committer := group.New(context.Background(), func(_ context.Context, batch []int) error {
		for _, amount := range batch { // in one transaction
			balance += amount
		}
		return nil
	})

	var clerks sync.WaitGroup
	for _, amount := range []int{10, 20, 30} {
		clerks.Go(func() {
			if err := committer.Do(context.Background(), amount); err != nil {
				fmt.Println(err)
			}
		})
	}
	clerks.Wait()
	committer.Close()
	fmt.Println(balance)
	// Output: 60
}

// What the committer itself costs: commits cost nothing here.
func BenchmarkCommitter_Do(b *testing.B) {
	for _, writers := range []int{1, 64} {
		b.Run(fmt.Sprint(writers, " writers"), func(b *testing.B) {
			batches := 0
			committer := group.New(b.Context(), func(context.Context, []*write) error {
				batches++
				return nil
			})
			b.ReportAllocs()
			b.SetParallelism(writers)
			b.ResetTimer()
			if writers == 1 {
				for range b.N {
					if err := committer.Do(b.Context(), &write{}); err != nil {
						b.Fatal(err)
					}
				}
			} else {
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if err := committer.Do(b.Context(), &write{}); err != nil {
							b.Error(err)
						}
					}
				})
			}
			committer.Close()
			b.ReportMetric(float64(b.N)/float64(batches), "writes/batch")
		})
	}
}
