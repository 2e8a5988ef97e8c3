package entity_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate"
	"github.com/cloudstate-go/cloudstate/action"
	"github.com/cloudstate-go/cloudstate/eventsourced"
	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/actionpb"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
	"github.com/cloudstate-go/cloudstate/protocol/valueentitypb"
	"github.com/cloudstate-go/cloudstate/valueentity"
)

const cartService = "com.example.shoppingcart.ShoppingCart"

// handler is an AddItem of a test.
type handler func(ctx context.Context, add *pb.AddLineItem) (*emptypb.Empty, error)

// The same handler in an event sourced entity, a value entity and an action.
type (
	eventSourcedCart struct {
		eventsourced.Base
		pb.UnimplementedShoppingCartServer

		add handler
	}
	valueCart struct {
		valueentity.Base[string]
		pb.UnimplementedShoppingCartServer

		add handler
	}
	actionCart struct {
		pb.UnimplementedShoppingCartServer

		add handler
	}
)

func (c *eventSourcedCart) AddItem(ctx context.Context, add *pb.AddLineItem) (*emptypb.Empty, error) {
	return c.add(ctx, add)
}

func (c *valueCart) AddItem(ctx context.Context, add *pb.AddLineItem) (*emptypb.Empty, error) {
	return c.add(ctx, add)
}

func (c actionCart) AddItem(ctx context.Context, add *pb.AddLineItem) (*emptypb.Empty, error) {
	return c.add(ctx, add)
}

// An outcome is what a command of any kind comes to.
type outcome struct {
	action  *protocol.ClientAction // of an entity, or nil
	effects []*protocol.SideEffect
	failure *protocol.Failure // of the stream of an entity, or nil
}

// A kind runs the handler in one kind of component, with a command for "u1".
type kind struct {
	component func(h handler) cloudstate.Component
	call      func(t *testing.T, conn *grpc.ClientConn, payload *anypb.Any, metadata *protocol.Metadata) outcome
}

var kinds = map[string]kind{
	"event sourced": {eventSourced, callEventSourced},
	"value entity":  {valueEntity, callValueEntity},
	"action":        {anAction, callAction},
}

func eventSourced(h handler) cloudstate.Component {
	return &eventsourced.Entity[*eventSourcedCart]{
		Service: &pb.ShoppingCart_ServiceDesc,
		New:     func(string) *eventSourcedCart { return &eventSourcedCart{add: h} },
	}
}

func valueEntity(h handler) cloudstate.Component {
	return &valueentity.Entity[*valueCart]{
		Service: &pb.ShoppingCart_ServiceDesc,
		New:     func(string) *valueCart { return &valueCart{add: h} },
	}
}

func anAction(h handler) cloudstate.Component {
	return &action.Action{Service: &pb.ShoppingCart_ServiceDesc, Server: actionCart{add: h}}
}

func callEventSourced(t *testing.T, conn *grpc.ClientConn, payload *anypb.Any, metadata *protocol.Metadata) outcome {
	t.Helper()
	stream, err := eventsourcedpb.NewEventSourcedClient(conn).Handle(t.Context())
	require.NoError(t, err)
	out := exchange(t, stream, &eventsourcedpb.EventSourcedStreamIn{Message: &eventsourcedpb.EventSourcedStreamIn_Init{
		Init: &eventsourcedpb.EventSourcedInit{ServiceName: cartService, EntityId: "u1"},
	}}, &eventsourcedpb.EventSourcedStreamIn{Message: &eventsourcedpb.EventSourcedStreamIn_Command{Command: addItem(payload, metadata)}})
	return outcome{out.GetReply().GetClientAction(), out.GetReply().GetSideEffects(), out.GetFailure()}
}

