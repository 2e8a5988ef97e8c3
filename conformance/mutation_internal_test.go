package conformance

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/conformance/models"
	"github.com/cloudstate-go/cloudstate/protocol"
)

// A mutation breaks a user function. The zero value leaves it as it is.
type mutation struct {
	// call changes a unary call of discovery: it gets the request, and the answer, which it
	// may change, or fail the call.
	call func(request, answer proto.Message) error
	// open returns what is wrong with a new stream.
	open func() fault
}

// A fault is what is wrong with one stream. Fields that are nil change nothing.
type fault struct {
	// in returns what the user function gets in place of a message, and out what it sends.
	in, out func(m proto.Message) []proto.Message
	// ending replaces the end of the stream. It gets an empty message of the user function.
	ending func(empty proto.Message, err error) ([]proto.Message, error)
	// late holds back what the user function gets until the other side half-closes.
	late bool
}

// mutated is a connection to a broken user function.
type mutated struct {
	*grpc.ClientConn

	mutation mutation
}

// through returns a connection to a user function that is broken like that.
func (m mutation) through(conn *grpc.ClientConn) grpc.ClientConnInterface { return &mutated{conn, m} }

func (c *mutated) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	err := c.ClientConn.Invoke(ctx, method, args, reply, opts...)
	if c.mutation.call == nil || err != nil {
		return err
	}
	return c.mutation.call(args.(proto.Message), reply.(proto.Message)) //nolint:errcheck // generated clients pass messages
}

func (c *mutated) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	s, err := c.ClientConn.NewStream(ctx, desc, method, opts...)
	if c.mutation.open == nil || err != nil {
		return s, err
	}
	return &faulty{ClientStream: s, fault: c.mutation.open()}, nil
}

// faulty is a stream with a fault. It is used by one goroutine.
type faulty struct {
	grpc.ClientStream

	fault   fault
	held    []proto.Message // not yet sent
	waiting []proto.Message // received, and not yet taken
	ended   error
}

func (s *faulty) SendMsg(m any) error {
	messages := []proto.Message{proto.Clone(m.(proto.Message))} //nolint:errcheck // it is one
	if s.fault.in != nil {
		messages = s.fault.in(messages[0])
	}
	if s.fault.late {
		s.held = append(s.held, messages...)
		return nil
	}
	return s.sendAll(messages)
}

func (s *faulty) sendAll(messages []proto.Message) error {
	for _, m := range messages {
		if err := s.ClientStream.SendMsg(m); err != nil {
			return err
		}
	}
	return nil
}

func (s *faulty) CloseSend() error {
	return errors.Join(s.sendAll(s.held), s.ClientStream.CloseSend())
}

func (s *faulty) RecvMsg(into any) error {
	for len(s.waiting) == 0 {
		if s.ended != nil {
			return s.ended
		}
		s.receive(into.(proto.Message)) //nolint:errcheck // it is one
	}
	proto.Merge(into.(proto.Message), s.waiting[0]) //nolint:errcheck // it is one
	s.waiting = s.waiting[1:]
	return nil
}

// receive receives a message of the type of like, or the end.
func (s *faulty) receive(like proto.Message) {
	m := like.ProtoReflect().New().Interface()
	if err := s.ClientStream.RecvMsg(m); err != nil {
		s.ended = err
		if s.fault.ending != nil {
			s.waiting, s.ended = s.fault.ending(like.ProtoReflect().New().Interface(), err)
		}
		return
	}
	s.waiting = []proto.Message{m}
	if s.fault.out != nil {
		s.waiting = s.fault.out(m)
	}
}

