package eventsourced

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate/entity"
	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/internal/component"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
)

// routed returns a driver whose entity may forward to its own service.
func routed(t *testing.T, e *Entity[*cart]) *driver {
	t.Helper()
	d := newDriver(t, e)
	d.session.Env.Targets = component.Targets([]*component.Declaration{e.Declare()})
	return d.start()
}

// P-052: a forward goes with the events and the snapshot of its command.
func TestForward_GoesWithEventsAndSnapshot(t *testing.T) {
	t.Parallel()
	e := newEntity(func(ctx context.Context, c *cart, add *pb.AddLineItem) (*emptypb.Empty, error) {
		c.Emit(added(add.GetProductId()))
		ctx = metadata.AppendToOutgoingContext(ctx, "from", "u1")
		return pb.NewShoppingCartClient(entity.Forward(ctx)).AddItem(ctx, &pb.AddLineItem{UserId: "u2"})
	})
	e.Snapshot, e.SnapshotEvery = SnapshotOf((*cart).snapshot, (*cart).restore), 1
	requireEqual(t, replyMessage(&eventsourcedpb.EventSourcedReply{
		CommandId: 1,
		ClientAction: &protocol.ClientAction{Action: &protocol.ClientAction_Forward{Forward: &protocol.Forward{
			ServiceName: "com.example.shoppingcart.ShoppingCart",
			CommandName: "AddItem",
			Payload:     pack(t, &pb.AddLineItem{UserId: "u2"}),
			Metadata: &protocol.Metadata{Entries: []*protocol.MetadataEntry{
				{Key: "from", Value: &protocol.MetadataEntry_StringValue{StringValue: "u1"}},
			}},
		}}},
		Events:   []*anypb.Any{pack(t, added("a"))},
		Snapshot: &anypb.Any{TypeUrl: "p.cloudstate.io/string", Value: []byte{0x0a, 1, 'a'}},
	}), routed(t, e).addItem("a"))
}

// P-053: effects keep their order and the synchronous flag, and a failure drops them.
func TestSideEffects_KeepOrderAndAreDroppedByAFailure(t *testing.T) {
	t.Parallel()
	d := routed(t, newEntity(func(ctx context.Context, _ *cart, add *pb.AddLineItem) (*emptypb.Empty, error) {
		_, first := pb.NewShoppingCartClient(entity.SideEffect(ctx)).AddItem(ctx, &pb.AddLineItem{UserId: "u2"})
		_, second := pb.NewShoppingCartClient(entity.SideEffect(ctx, entity.Synchronous())).RemoveItem(ctx, &pb.RemoveLineItem{UserId: "u3"})
		if add.GetProductId() == "fail" {
			return nil, errors.New("changed my mind")
		}
		return &emptypb.Empty{}, errors.Join(first, second)
	}))
	effect := func(command string, payload *anypb.Any, synchronous bool) *protocol.SideEffect {
		return &protocol.SideEffect{
			ServiceName: "com.example.shoppingcart.ShoppingCart", CommandName: command, Payload: payload, Synchronous: synchronous,
		}
	}
	empty := replyAction(&anypb.Any{TypeUrl: "type.googleapis.com/google.protobuf.Empty"})
	requireEqual(t, replyMessage(&eventsourcedpb.EventSourcedReply{
		CommandId:    1,
		ClientAction: empty,
		SideEffects: []*protocol.SideEffect{
			effect("AddItem", pack(t, &pb.AddLineItem{UserId: "u2"}), false),
			effect("RemoveItem", pack(t, &pb.RemoveLineItem{UserId: "u3"}), true),
		},
	}), d.addItem("a"))
	requireEqual(t, replyMessage(&eventsourcedpb.EventSourcedReply{
		CommandId:    2,
		ClientAction: failureAction(&protocol.Failure{CommandId: 2, Description: "changed my mind"}),
	}), d.addItem("fail"))
}

// A reply besides a forward is a mistake of the entity (protocol section 3.3.3).
func TestForward_RefusesAReplyBesidesIt(t *testing.T) {
	t.Parallel()
	d := routed(t, newEntity(func(ctx context.Context, _ *cart, _ *pb.AddLineItem) (*emptypb.Empty, error) {
		_, err := pb.NewShoppingCartClient(entity.Forward(ctx)).AddItem(ctx, &pb.AddLineItem{UserId: "u2"})
		return &emptypb.Empty{}, err
	}))
	d.requireFailure(d.addItem("a"), 0, "Unexpected failure: Both a reply was returned, and a forward message was sent")
}

// A forward that cannot be made fails the command although the handler ignores the error.
func TestForward_FailsTheCommandIfItCannotBeMade(t *testing.T) {
	t.Parallel()
	d := newDriver(t, newEntity(func(ctx context.Context, c *cart, _ *pb.AddLineItem) (*emptypb.Empty, error) {
		c.Emit(added("a"))
		_, _ = pb.NewShoppingCartClient(entity.Forward(ctx)).AddItem(ctx, &pb.AddLineItem{UserId: "u2"})
		return nil, nil //nolint:nilnil // Empty
	})).start()
	failure := d.addItem("a").GetReply().GetClientAction().GetFailure()
	require.Contains(t, failure.GetDescription(), `service "com.example.shoppingcart.ShoppingCart" is not among the Components`)
	require.True(t, failure.GetRestart())
}
