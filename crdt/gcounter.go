package crdt

import (
	"fmt"
	"math"

	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// A GCounter is a counter that only grows. Make it with [NewGCounter].
type GCounter struct {
	node

	value   uint64
	pending uint64 // increments not yet sent
}

// NewGCounter returns a counter at zero.
func NewGCounter() *GCounter { return &GCounter{} }

// Value returns the sum of all increments, of this node and of the others as far as they
// have arrived.
func (c *GCounter) Value() uint64 { return c.value }

// Increment adds n. It fails, and the counter keeps its value, if the sum would be more than
// 2^63-1: proxies count with signed numbers and refuse more (protocol section 5.2).
func (c *GCounter) Increment(n uint64) error {
	c.permit()
	// pending is no more than value, unless increments of other nodes made value wrap around.
	if most := max(c.value, c.pending); most > math.MaxInt64 || n > math.MaxInt64-most {
		return fmt.Errorf("GCounter: %d and an increment of %d are more than %d, the most that it can count", c.value, n, int64(math.MaxInt64))
	}
	if n == 0 {
		return nil
	}
	c.value += n
	c.pending += n
	c.touch()
	return nil
}

func (c *GCounter) changed() bool { return c.pending != 0 }

func (c *GCounter) delta() *crdtpb.CrdtDelta { return gcounterDelta(c.pending) }

func (c *GCounter) reset() { c.pending = 0 }

// prepare adds without a check, because the proxy too keeps the lowest 64 bits only.
func (c *GCounter) prepare(delta *crdtpb.CrdtDelta) (func(), error) {
	d, ok := delta.GetDelta().(*crdtpb.CrdtDelta_Gcounter)
	if !ok {
		return nil, mismatch(delta, "GCounter")
	}
	return func() { c.value += d.Gcounter.GetIncrement() }, nil
}

func (c *GCounter) state() *crdtpb.CrdtDelta { return gcounterDelta(c.value) }

func gcounterDelta(increment uint64) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Gcounter{Gcounter: &crdtpb.GCounterDelta{Increment: increment}}}
}