// checkMutated returns the report of a suite about the models, as they are seen through a
// connection.
func checkMutated(t *testing.T, s *suite[*userFunction], through func(*grpc.ClientConn) grpc.ClientConnInterface) *Report {
	t.Helper()
	lis := bufconn.Listen(1 << 20)
	ctx, cancel := context.WithCancel(t.Context())
	service := models.Service()
	service.Logger = slog.New(slog.DiscardHandler)
	served := make(chan error, 1)
	go func() { served <- service.Serve(ctx, lis) }()
	conn, err := grpc.NewClient("passthrough:memory",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	r := s.check(t.Context(), newUserFunction(UserFunction{Conn: through(conn)}))
	require.NoError(t, conn.Close())
	cancel()
	require.NoError(t, <-served)
	return r
}

// only returns the part of the suite that checks one assertion.
func only(s *suite[*userFunction], id string) *suite[*userFunction] {
	return newSuite(s.side, nil, checks[*userFunction]{id: s.checks[id]})
}

// userFunctionMutations are broken user functions by what is wrong with them, by the assertion
// that does not hold then.
var userFunctionMutations = merged(
	discoveryMutations, streamMutations, eventSourcedMutations, valueEntityMutations,
	actionMutations, crdtMutations, crdtTypeMutations, encodingMutations,
)

type mutations map[string]map[string]mutation

func merged(parts ...mutations) mutations {
	all := mutations{}
	for _, part := range parts {
		for id, broken := range part {
			if all[id] == nil {
				all[id] = map[string]mutation{}
			}
			maps.Copy(all[id], broken)
		}
	}
	return all
}

func TestUserFunctionSuite_NoticesEachMutation(t *testing.T) {
	t.Parallel()
	for _, id := range slices.Sorted(maps.Keys(userFunctionMutations)) {
		for about, m := range userFunctionMutations[id] {
			t.Run(id+"/"+about, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { // what does not come is waited for in virtual time
					r := checkMutated(t, only(userFunctionSuite, id), m.through)
					require.Equal(t, []string{id}, r.Failed(), r)
					require.NotContains(t, r.String(), "panic: ", "the mutation itself is broken")
				})
			})
		}
	}
}

// An assertion that no mutation breaks may have checks that cannot fail.
func TestUserFunctionSuite_HasAMutationForEachAssertion(t *testing.T) {
	t.Parallel()
	require.Equal(t, slices.Sorted(maps.Keys(userFunctionSuite.checks)), slices.Sorted(maps.Keys(userFunctionMutations)))
}

func TestUserFunctionSuite_PassesWithoutAMutation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		nothing := mutation{
			call: func(proto.Message, proto.Message) error { return nil },
			open: func() fault { return fault{} },
		}
		r := checkMutated(t, userFunctionSuite, nothing.through)
		require.Empty(t, r.Failed(), r)
	})
}

// What follows makes mutations.

// inEach changes each message to the user function.
func inEach(change func(m proto.Message)) mutation {
	return mutation{open: func() fault { return fault{in: keeping(change)} }}
}

// outEach changes each message of the user function.
func outEach(change func(m proto.Message)) mutation {
	return mutation{open: func() fault { return fault{out: keeping(change)} }}
}

func keeping(change func(m proto.Message)) func(m proto.Message) []proto.Message {
	return func(m proto.Message) []proto.Message {
		change(m)
		return []proto.Message{m}
	}
}

// outAll replaces each message of the user function.
func outAll(replace func(m proto.Message) []proto.Message) mutation {
	return mutation{open: func() fault { return fault{out: replace} }}
}

// losing loses messages to the user function.
func losing(lost func(m proto.Message) bool) mutation {
	return mutation{open: func() fault {
		return fault{in: func(m proto.Message) []proto.Message {
			if lost(m) {
				return nil
			}
			return []proto.Message{m}
		}}
	}}
}

// onSpec changes what discovery returns.
func onSpec(change func(spec *protocol.EntitySpec)) mutation {
	return mutation{call: func(_, answer proto.Message) error {
		if spec, ok := answer.(*protocol.EntitySpec); ok {
			change(spec)
		}
		return nil
	}}
}

// endingWith replaces the end of streams that end with OK.
func endingWith(ending func(empty proto.Message) ([]proto.Message, error)) mutation {
	return mutation{open: func() fault {
		return fault{ending: func(empty proto.Message, err error) ([]proto.Message, error) {
			if !errors.Is(err, io.EOF) {
				return nil, err
			}
			return ending(empty)
		}}
	}}
}