func callValueEntity(t *testing.T, conn *grpc.ClientConn, payload *anypb.Any, metadata *protocol.Metadata) outcome {
	t.Helper()
	stream, err := valueentitypb.NewValueEntityClient(conn).Handle(t.Context())
	require.NoError(t, err)
	out := exchange(t, stream, &valueentitypb.ValueEntityStreamIn{Message: &valueentitypb.ValueEntityStreamIn_Init{
		Init: &valueentitypb.ValueEntityInit{ServiceName: cartService, EntityId: "u1"},
	}}, &valueentitypb.ValueEntityStreamIn{Message: &valueentitypb.ValueEntityStreamIn_Command{Command: addItem(payload, metadata)}})
	return outcome{out.GetReply().GetClientAction(), out.GetReply().GetSideEffects(), out.GetFailure()}
}

func callAction(t *testing.T, conn *grpc.ClientConn, payload *anypb.Any, metadata *protocol.Metadata) outcome {
	t.Helper()
	out, err := actionpb.NewActionProtocolClient(conn).HandleUnary(t.Context(), &actionpb.ActionCommand{
		ServiceName: cartService, Name: "AddItem", Payload: payload, Metadata: metadata,
	})
	require.NoError(t, err)
	o := outcome{effects: out.GetSideEffects()}
	switch m := out.GetResponse().(type) {
	case *actionpb.ActionResponse_Reply:
		o.action = &protocol.ClientAction{Action: &protocol.ClientAction_Reply{Reply: m.Reply}}
	case *actionpb.ActionResponse_Forward:
		o.action = &protocol.ClientAction{Action: &protocol.ClientAction_Forward{Forward: m.Forward}}
	case *actionpb.ActionResponse_Failure:
		o.action = &protocol.ClientAction{Action: &protocol.ClientAction_Failure{Failure: m.Failure}}
	}
	return o
}

// addItem is a command for "u1".
func addItem(payload *anypb.Any, metadata *protocol.Metadata) *protocol.Command {
	return &protocol.Command{EntityId: "u1", Id: 1, Name: "AddItem", Payload: payload, Metadata: metadata}
}

// exchange sends an init message and a command to an entity and returns the answer. Then
// the stream must end, after a failure by itself and otherwise with the half-close (P-022).
func exchange[In, Out any](t *testing.T, stream grpc.BidiStreamingClient[In, Out], init, command *In) *Out {
	t.Helper()
	require.NoError(t, stream.Send(init))
	require.NoError(t, stream.Send(command))
	out, err := stream.Recv()
	require.NoError(t, err)
	require.NoError(t, stream.CloseSend())
	_, err = stream.Recv()
	require.ErrorIs(t, err, io.EOF)
	return out
}

// run serves the handler in a kind, beside other services, and sends it a command. The
// proxy may be nil.
func (k kind) run(t *testing.T, proxy grpc.ClientConnInterface, h handler, metadata *protocol.Metadata) outcome {
	t.Helper()
	service := &cloudstate.Service{
		Components: []cloudstate.Component{k.component(h), statistics},
		Logger:     slog.New(slog.DiscardHandler),
	}
	lis := bufconn.Listen(1 << 16)
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- service.ServeWithProxy(ctx, lis, proxy) }()
	conn, err := grpc.NewClient("passthrough:memory",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer func() {
		cancel()
		require.NoError(t, errors.Join(<-served, conn.Close()))
	}()
	return k.call(t, conn, pack(t, &pb.AddLineItem{UserId: "u1", ProductId: "a"}), metadata)
}

// inEachKind runs a test with every kind.
func inEachKind(t *testing.T, test func(t *testing.T, k kind)) {
	t.Helper()
	for name, k := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, k)
		})
	}
}

func pack(tb testing.TB, m proto.Message) *anypb.Any {
	tb.Helper()
	a, err := anypb.New(m)
	require.NoError(tb, err)
	return a
}

func requireEqual(tb testing.TB, want, got proto.Message) {
	tb.Helper()
	require.True(tb, proto.Equal(want, got), "want %v\ngot  %v", want, got)
}
