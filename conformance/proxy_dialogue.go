package conformance

import (
	"bytes"

	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/conformance/internal/interceptor"
	"github.com/cloudstate-go/cloudstate/protocol/actionpb"
)

// A dialogue is a stream of the proxy in a check. What the proxy says that the check has not
// asked for lets the check fail when it ends.
type dialogue struct {
	*interceptor.Stream

	t   *trial
	rig *rig
}

// accept waits for the next stream for an entity.
func (r *rig) accept(t *trial, service, id string) *dialogue {
	return r.acceptMatching(t, interceptor.Entity(service, id), "for %s %q", service, id)
}

// acceptAction waits for the next call of an action.
func (r *rig) acceptAction(t *trial, service, command string) *dialogue {
	return r.acceptMatching(t, interceptor.Action(service, command), "for the command %s of %s", command, service)
}

// acceptRequest waits for the next call of an action that has this request.
func (r *rig) acceptRequest(t *trial, service, command string, request proto.Message) *dialogue {
	return r.acceptMatching(t, withRequest(service, command, request), "for the command %s of %s with %v", command, service, request)
}

// withRequest matches calls of an action whose first message has this request.
func withRequest(service, command string, request proto.Message) func(*interceptor.Stream) bool {
	return withBytes(service, command, encode(request))
}

// withBytes matches calls of an action whose first message has these bytes.
func withBytes(service, command string, request []byte) func(*interceptor.Stream) bool {
	return func(s *interceptor.Stream) bool {
		if s.Service != service || s.Command != command {
			return false
		}
		first, ok := s.First().(*actionpb.ActionCommand)
		return ok && bytes.Equal(first.GetPayload().GetValue(), request)
	}
}

func (r *rig) acceptMatching(t *trial, match func(*interceptor.Stream) bool, what string, args ...any) *dialogue {
	ctx, cancel := r.limit(t.Context())
	defer cancel()
	stream, err := r.Accept(ctx, match)
	if err != nil {
		t.Fatalf("a stream "+what+": %v", append(args, err)...)
	}
	return r.dialogue(t, stream)
}

func (r *rig) dialogue(t *trial, stream *interceptor.Stream) *dialogue {
	d := &dialogue{Stream: stream, t: t, rig: r}
	t.Cleanup(d.done)
	return d
}

// done lets the check fail if the proxy has said something more, and tells in any failure
// what was said.
func (d *dialogue) done() {
	for _, event := range d.Unread() {
		if event.Message != nil {
			d.t.Errorf("the proxy has sent a message that nothing asked for: %v", event)
		}
	}
	if d.t.failed() {
		d.t.Errorf("this is what was said:\n%s", d)
	}
}

// next waits for what the proxy does next.
func (d *dialogue) next() interceptor.Event {
	ctx, cancel := d.rig.limit(d.t.Context())
	defer cancel()
	event, err := d.Next(ctx)
	if err != nil {
		d.t.Fatalf("the next message of the proxy: %v", err)
	}
	return event
}

// message waits for the next message of the proxy.
func (d *dialogue) message() proto.Message {
	event := d.next()
	if event.Message == nil {
		d.t.Fatalf("want a message of the proxy, got the end: %v", event)
	}
	return event.Message
}

// require requires that the proxy sends these messages next, with nothing else in them.
func (d *dialogue) require(messages ...proto.Message) {
	for _, want := range messages {
		event := d.next()
		if event.Message == nil {
			d.t.Fatalf("the proxy has ended its messages, want %v", want)
		}
		requireEqual(d.t, want, event.Message, "message of the proxy (%d)", event.At)
	}
}

// requireHalfClosed requires that the proxy half-closes the stream next.
func (d *dialogue) requireHalfClosed() {
	if event := d.next(); event.Message != nil || event.Err != nil {
		d.t.Fatalf("want the stream half-closed, got %v", event)
	}
}

// requireCancelled requires that the proxy cancels the stream, whatever it says before.
func (d *dialogue) requireCancelled() {
	ctx, cancel := d.rig.limit(d.t.Context())
	defer cancel()
	if err := d.Cancelled(ctx); err != nil {
		d.t.Fatalf("want the stream cancelled: %v", err)
	}
}

// requireGivenUp requires that the proxy half-closes or cancels the stream, and says nothing
// more, after the user function has broken the protocol. Then it ends the stream.
func (d *dialogue) requireGivenUp() {
	if event := d.next(); event.Message != nil {
		d.t.Fatalf("want the stream half-closed or cancelled, got %v", event)
	}
	d.End(nil)
	d.awaitOver()
}

// awaitOver waits until the stream has ended.
func (d *dialogue) awaitOver() {
	ctx, cancel := d.rig.limit(d.t.Context())
	defer cancel()
	select {
	case <-d.Over():
	case <-ctx.Done():
		d.t.Fatalf("the stream goes on, want it ended")
	}
}

// say sends messages to the proxy.
func (d *dialogue) say(messages ...proto.Message) {
	for _, m := range messages {
		if err := d.Send(m); err != nil {
			d.t.Fatalf("send to the proxy: %v", err)
		}
	}
}
