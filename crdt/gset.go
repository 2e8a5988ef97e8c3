package crdt

import (
	"fmt"
	"iter"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/entity"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// A GSet is a set that only grows. Make it with [NewGSet].
type GSet[T any] struct {
	table[T, struct{}]
}

// NewGSet returns an empty set of elements that are stored as the options say: none for
// messages and primitives, [entity.JSON] for anything else.
//
// If T cannot be an element, the declaration of the entity does not validate, and the
// methods that need to encode an element panic.
func NewGSet[T any](options ...entity.CodecOption) *GSet[T] {
	s := &GSet[T]{}
	s.init(options)
	return s
}

// Len returns how many elements the set has.
func (s *GSet[T]) Len() int { return s.items.len() }

// Contains reports whether the set has an element with the serialized form of element.
func (s *GSet[T]) Contains(element T) bool { return s.find(element) != nil }

// All returns the elements in the order of their serialized form. A loop may add elements;
// it does not visit them.
func (s *GSet[T]) All() iter.Seq[T] { return s.keys() }

// Add adds a copy of an element, unless the set has it. It fails if the element cannot be
// encoded, such as a string that is not UTF-8.
func (s *GSet[T]) Add(element T) error {
	s.permit()
	value, err := s.encode(element)
	if err != nil {
		return fmt.Errorf("add to a GSet: %w", err)
	}
	if s.findEncoded(value) != nil {
		return nil
	}
	kept, i, err := s.codec.keep(value)
	if err != nil {
		return fmt.Errorf("add to a GSet: %w", err)
	}
	it := s.insert(i, kept, struct{}{})
	it.added = true
	it.touch()
	return nil
}

func (s *GSet[T]) changed() bool { return len(s.touched) > 0 }

func (s *GSet[T]) delta() *crdtpb.CrdtDelta { return gsetDelta(anys(s.changes())) }

func (s *GSet[T]) reset() { s.settle() }

func (s *GSet[T]) prepare(delta *crdtpb.CrdtDelta) (func(), error) {
	d, ok := delta.GetDelta().(*crdtpb.CrdtDelta_Gset)
	if !ok {
		return nil, mismatch(delta, "GSet")
	}
	added, err := s.make(&elementList{d.Gset.GetAdded()})
	if err != nil {
		return nil, fmt.Errorf("GSet: %w", err)
	}
	return func() { s.insertMissing(added) }, nil
}

func (s *GSet[T]) state() *crdtpb.CrdtDelta { return gsetDelta(anys(s.ordered())) }

func gsetDelta(added []*anypb.Any) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Gset{Gset: &crdtpb.GSetDelta{Added: added}}}
}

// anys returns the keys of items as they are sent.
func anys[K, V any](items []*item[K, V]) []*anypb.Any {
	keys := make([]*anypb.Any, 0, len(items))
	for _, it := range items {
		keys = append(keys, it.id.any())
	}
	return keys
}
