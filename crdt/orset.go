package crdt

import (
	"fmt"
	"iter"
	"maps"
	"slices"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/entity"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// An ORSet is a set with removal. If one node removes an element while another adds it, the
// element stays: a removal takes back only the additions that its node has seen. Make it
// with [NewORSet].
type ORSet[T any] struct {
	table[T, struct{}]

	// What was done since the last reset, besides the additions that the items know. It is kept
	// as small as possible: what cancels out is not sent (protocol section 5.5).
	cleared bool
	removed map[id]struct{}
}

// NewORSet returns an empty set of elements that are stored as the options say: none for
// messages and primitives, [entity.JSON] for anything else.
//
// If T cannot be an element, the declaration of the entity does not validate, and the
// methods that need to encode an element panic.
func NewORSet[T any](options ...entity.CodecOption) *ORSet[T] {
	s := &ORSet[T]{}
	s.init(options)
	return s
}

// Len returns how many elements the set has.
func (s *ORSet[T]) Len() int { return len(s.items) }

// Contains reports whether the set has an element with the serialized form of element.
func (s *ORSet[T]) Contains(element T) bool { return s.find(element) != nil }

// All returns the elements in the order of their serialized form. A loop may add and remove
// elements; it visits those that were there when it began and have not been removed.
func (s *ORSet[T]) All() iter.Seq[T] { return s.keys() }

// Add adds a copy of an element, unless the set has it. It fails if the element cannot be
// encoded, such as a string that is not UTF-8.
func (s *ORSet[T]) Add(element T) error {
	s.permit()
	value, err := s.encode(element)
	if err != nil {
		return fmt.Errorf("add to an ORSet: %w", err)
	}
	if s.findEncoded(s.codec.codec.TypeURL(), value) != nil {
		return nil
	}
	kept, i, err := s.codec.keep(value)
	if err != nil {
		return fmt.Errorf("add to an ORSet: %w", err)
	}
	it := s.insert(i, kept, struct{}{})
	if _, ok := s.removed[i]; ok {
		delete(s.removed, i)
		return nil
	}
	it.added = true
	it.touch()
	return nil
}

// Remove removes an element, if the set has it.
func (s *ORSet[T]) Remove(element T) {
	s.permit()
	it := s.find(element)
	switch {
	case it == nil:
		return
	case len(s.items) == 1:
		s.Clear()
		return
	case !it.added:
		if s.removed == nil {
			s.removed = map[id]struct{}{}
		}
		s.removed[it.id] = struct{}{}
	}
	s.remove(it)
	s.touch()
}

// Clear removes all elements.
func (s *ORSet[T]) Clear() {
	s.permit()
	if len(s.items) == 0 && len(s.removed) == 0 {
		return
	}
	s.clear()
	s.cleared, s.removed = true, nil
	s.touch()
}

func (s *ORSet[T]) changed() bool {
	return s.cleared || len(s.removed) > 0 || len(s.changes()) > 0
}

func (s *ORSet[T]) delta() *crdtpb.CrdtDelta {
	return orsetDelta(&crdtpb.ORSetDelta{Cleared: s.cleared, Removed: sortedAnys(s.removed), Added: anys(s.changes())})
}

func (s *ORSet[T]) reset() {
	s.settle()
	s.cleared, s.removed = false, nil
}

func (s *ORSet[T]) prepare(delta *crdtpb.CrdtDelta) (func(), error) {
	d, ok := delta.GetDelta().(*crdtpb.CrdtDelta_Orset)
	if !ok {
		return nil, mismatch(delta, "ORSet")
	}
	added, err := s.decode(d.Orset.GetAdded())
	if err != nil {
		return nil, fmt.Errorf("ORSet: %w", err)
	}
	return func() {
		s.discard(d.Orset.GetCleared(), d.Orset.GetRemoved())
		s.insertMissing(added)
	}, nil
}

func (s *ORSet[T]) state() *crdtpb.CrdtDelta {
	return orsetDelta(&crdtpb.ORSetDelta{Added: anys(s.ordered())})
}

func orsetDelta(d *crdtpb.ORSetDelta) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Orset{Orset: d}}
}

// sortedAnys returns ids as they are sent, in their order.
func sortedAnys(ids map[id]struct{}) []*anypb.Any {
	if len(ids) == 0 {
		return nil
	}
	sorted := make([]*anypb.Any, 0, len(ids))
	for _, i := range slices.SortedFunc(maps.Keys(ids), id.compare) {
		sorted = append(sorted, i.any())
	}
	return sorted
}
