package interceptor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/cloudstate-go/cloudstate/conformance/internal/relay"
	"github.com/cloudstate-go/cloudstate/protocol/actionpb"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
	"github.com/cloudstate-go/cloudstate/protocol/valueentitypb"
)

// ErrCancelled is in the last event of a side that has not ended its messages but
// broken the stream.
var ErrCancelled = errors.New("the stream was cancelled")

// An Event is something that one side of a stream has done.
type Event struct {
	// At is the position among all events of an interceptor, from 1. A message of the
	// proxy counts when it has arrived, one of the user function before it is sent.
	At uint64
	// Message is what was sent. Nil means that the side has ended its messages.
	Message proto.Message
	// Err says how, without a message: nil if the proxy has half-closed the stream, or if
	// the user function has ended it with OK.
	Err error
}

// String returns the event in one line.
func (e Event) String() string {
	switch {
	case e.Message != nil:
		return fmt.Sprintf("#%d %s{%v}", e.At, e.Message.ProtoReflect().Descriptor().Name(), e.Message)
	case e.Err != nil:
		return fmt.Sprintf("#%d broken: %v", e.At, e.Err)
	default:
		return fmt.Sprintf("#%d end", e.At)
	}
}

// A Stream is a call that the proxy has made for an entity, or of an action. Its methods
// are for one goroutine, but String and End are for any.
type Stream struct {
	// RPC is the method of the protocol, such as cloudstate.crdt.Crdt.handle.
	RPC protoreflect.FullName
	// Service is the user's service, as the first message has it; EntityID is empty for
	// an action, and Command for an entity.
	Service, EntityID, Command string

	interceptor *Interceptor
	call        *relay.Call
	first       proto.Message
	scripted    bool
	taken       bool // by Accept; belongs to the interceptor
	left        bool // by the user function; belongs to the interceptor
	end         context.CancelCauseFunc
	over        chan struct{}

	breakNext atomic.Pointer[ended]

	sending sync.Mutex
	in, out feed[Event]
}

// identify notes what the stream is for.
func (s *Stream) identify(first proto.Message) {
	s.first = first
	switch m := first.(type) {
	case *eventsourcedpb.EventSourcedStreamIn:
		s.Service, s.EntityID = m.GetInit().GetServiceName(), m.GetInit().GetEntityId()
	case *valueentitypb.ValueEntityStreamIn:
		s.Service, s.EntityID = m.GetInit().GetServiceName(), m.GetInit().GetEntityId()
	case *crdtpb.CrdtStreamIn:
		s.Service, s.EntityID = m.GetInit().GetServiceName(), m.GetInit().GetEntityId()
	case *actionpb.ActionCommand:
		s.Service, s.Command = m.GetServiceName(), m.GetName()
	}
}

// First returns the first message of the proxy.
func (s *Stream) First() proto.Message { return s.first }

// Next waits for what the proxy does next.
func (s *Stream) Next(ctx context.Context) (Event, error) { return s.in.next(ctx) }

// Answer waits for what the user function, or the test, has said next to the proxy.
func (s *Stream) Answer(ctx context.Context) (Event, error) { return s.out.next(ctx) }

// Unread returns what the proxy has done without that the test has asked for it.
func (s *Stream) Unread() []Event { return s.in.rest() }

// Sent returns everything that the proxy has done so far.
func (s *Stream) Sent() []Event { return s.in.all() }

// Send sends a message to the proxy.
func (s *Stream) Send(message proto.Message) error {
	s.sending.Lock()
	defer s.sending.Unlock()
	s.record(UserFunction, message, nil)
	return s.call.Send(message)
}

// An ended is why a stream ends that the test has ended.
type ended struct{ err error }

func (e ended) Error() string { return fmt.Sprintf("the test has ended the stream: %v", e.err) }

// End ends the stream, with OK if err is nil, also if it is relayed. A scripted stream of an
// entity ends with OK by itself when the proxy half-closes it.
func (s *Stream) End(err error) { s.end(ended{err}) }

// BreakNext ends a stream that is relayed when the next message of the proxy arrives, which is
// recorded, but not relayed.
func (s *Stream) BreakNext(err error) { s.breakNext.Store(&ended{err}) }

// Over is closed when the stream has ended, whoever has ended it.
func (s *Stream) Over() <-chan struct{} { return s.over }

// Cancelled waits until the proxy has cancelled the stream, or it has ended otherwise.
func (s *Stream) Cancelled(ctx context.Context) error {
	select {
	case <-s.over:
	case <-ctx.Done():
		return fmt.Errorf("the stream goes on: %w", context.Cause(ctx))
	}
	events := s.in.all()
	if len(events) > 0 && errors.Is(events[len(events)-1].Err, ErrCancelled) {
		return nil
	}
	return errors.New("the stream has ended, but the proxy has not cancelled it")
}

// String returns everything that was said, a line for each event, in order.
func (s *Stream) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s of %s %q:", s.RPC, s.Service, s.EntityID+s.Command)
	in, out := s.in.all(), s.out.all()
	for len(in)+len(out) > 0 {
		side, from := &in, "  proxy: "
		if len(in) == 0 || len(out) > 0 && out[0].At < in[0].At {
			side, from = &out, "  user function: "
		}
		text.WriteString("\n" + from + (*side)[0].String())
		*side = (*side)[1:]
	}
	return text.String()
}

// A Side is one of those that take part in a stream.
type Side int

// The sides.
const (
	Proxy Side = iota
	UserFunction
)

// record notes an event. What the proxy says on a stream that the user function has ended has
// crossed with the end, and nobody hears it.
func (s *Stream) record(from Side, message proto.Message, err error) {
	i := s.interceptor
	i.mu.Lock()
	defer i.mu.Unlock()
	if from == Proxy && s.left {
		return
	}
	s.left = from == UserFunction && message == nil
	i.events++
	event := Event{At: i.events, Message: message, Err: err}
	if from == Proxy {
		s.in.add(event)
	} else {
		s.out.add(event)
	}
	if i.Observe != nil {
		i.Observe(s, from, event)
	}
}

// run carries out the call of the proxy.
func (s *Stream) run(ctx context.Context) error {
	defer close(s.over)
	err := s.converse(ctx)
	var byTest ended
	switch {
	case errors.As(err, &byTest):
		err = byTest.err
	case s.interceptor.stopping.Load():
		return err
	case s.call.Context().Err() != nil:
		s.record(Proxy, nil, ErrCancelled)
		return status.FromContextError(s.call.Context().Err()).Err()
	}
	s.record(UserFunction, nil, err)
	return err
}

// converse goes on until the call ends, and returns how.
func (s *Stream) converse(ctx context.Context) error {
	if s.scripted {
		s.call.Listen(func(message proto.Message) error {
			s.record(Proxy, message, nil)
			if message == nil && s.EntityID != "" {
				s.End(nil)
			}
			return nil
		}, s.end)
		<-ctx.Done()
		return context.Cause(ctx)
	}
	return s.call.Relay(ctx, s.interceptor.models, s.relayed(Proxy), s.relayed(UserFunction))
}

// relayed returns a filter that records what one side says. How the user function ends the
// stream is recorded when it has.
func (s *Stream) relayed(from Side) relay.Filter {
	return func(message proto.Message, pass func(proto.Message) error) error {
		if from == UserFunction {
			if message == nil {
				return nil
			}
			return s.Send(message)
		}
		broken := s.breakNext.Load() // before the test sees the message
		s.record(from, message, nil)
		if broken != nil && message != nil {
			return *broken
		}
		return pass(message)
	}
}
