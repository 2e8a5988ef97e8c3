package store

import "context"

// A TopicMessage is a message of a topic.
type TopicMessage struct {
	// Offset is the place of the message in its topic, from 1. It grows from one message to
	// the next, and may leave gaps.
	Offset uint64
	// Data is the message. It belongs to the receiver.
	Data []byte
}

// Topics keep messages, each topic in the order in which they were published. The name of
// a topic may contain any characters; a topic exists when something has been published to
// it. The methods may be called concurrently.
//
// What [EventLog] says of offsets holds for those of messages.
type Topics interface {
	// Publish adds a message to a topic. When it returns without error, the message is
	// as durable as the store makes it. After an error it may be there or not, now or a
	// little later: whoever publishes it again may have it twice. Of two calls, one after the
	// other, the first has the lower offset.
	//
	// The store does not keep the slice that it is given.
	Publish(ctx context.Context, topic string, message []byte) error

	// ReadTopic returns the first messages of a topic whose offset is higher than
	// after: at most limit, which is positive, and none if there are none yet. Everything
	// that was published before it was called is seen.
	ReadTopic(ctx context.Context, topic string, after uint64, limit int) ([]TopicMessage, error)

	// WatchTopic returns a channel that is closed, soon, when a message has been
	// published to the topic since WatchTopic was called. It may be closed without that.
	WatchTopic(topic string) <-chan struct{}
}
