package replica

import "math/bits"

// A wide is an integer that does not overflow: it would take 2^64 of the largest
// increments. User functions see its low 64 bits (protocol section 5.2).
type wide struct{ high, low uint64 }

func (w wide) plus(other wide) wide {
	low, carry := bits.Add64(w.low, other.low, 0)
	high, _ := bits.Add64(w.high, other.high, carry)
	return wide{high, low}
}

func (w wide) less(other wide) bool {
	return w.high < other.high || w.high == other.high && w.low < other.low
}
