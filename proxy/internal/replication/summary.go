package replication

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/cloudstate-go/cloudstate/proxy/internal/replica"
)

// buckets is into how many parts entities are divided when nodes compare what they have.
const buckets = 64

// summarySize is how many bytes a summary has on the wire.
const summarySize = 8 * buckets

// A summary tells whether nodes have the same states of the entities in each bucket, at a cost
// that does not depend on how many these are, but on how many have changed.
type summary struct {
	updating sync.Mutex // one at a time

	mu    sync.Mutex
	sums  [buckets]uint64 // of the hashes of the entities in a bucket, without carry
	stale []*Entity       // those that have changed since
}

// summarized is what the summary knows of an entity. The lock of the summary protects all but
// the bucket.
type summarized struct {
	bucket byte
	hash   uint64 // as it is in the sum
	stale  bool
}

func newSummarized(key Key) summarized {
	return summarized{bucket: sha256.Sum256(appendKey(nil, key))[0] % buckets}
}

// changed notes that an entity has.
func (s *summary) changed(e *Entity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !e.summarized.stale {
		e.summarized.stale = true
		s.stale = append(s.stale, e)
	}
}

// take returns the entities that have changed since the last call.
func (s *summary) take() []*Entity {
	s.mu.Lock()
	defer s.mu.Unlock()
	stale := s.stale
	s.stale = nil
	for _, e := range stale {
		e.summarized.stale = false
	}
	return stale
}

// update returns the sums as they are now.
func (s *summary) update() [buckets]uint64 {
	s.updating.Lock()
	defer s.updating.Unlock()
	for _, e := range s.take() {
		hash := hashOf(e.key, e.digest())
		s.mu.Lock()
		s.sums[e.summarized.bucket] ^= e.summarized.hash ^ hash
		e.summarized.hash = hash
		s.mu.Unlock()
	}
	return s.sums
}

// hashOf returns the hash of an entity in a state; that of nothing is 0.
func hashOf(key Key, digest replica.Digest) uint64 {
	if digest == empty {
		return 0
	}
	sum := sha256.Sum256(append(appendKey(nil, key), digest[:]...))
	return binary.BigEndian.Uint64(sum[:])
}

func encodeSummary(sums [buckets]uint64) []byte {
	data := make([]byte, 0, summarySize)
	for _, sum := range sums {
		data = binary.BigEndian.AppendUint64(data, sum)
	}
	return data
}

// differing returns the buckets, as bits, in which an encoded summary differs from sums.
func differing(sums [buckets]uint64, data []byte) (uint64, error) {
	if len(data) != summarySize {
		return 0, fmt.Errorf("the summary has %d bytes, want %d; do all nodes run the same release?", len(data), summarySize)
	}
	different := uint64(0)
	for i, sum := range sums {
		if binary.BigEndian.Uint64(data[8*i:]) != sum {
			different |= 1 << i
		}
	}
	return different, nil
}

// in reports whether the entity is in one of the buckets.
func (e *Entity) in(buckets uint64) bool { return buckets&(1<<e.summarized.bucket) != 0 }
