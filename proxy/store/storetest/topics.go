package storetest

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// RunTopics runs the conformance tests for topics, in the way of [Run].
func RunTopics(t *testing.T, name string, open func(t *testing.T) store.Topics) {
	t.Helper()
	tests := map[string]func(*topicFixture){
		"a topic that nobody has published to is empty":              testEmptyTopic,
		"messages are in the order of their publication":             testTopicOrder,
		"a topic has nothing of other topics":                        testOneTopic,
		"a topic is read in parts":                                   testTopicInParts,
		"a watcher learns of a message":                              testTopicWatch,
		"who follows a topic of concurrent publishers misses none":   testTopicFollow,
		"large, empty and binary messages survive":                   testOddMessages,
		"names may contain anything":                                 testOddTopics,
		"a cancelled context reads nothing":                          testTopicCancelled,
		"what the caller does to its bytes afterwards has no effect": testTopicNoAliasing,
	}
	run(t, name, tests, func(t *testing.T) *topicFixture {
		t.Helper()
		return &topicFixture{T: t, topics: open(t), topic: t.Name()}
	})
}

// A topicFixture is a topic that nobody else uses.
type topicFixture struct {
	*testing.T

	topics store.Topics
	topic  string
}

func (f *topicFixture) publish(messages ...string) {
	f.Helper()
	for _, message := range messages {
		require.NoError(f, f.topics.Publish(f.Context(), f.topic, []byte(message)))
	}
}

// read returns what is in the topic.
func (f *topicFixture) read(after uint64, limit int) []store.TopicMessage {
	f.Helper()
	messages, err := f.topics.ReadTopic(f.Context(), f.topic, after, limit)
	require.NoError(f, err)
	for _, message := range messages {
		require.Greater(f, message.Offset, after)
		after = message.Offset
	}
	return messages
}

// requireMessages requires that the topic has exactly these messages.
func (f *topicFixture) requireMessages(want ...string) []store.TopicMessage {
	f.Helper()
	messages := f.read(0, 1000)
	require.Len(f, messages, len(want))
	for i, text := range want {
		require.Equal(f, text, string(messages[i].Data))
	}
	return messages
}

func testEmptyTopic(f *topicFixture) {
	f.requireMessages()
	require.Empty(f, f.read(1000, 1))
}

func testTopicOrder(f *topicFixture) {
	f.publish("a", "b", "a")
	messages := f.requireMessages("a", "b", "a")
	require.Positive(f, messages[0].Offset)
	f.publish("c")
	require.Equal(f, messages, f.requireMessages("a", "b", "a", "c")[:3], "a message keeps its offset")
}

func testOneTopic(f *topicFixture) {
	other := &topicFixture{T: f.T, topics: f.topics, topic: f.topic + " other"}
	f.publish("a")
	other.publish("b")
	f.publish("c")
	f.requireMessages("a", "c")
	other.requireMessages("b")
}

func testTopicInParts(f *topicFixture) {
	for i := range 25 {
		f.publish(fmt.Sprint(i))
	}
	next, after := 0, uint64(0)
	for _, want := range []int{10, 10, 5, 0} {
		part := f.read(after, 10)
		require.Len(f, part, want)
		for _, message := range part {
			require.Equal(f, fmt.Sprint(next), string(message.Data))
			next++
			after = message.Offset
		}
	}
	require.Empty(f, f.read(after+1, 10))
	require.Len(f, f.read(after-1, math.MaxInt), 1)
}

func testTopicWatch(f *topicFixture) {
	first, second := f.topics.WatchTopic(f.topic), f.topics.WatchTopic(f.topic)
	require.Empty(f, f.read(0, 10))
	f.publish("a")
	<-first
	<-second
	third := f.topics.WatchTopic(f.topic)
	f.publish("b")
	<-third
	f.requireMessages("a", "b")
}

func testTopicFollow(f *topicFixture) {
	const publishers, each = 4, 50
	var group sync.WaitGroup
	errs := make([]error, publishers)
	for p := range publishers {
		group.Go(func() {
			for n := 0; n < each && errs[p] == nil; n++ {
				errs[p] = f.topics.Publish(f.Context(), f.topic, fmt.Appendf(nil, "%d %d", p, n))
			}
		})
	}
	next := map[int]int{}
	after := uint64(0)
	for seen := 0; seen < publishers*each; {
		changed := f.topics.WatchTopic(f.topic)
		messages := f.read(after, 7)
		for _, message := range messages {
			var p, n int
			_, err := fmt.Sscanf(string(message.Data), "%d %d", &p, &n)
			require.NoError(f, err)
			require.Equal(f, next[p], n, "the messages of a publisher have a gap, or are out of order")
			next[p]++
			seen++
			after = message.Offset
		}
		if len(messages) == 0 {
			<-changed
		}
	}
	group.Wait()
	for _, err := range errs {
		require.NoError(f, err)
	}
	require.Empty(f, f.read(after, 1))
}

func testOddMessages(f *topicFixture) {
	large := string(bytes.Repeat([]byte("0123456789abcdef"), 64<<10)) // 1 MiB
	f.publish("", "\x00\xff", large)
	f.requireMessages("", "\x00\xff", large)
}

func testOddTopics(f *topicFixture) {
	for _, name := range odd {
		one := &topicFixture{T: f.T, topics: f.topics, topic: f.topic + name}
		one.publish("message of " + name)
		one.requireMessages("message of " + name)
	}
}

func testTopicCancelled(f *topicFixture) {
	ctx, cancel := context.WithCancel(f.Context())
	cancel()
	_, err := f.topics.ReadTopic(ctx, f.topic, 0, 10)
	require.ErrorIs(f, err, context.Canceled)
	require.ErrorIs(f, f.topics.Publish(ctx, f.topic, []byte("a")), context.Canceled)
}

func testTopicNoAliasing(f *topicFixture) {
	message := []byte("a")
	require.NoError(f, f.topics.Publish(f.Context(), f.topic, message))
	clear(message)
	for range 2 { // the second time shows whether the first one was a copy
		clear(f.requireMessages("a")[0].Data)
	}
}
