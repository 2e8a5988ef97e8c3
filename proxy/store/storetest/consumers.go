package storetest

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// RunConsumers runs the conformance tests for consumers, in the way of [Run].
func RunConsumers(t *testing.T, name string, open func(t *testing.T) store.Consumers) {
	t.Helper()
	tests := map[string]func(*consumerFixture){
		"a consumer begins before the first event":                   testNoPosition,
		"a position is saved and replaced":                           testPosition,
		"consumers do not run into each other":                       testConsumerIsolation,
		"the names of consumers may contain anything":                testOddConsumers,
		"dead letters are kept in order with all that they have":     testDeadLetters,
		"dead letters are read in parts":                             testDeadLettersInParts,
		"a dead letter is removed":                                   testRemoveDeadLetter,
		"the id of a removed dead letter is not given again":         testDeadLetterIDs,
		"large, empty and binary events survive":                     testOddDeadLetters,
		"a cancelled context reads and writes nothing":               testConsumersCancelled,
		"what the caller does to its bytes afterwards has no effect": testDeadLetterNoAliasing,
	}
	run(t, name, tests, func(t *testing.T) *consumerFixture {
		t.Helper()
		return &consumerFixture{T: t, consumers: open(t), consumer: store.Consumer{Kind: store.TopicSource, Source: t.Name(), Service: "a.Service", Group: "group"}}
	})
}

// A consumerFixture is a consumer that nobody else uses.
type consumerFixture struct {
	*testing.T

	consumers store.Consumers
	consumer  store.Consumer
}

func (f *consumerFixture) save(c store.Consumer, p store.Position) {
	f.Helper()
	require.NoError(f, f.consumers.SavePosition(f.Context(), c, p))
}

func (f *consumerFixture) requirePosition(c store.Consumer, want store.Position) {
	f.Helper()
	got, err := f.consumers.LoadPosition(f.Context(), c)
	require.NoError(f, err)
	require.Equal(f, want, got)
}

// letter returns a dead letter of the consumer, which is not stored.
func (f *consumerFixture) letter(event string) store.DeadLetter {
	return store.DeadLetter{Consumer: f.consumer, Event: []byte(event), Attempts: 3, Reason: "it is broken", Time: time.UnixMilli(1_700_000_000_123)}
}

// add stores a dead letter, and returns it with its id.
func (f *consumerFixture) add(letter store.DeadLetter) store.DeadLetter {
	f.Helper()
	id, err := f.consumers.AddDeadLetter(f.Context(), letter)
	require.NoError(f, err)
	require.Positive(f, id)
	letter.ID = id
	return letter
}

// letters returns the dead letters of the consumer after one of them; other tests may have
// others.
func (f *consumerFixture) letters(after uint64) []store.DeadLetter {
	f.Helper()
	var own []store.DeadLetter
	for {
		part, err := f.consumers.DeadLetters(f.Context(), after, 2)
		require.NoError(f, err)
		require.LessOrEqual(f, len(part), 2)
		if len(part) == 0 {
			return own
		}
		for _, letter := range part {
			require.Greater(f, letter.ID, after)
			after = letter.ID
			if letter.Consumer == f.consumer {
				own = append(own, letter)
			}
		}
	}
}

// requireLetters requires that the consumer has exactly these dead letters.
func (f *consumerFixture) requireLetters(want ...store.DeadLetter) {
	f.Helper()
	got := f.letters(0)
	require.Len(f, got, len(want))
	for i := range want {
		require.True(f, want[i].Time.Equal(got[i].Time), "want %v, got %v", want[i].Time, got[i].Time)
		require.Equal(f, string(want[i].Event), string(got[i].Event))
		want[i].Time, want[i].Event = got[i].Time, got[i].Event
		require.Equal(f, want[i], got[i])
	}
}

func testNoPosition(f *consumerFixture) {
	f.requirePosition(f.consumer, store.Position{})
}

func testPosition(f *consumerFixture) {
	for _, p := range []store.Position{{Offset: 7}, {Offset: 7, Attempts: 2}, {Offset: 8}, {Offset: 3, Attempts: 1}, {}, {Offset: 1 << 62}} {
		f.save(f.consumer, p)
		f.requirePosition(f.consumer, p)
	}
}

