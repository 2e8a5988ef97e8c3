package crdt

import (
	"fmt"
	"math"

	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// A PNCounter is a counter that grows and shrinks. Make it with [NewPNCounter].
type PNCounter struct {
	node

	value   int64
	pending int64 // what the changes not yet sent add up to
}

// NewPNCounter returns a counter at zero.
func NewPNCounter() *PNCounter { return &PNCounter{} }

// Value returns what the changes of this node, and those of the others as far as they have
// arrived, add up to.
func (c *PNCounter) Value() int64 { return c.value }

// Increment adds n, which may be negative. It fails, and the counter keeps its value, if
// the sum does not fit into an int64, or if what the command has changed so far does not.
func (c *PNCounter) Increment(n int64) error {
	c.permit()
	value, ok := add(c.value, n)
	pending, pendingOK := add(c.pending, n)
	if !ok || !pendingOK {
		return fmt.Errorf("PNCounter: %d, changed by %d in this command, cannot be incremented by %d: the result does not fit into an int64", c.value, c.pending, n)
	}
	c.set(value, pending)
	return nil
}

// Decrement subtracts n, which may be negative. It fails, and the counter keeps its value,
// if the difference does not fit into an int64, or if what the command has changed so far
// does not.
func (c *PNCounter) Decrement(n int64) error {
	c.permit()
	value, ok := subtract(c.value, n)
	pending, pendingOK := subtract(c.pending, n)
	if !ok || !pendingOK {
		return fmt.Errorf("PNCounter: %d, changed by %d in this command, cannot be decremented by %d: the result does not fit into an int64", c.value, c.pending, n)
	}
	c.set(value, pending)
	return nil
}

func (c *PNCounter) set(value, pending int64) {
	if c.value == value {
		return
	}
	c.value, c.pending = value, pending
	c.touch()
}

// add returns a+b, and whether it fits.
func add(a, b int64) (int64, bool) {
	if b > 0 && a > math.MaxInt64-b || b < 0 && a < math.MinInt64-b {
		return 0, false
	}
	return a + b, true
}

// subtract returns a-b, and whether it fits.
func subtract(a, b int64) (int64, bool) {
	if b < 0 && a > math.MaxInt64+b || b > 0 && a < math.MinInt64+b {
		return 0, false
	}
	return a - b, true
}

func (c *PNCounter) changed() bool { return c.pending != 0 }

func (c *PNCounter) delta() *crdtpb.CrdtDelta { return pncounterDelta(c.pending) }

func (c *PNCounter) reset() { c.pending = 0 }

// prepare adds without a check: that the sum wraps around is what the proxy does, too.
func (c *PNCounter) prepare(delta *crdtpb.CrdtDelta) (func(), error) {
	d, ok := delta.GetDelta().(*crdtpb.CrdtDelta_Pncounter)
	if !ok {
		return nil, mismatch(delta, "PNCounter")
	}
	return func() { c.value += d.Pncounter.GetChange() }, nil
}

func (c *PNCounter) state() *crdtpb.CrdtDelta { return pncounterDelta(c.value) }

func pncounterDelta(change int64) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Pncounter{Pncounter: &crdtpb.PNCounterDelta{Change: change}}}
}
