package crdt

import (
	"fmt"
	"iter"

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
	removed ids
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
func (s *ORSet[T]) Len() int { return s.items.len() }

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
	if s.findEncoded(value) != nil {
		return nil
	}
	kept, i, err := s.codec.keep(value)
	if err != nil {
		return fmt.Errorf("add to an ORSet: %w", err)
	}
	it := s.insert(i, kept, struct{}{})
	if s.removed.remove(i) {
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
	case s.items.len() == 1:
		s.Clear()
		return
	case !it.added:
		s.removed.add(it.id)
	}
	s.remove(it)
	s.touch()
}

// Clear removes all elements.
func (s *ORSet[T]) Clear() {
	s.permit()
	if s.items.len() == 0 && s.removed.len() == 0 {
		return
	}
	s.clear()
	s.cleared = true
	s.removed.reset()
	s.touch()
}

func (s *ORSet[T]) changed() bool {
	return s.cleared || s.removed.len() > 0 || len(s.changes()) > 0
}

func (s *ORSet[T]) delta() *crdtpb.CrdtDelta {
	return orsetDelta(&crdtpb.ORSetDelta{Cleared: s.cleared, Removed: s.removed.anys(), Added: anys(s.changes())})
}

func (s *ORSet[T]) reset() {
	s.settle()
	s.cleared = false
	s.removed.reset()
}

func (s *ORSet[T]) prepare(delta *crdtpb.CrdtDelta) (func(), error) {
	d, ok := delta.GetDelta().(*crdtpb.CrdtDelta_Orset)
	if !ok {
		return nil, mismatch(delta, "ORSet")
	}
	return s.prepareChange(d.Orset.GetCleared(), &elementList{d.Orset.GetRemoved()}, &elementList{d.Orset.GetAdded()})
}

// prepareSet is prepare for a delta that is not decoded yet.
func (s *ORSet[T]) prepareSet(d *setDelta) (func(), error) {
	return s.prepareChange(d.orset.GetCleared(), &d.removed, &d.added)
}

func (s *ORSet[T]) prepareChange(cleared bool, removed, added elementSource) (func(), error) {
	items, err := s.make(added)
	if err != nil {
		return nil, fmt.Errorf("ORSet: %w", err)
	}
	return func() {
		s.discard(cleared, removed)
		s.insertMissing(items)
	}, nil
}

func (s *ORSet[T]) state() *crdtpb.CrdtDelta {
	return orsetDelta(&crdtpb.ORSetDelta{Added: anys(s.ordered())})
}

func orsetDelta(d *crdtpb.ORSetDelta) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Orset{Orset: d}}
}
