// Package sample makes messages out of bytes, simpler ones out of messages, and Go code that
// makes a message.
package sample

// A Source makes choices out of bytes, such as those of a fuzzer, whose small changes are small
// changes of what is chosen. Without bytes it always makes the first choice, so that every
// sequence of bytes stands for something.
type Source struct{ data []byte }

// NewSource returns a source with these bytes.
func NewSource(data []byte) *Source { return &Source{data} }

// Empty reports whether there are no bytes left.
func (s *Source) Empty() bool { return len(s.data) == 0 }

// Choose returns a number from 0 to n-1, where n is from 1 to 256.
func (s *Source) Choose(n int) int {
	if len(s.data) == 0 {
		return 0
	}
	b := s.data[0]
	s.data = s.data[1:]
	return int(b) % n
}

// choice returns one of several values.
func choice[T any](s *Source, values ...T) T { return values[s.Choose(len(values))] }
