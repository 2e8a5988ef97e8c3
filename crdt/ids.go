package crdt

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/anypb"
)

// An id is the serialized form of an element, which is all that proxies compare (protocol
// section 4.4).
type id struct{ url, value string }

func (i id) any() *anypb.Any {
	return &anypb.Any{TypeUrl: i.url, Value: []byte(i.value)}
}

func (i id) compare(other id) int {
	if c := strings.Compare(i.url, other.url); c != 0 {
		return c
	}
	return strings.Compare(i.value, other.value)
}

// ids is a set of them. The zero value is empty.
type ids struct{ set map[id]struct{} }

func (s *ids) len() int { return len(s.set) }

func (s *ids) add(i id) {
	if s.set == nil {
		s.set = map[id]struct{}{}
	}
	s.set[i] = struct{}{}
}

// remove removes an id. It returns false if it was not there.
func (s *ids) remove(i id) bool {
	_, found := s.set[i]
	delete(s.set, i)
	return found
}

// fewIDs is how many ids a set may have had so that its memory is used again: a map that was
// large takes long to clear.
const fewIDs = 32

// reset makes the set empty.
func (s *ids) reset() {
	if len(s.set) > fewIDs {
		s.set = nil
	}
	clear(s.set)
}

// anys returns the ids as they are sent, in their order.
func (s *ids) anys() []*anypb.Any {
	if len(s.set) == 0 {
		return nil
	}
	sorted := make([]*anypb.Any, 0, len(s.set))
	for i := range s.set {
		sorted = append(sorted, i.any())
	}
	slices.SortFunc(sorted, func(a, b *anypb.Any) int {
		return cmp.Or(strings.Compare(a.GetTypeUrl(), b.GetTypeUrl()), bytes.Compare(a.GetValue(), b.GetValue()))
	})
	return sorted
}