func testConsumerIsolation(f *consumerFixture) {
	others := []store.Consumer{f.consumer, f.consumer, f.consumer, f.consumer}
	others[0].Kind = store.EventLogSource
	others[1].Source += "|"
	others[2].Service = "another.Service"
	others[3].Group = ""
	f.save(f.consumer, store.Position{Offset: 100})
	for i, other := range others {
		f.requirePosition(other, store.Position{})
		f.save(other, store.Position{Offset: 1, Attempts: i})
	}
	for i, other := range others {
		f.requirePosition(other, store.Position{Offset: 1, Attempts: i})
	}
	f.requirePosition(f.consumer, store.Position{Offset: 100})
}

func testOddConsumers(f *consumerFixture) {
	named := func(name string) store.Consumer {
		return store.Consumer{Kind: store.TopicSource, Source: f.Name() + name, Service: name, Group: name}
	}
	for i, name := range odd {
		f.save(named(name), store.Position{Offset: 1, Attempts: i})
	}
	for i, name := range odd {
		f.requirePosition(named(name), store.Position{Offset: 1, Attempts: i})
	}
}

func testDeadLetters(f *consumerFixture) {
	f.requireLetters()
	first, second := f.letter("a"), f.letter("b")
	second.Attempts, second.Reason, second.Time = 1, "it is 'broken'\n\x00", time.UnixMilli(1)
	first.ID, second.ID = 900, 900 // the store does not care
	first, second = f.add(first), f.add(second)
	f.requireLetters(first, second)
	require.Len(f, f.letters(first.ID), 1)
	require.Empty(f, f.letters(second.ID))
	rest, err := f.consumers.DeadLetters(f.Context(), first.ID, math.MaxInt) // no limit is too high
	require.NoError(f, err)
	require.NotEmpty(f, rest)
}

func testDeadLettersInParts(f *consumerFixture) {
	letters := make([]store.DeadLetter, 7)
	for i := range letters {
		letters[i] = f.add(f.letter(fmt.Sprint(i)))
	}
	f.requireLetters(letters...)
}

func testRemoveDeadLetter(f *consumerFixture) {
	first, second, third := f.add(f.letter("a")), f.add(f.letter("b")), f.add(f.letter("c"))
	for range 2 { // the second time there is none
		require.NoError(f, f.consumers.RemoveDeadLetter(f.Context(), second.ID))
		f.requireLetters(first, third)
	}
}

func testDeadLetterIDs(f *consumerFixture) {
	first := f.add(f.letter("a"))
	require.NoError(f, f.consumers.RemoveDeadLetter(f.Context(), first.ID))
	second := f.add(f.letter("b"))
	require.Greater(f, second.ID, first.ID)
	f.requireLetters(second)
}

func testOddDeadLetters(f *consumerFixture) {
	large := string(bytes.Repeat([]byte("0123456789abcdef"), 64<<10)) // 1 MiB
	f.requireLetters(f.add(f.letter("")), f.add(f.letter("\x00\xff")), f.add(f.letter(large)))
}

func testConsumersCancelled(f *consumerFixture) {
	kept := f.add(f.letter("a"))
	ctx, cancel := context.WithCancel(f.Context())
	cancel()
	_, err := f.consumers.LoadPosition(ctx, f.consumer)
	require.ErrorIs(f, err, context.Canceled)
	require.ErrorIs(f, f.consumers.SavePosition(ctx, f.consumer, store.Position{Offset: 1}), context.Canceled)
	_, err = f.consumers.AddDeadLetter(ctx, f.letter("b"))
	require.ErrorIs(f, err, context.Canceled)
	_, err = f.consumers.DeadLetters(ctx, 0, 1)
	require.ErrorIs(f, err, context.Canceled)
	require.ErrorIs(f, f.consumers.RemoveDeadLetter(ctx, kept.ID), context.Canceled)
	f.requirePosition(f.consumer, store.Position{})
	f.requireLetters(kept)
}

func testDeadLetterNoAliasing(f *consumerFixture) {
	letter := f.letter("a")
	stored := f.add(letter)
	clear(letter.Event)
	stored.Event = []byte("a")
	for range 2 { // the second time shows whether the first one was a copy
		got := f.letters(0)
		require.Len(f, got, 1)
		require.Equal(f, "a", string(got[0].Event))
		clear(got[0].Event)
	}
}
