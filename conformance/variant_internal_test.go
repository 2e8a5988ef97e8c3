package conformance

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/actionpb"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
)

// What the protocol leaves to a library must not be held against it.
func TestUserFunctionSuite_AcceptsWhatIsAllowed(t *testing.T) {
	t.Parallel()
	tests := map[string]mutation{
		"elements and entries in another order": onUpdate(reverseDelta),
		"other texts of failures that end streams": outEach(func(m proto.Message) {
			_, isAction := m.(*actionpb.ActionResponse)
			if failure := m.(answer).GetFailure(); failure != nil && !isAction { //nolint:errcheck // all of them are answers
				failure.Description = sameClass(failure.GetDescription())
			}
		}),
		"a library of another name": onSpec(func(spec *protocol.EntitySpec) {
			spec.ServiceInfo = &protocol.ServiceInfo{
				SupportLibraryName: "another", SupportLibraryVersion: "0.1", ProtocolMinorVersion: protocolMinorVersion,
			}
		}),
		"entities in another order": onSpec(func(spec *protocol.EntitySpec) { slices.Reverse(spec.GetEntities()) }),
	}
	for name, m := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := checkMutated(t, userFunctionSuite, m.through)
				require.Empty(t, r.Failed(), r)
			})
		})
	}
}

// P-120: nothing is said about the order of the streams that a change is told to.
func TestUserFunctionSuite_AcceptsStreamsInAnyOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const twoStreams = "a command"
		part := newSuite(ofUserFunction, nil, checks[*userFunction]{"P-120": {twoStreams: crdtWatchChecks["P-120"][twoStreams]}})
		r := checkMutated(t, part, mutation{open: tellsInReverse}.through)
		require.Empty(t, r.Failed(), r)
	})
}

// P-049: a user function may ask for a restart after a failure, or undo what was done on its
// own. This library asks for a restart; here it is put behind what undoes.
func TestUserFunctionSuite_AcceptsAUserFunctionThatUndoesOnItsOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := checkMutated(t, userFunctionSuite, func(conn *grpc.ClientConn) grpc.ClientConnInterface { return undoing{conn} })
		require.Empty(t, r.Failed(), r)
	})
}

func reverseDelta(delta *crdtpb.CrdtDelta) {
	slices.Reverse(delta.GetGset().GetAdded())
	slices.Reverse(delta.GetOrset().GetAdded())
	slices.Reverse(delta.GetOrset().GetRemoved())
	slices.Reverse(delta.GetOrmap().GetRemoved())
	slices.Reverse(delta.GetOrmap().GetUpdated())
	slices.Reverse(delta.GetOrmap().GetAdded())
}

// tellsInReverse turns round each two messages to streams that follow each other.
func tellsInReverse() fault {
	var first proto.Message
	return fault{out: func(m proto.Message) []proto.Message {
		out, _ := m.(*crdtpb.CrdtStreamOut)
		switch {
		case out.GetStreamedMessage() == nil:
			return []proto.Message{m}
		case first == nil:
			first = m
			return nil
		default:
			second := first
			first = nil
			return []proto.Message{m, second}
		}
	}}
}

// sameClass returns another text of the same class, unless the protocol prescribes the text.
func sameClass(text string) string {
	switch {
	case strings.Contains(text, "Service not found"):
		return text
	case strings.HasPrefix(text, "Protocol error: "):
		return "Protocol error: it is another text"
	default:
		return "another text"
	}
}

// undoing is a user function that never asks for a restart. It restarts the entity itself.
type undoing struct{ *grpc.ClientConn }

func (u undoing) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	s, err := u.ClientConn.NewStream(ctx, desc, method, opts...)
	if method != eventsourcedpb.EventSourced_Handle_FullMethodName || err != nil {
		return s, err
	}
	return &undoingStream{ClientStream: s, reopen: func() (grpc.ClientStream, error) {
		return u.ClientConn.NewStream(ctx, desc, method, opts...)
	}}, nil
}

// undoingStream is a stream of an event sourced entity. It is used by one goroutine.
type undoingStream struct {
	grpc.ClientStream

	reopen func() (grpc.ClientStream, error)
	past   []*eventsourcedpb.EventSourcedStreamIn // the init message and the events
}

func (s *undoingStream) SendMsg(m any) error {
	if in, ok := m.(*eventsourcedpb.EventSourcedStreamIn); ok && in.GetCommand() == nil {
		s.past = append(s.past, in)
	}
	return s.ClientStream.SendMsg(m)
}

func (s *undoingStream) RecvMsg(m any) error {
	if err := s.ClientStream.RecvMsg(m); err != nil {
		return err
	}
	out, _ := m.(*eventsourcedpb.EventSourcedStreamOut)
	failure := out.GetReply().GetClientAction().GetFailure()
	if !failure.GetRestart() {
		s.remember(out.GetReply().GetEvents())
		return nil
	}
	failure.Restart = false
	var err error
	if s.ClientStream, err = s.reopen(); err != nil {
		return err
	}
	for _, in := range s.past {
		if err := s.ClientStream.SendMsg(in); err != nil {
			return err
		}
	}
	return nil
}

// remember takes down the events of a reply.
func (s *undoingStream) remember(events []*anypb.Any) {
	for _, event := range events {
		last := s.past[len(s.past)-1]
		sequence := max(last.GetEvent().GetSequence(), last.GetInit().GetSnapshot().GetSnapshotSequence())
		s.past = append(s.past, esEvent(&eventsourcedpb.EventSourcedEvent{Sequence: sequence + 1, Payload: event}))
	}
}
