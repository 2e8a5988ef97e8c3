package testkit

import (
	"fmt"
	"strings"

	"github.com/stretchr/testify/assert"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// RequireReplies fails the test at once unless the client gets exactly these replies: one for
// a command that is not streamed, and none if it was forwarded or has failed.
func (o *Outcome) RequireReplies(want ...proto.Message) {
	o.tb.Helper()
	requireSame(o.tb, "the reply of "+o.place, describeAll(o.tb, want), describeAll(o.tb, o.Replies))
}

// RequireFailure fails the test at once unless the command has failed with this code, and a
// message that contains the text.
func (o *Outcome) RequireFailure(code codes.Code, text string) {
	o.tb.Helper()
	want := fmt.Sprintf("%s, want it to fail with %s and %q", o.place, code, text)
	got := status.Convert(o.Err)
	switch {
	case o.Fault != "":
		o.tb.Fatalf("testkit: %s; it has lost its entity: %s", want, o.Fault)
	case o.Err == nil:
		o.tb.Fatalf("testkit: %s; it has not failed", want)
	case got.Code() != code || !strings.Contains(got.Message(), text):
		o.tb.Fatalf("testkit: %s; found %s and %q", want, got.Code(), got.Message())
	}
}

// RequireEvents fails the test at once unless the command has emitted exactly these events, in
// this order. What an event may be is as in [Kit.RequireEvents].
func (o *Outcome) RequireEvents(want ...any) {
	o.tb.Helper()
	requireStored(o.tb, "what was emitted by "+o.place, want, o.Events...)
}

// RequireSnapshot fails the test at once unless this snapshot is stored with the events of the
// command.
func (o *Outcome) RequireSnapshot(want any) {
	o.tb.Helper()
	requireStored(o.tb, "the snapshot after "+o.place, []any{want}, present(o.Snapshot)...)
}

// RequireState fails the test at once unless the command has updated the state of its value
// entity to this one.
func (o *Outcome) RequireState(want any) {
	o.tb.Helper()
	requireStored(o.tb, "the update by "+o.place, []any{want}, present(o.State)...)
}

// RequireDelta fails the test at once unless this is what the command has changed in its CRDT:
// what a value of package crdt has become since it was made, or a *crdtpb.CrdtDelta.
func (o *Outcome) RequireDelta(want any) {
	o.tb.Helper()
	if o.encodeData == nil {
		o.tb.Fatalf("testkit: %s is no command of a CRDT entity", o.place)
	}
	delta, err := o.encodeData(want)
	if err != nil {
		o.tb.Fatalf("testkit: the change by %s: %v", o.place, err)
	}
	requireSame(o.tb, "the change by "+o.place, []string{describeDelta(delta)}, []string{describeDelta(o.Delta)})
}

// RequireDeleted fails the test at once unless the command has deleted the state of its value
// entity, or its CRDT.
func (o *Outcome) RequireDeleted() {
	o.tb.Helper()
	if !o.Deleted {
		o.tb.Fatalf("testkit: %s has not deleted its state", o.place)
	}
}

// RequireUnchanged fails the test at once unless the command has left everything as it was:
// it has neither emitted an event nor changed a state, and asks nothing of other services.
func (o *Outcome) RequireUnchanged() {
	o.tb.Helper()
	o.RequireEvents()
	requireStored(o.tb, "the update by "+o.place, nil, present(o.State)...)
	switch {
	case o.Deleted:
		o.tb.Fatalf("testkit: %s has deleted its state", o.place)
	case o.Delta != nil:
		o.tb.Fatalf("testkit: %s has changed its CRDT: %s", o.place, describeDelta(o.Delta))
	}
	o.RequireSideEffects()
	o.requireForwards()
}

// RequireForward fails the test at once unless the command was handed on with this call.
func (o *Outcome) RequireForward(want Call) {
	o.tb.Helper()
	o.requireForwards(want)
}

func (o *Outcome) requireForwards(want ...Call) {
	o.tb.Helper()
	var got []Call
	if o.Forward != nil {
		got = append(got, *o.Forward)
	}
	requireSame(o.tb, "the forward of "+o.place, describeCalls(want), describeCalls(got))
}

// RequireSideEffects fails the test at once unless the command asks for exactly these side
// effects, in this order.
func (o *Outcome) RequireSideEffects(want ...Call) {
	o.tb.Helper()
	requireSame(o.tb, "the side effects of "+o.place, describeCalls(want), describeCalls(o.SideEffects))
}

// RequireHeader fails the test at once unless the metadata of the first reply has exactly
// these values for a key, in this order.
func (o *Outcome) RequireHeader(key string, want ...string) {
	o.tb.Helper()
	if got := o.Header.Get(key); !assert.Equal(o.tb, want, got, "testkit: the header %s of %s differs", key, o.place) {
		o.tb.FailNow()
	}
}

// present returns a list of what is stored, which is nothing for nil.
func present(stored *anypb.Any) []*anypb.Any {
	if stored == nil {
		return nil
	}
	return []*anypb.Any{stored}
}
