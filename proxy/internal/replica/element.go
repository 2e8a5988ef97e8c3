package replica

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/anypb"
)

// An Element is a member of a set, the key of a map, or the value of a register. Its bytes
// are its identity (protocol section 4.4).
type Element struct {
	TypeURL string
	Value   string
}

// ElementOf returns the element that a message has; of nil, the empty one.
func ElementOf(message *anypb.Any) Element {
	return Element{TypeURL: message.GetTypeUrl(), Value: string(message.GetValue())}
}

// Any returns the element as a message, which belongs to the caller.
func (e Element) Any() *anypb.Any {
	return &anypb.Any{TypeUrl: e.TypeURL, Value: []byte(e.Value)}
}

func (e Element) compare(other Element) int {
	return cmp.Or(strings.Compare(e.TypeURL, other.TypeURL), strings.Compare(e.Value, other.Value))
}

// inOrder sorts elements in the order that is the same on every node.
func inOrder(elements []Element) []Element {
	slices.SortFunc(elements, Element.compare)
	return elements
}

// sorted returns the keys of a map in order.
func sorted[V any](m map[Element]V) []Element {
	return inOrder(slices.AppendSeq(make([]Element, 0, len(m)), maps.Keys(m)))
}
