package replication

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/cloudstate-go/cloudstate/proxy/internal/replica"
	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// messageVersion is the first byte of every message.
const messageVersion = 1

// An operation is what a message is about.
type operation byte

const (
	opWrite   operation = 1 + iota // a state to merge, and to acknowledge if there is a request
	opAck                          // of a write
	opRead                         // asks for the state
	opState                        // a state to merge; the answer to a read
	opOffer                        // a state to merge, and to answer if there is more
	opDigest                       // what states the sender has
	opSummary                      // a summary of all states that the sender has
	opDiffer                       // asks for the digests in buckets, which differ
)

// A Key names an entity: its namespace, and its id.
type Key = store.Key

// A message is what nodes send each other.
type message struct {
	op      operation
	request uint64 // 0 for none
	key     Key
	state   []byte   // may be empty: nothing is known; or a summary, or buckets
	digests []digest // only of opDigest
}

// A digest tells states apart.
type digest struct {
	key Key
	sum replica.Digest
}

func (m *message) encode() []byte {
	data := protowire.AppendVarint([]byte{messageVersion, byte(m.op)}, m.request)
	if m.op == opDigest {
		for _, d := range m.digests {
			data = appendKey(data, d.key)
			data = append(data, d.sum[:]...)
		}
		return data
	}
	return append(appendKey(data, m.key), m.state...)
}

func appendKey(data []byte, key Key) []byte {
	return protowire.AppendString(protowire.AppendString(data, key.Type), key.ID)
}

// decode returns the message that encode has made bytes of. It shares them.
func decode(data []byte) (*message, error) {
	if len(data) < 2 || data[0] != messageVersion {
		return nil, fmt.Errorf("the message is not of version %d; do all nodes run the same release?", messageVersion)
	}
	m := &message{op: operation(data[1])}
	if m.op < opWrite || m.op > opDiffer {
		return nil, fmt.Errorf("operation %d is unknown", m.op)
	}
	request, n := protowire.ConsumeVarint(data[2:])
	if n < 0 {
		return nil, fmt.Errorf("request: %w", protowire.ParseError(n))
	}
	m.request, data = request, data[2+n:]
	var err error
	if m.op != opDigest {
		m.key, m.state, err = consumeKey(data)
		return m, err
	}
	for len(data) > 0 {
		var d digest
		if d.key, data, err = consumeKey(data); err != nil {
			return nil, err
		}
		if len(data) < len(d.sum) {
			return nil, errors.New("a digest is too short")
		}
		data = data[copy(d.sum[:], data):]
		m.digests = append(m.digests, d)
	}
	return m, nil
}

func consumeKey(data []byte) (key Key, rest []byte, err error) {
	for _, part := range []*string{&key.Type, &key.ID} {
		text, n := protowire.ConsumeString(data)
		if n < 0 {
			return Key{}, nil, fmt.Errorf("key: %w", protowire.ParseError(n))
		}
		*part, data = text, data[n:]
	}
	return key, data, nil
}
