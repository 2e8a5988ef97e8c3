package crdt

import "github.com/cloudstate-go/cloudstate/protocol/crdtpb"

// A Flag is a bool that starts as false and can only become true. Make it with [NewFlag].
type Flag struct {
	node

	enabled bool
	pending bool // enabled, and not yet sent
}

// NewFlag returns a flag that is not enabled.
func NewFlag() *Flag { return &Flag{} }

// Enabled reports whether this node, or another one as far as that has arrived, has enabled
// the flag.
func (f *Flag) Enabled() bool { return f.enabled }

// Enable enables the flag. Enabling it again does nothing.
func (f *Flag) Enable() {
	f.permit()
	if f.enabled {
		return
	}
	f.enabled, f.pending = true, true
	f.touch()
}

func (f *Flag) changed() bool { return f.pending }

func (f *Flag) delta() *crdtpb.CrdtDelta { return flagDelta(f.pending) }

func (f *Flag) reset() { f.pending = false }

func (f *Flag) prepare(delta *crdtpb.CrdtDelta) (func(), error) {
	d, ok := delta.GetDelta().(*crdtpb.CrdtDelta_Flag)
	if !ok {
		return nil, mismatch(delta, "Flag")
	}
	return func() { f.enabled = f.enabled || d.Flag.GetValue() }, nil
}

func (f *Flag) state() *crdtpb.CrdtDelta { return flagDelta(f.enabled) }

func flagDelta(value bool) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Flag{Flag: &crdtpb.FlagDelta{Value: value}}}
}
