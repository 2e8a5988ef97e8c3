package valueentity

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate/entity"
	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/valueentitypb"
)

func forwardAction(f *protocol.Forward) *protocol.ClientAction {
	return &protocol.ClientAction{Action: &protocol.ClientAction_Forward{Forward: f}}
}

// P-076, P-033: a forward, a state action and side effects in one reply, in order.
func TestCommand_ForwardsAndUpdates(t *testing.T) {
	t.Parallel()
	remove := &pb.RemoveLineItem{UserId: "u2", ProductId: "a"}
	tests := map[string]struct {
		change func(c *cart)
		want   *valueentitypb.ValueEntityAction
	}{
		"P-076 update": {func(c *cart) { c.Update(cartOf("a")) }, updateTo(pack(t, cartOf("a")))},
		"delete":       {func(c *cart) { c.Delete() }, deletion()},
		"neither":      {func(*cart) {}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDriver(t, newEntity(func(ctx context.Context, c *cart, add *pb.AddLineItem) (*emptypb.Empty, error) {
				tt.change(c)
				_, err1 := pb.NewShoppingCartClient(entity.SideEffect(ctx, entity.Synchronous())).AddItem(ctx, add)
				_, err2 := pb.NewShoppingCartClient(entity.SideEffect(ctx)).RemoveItem(ctx, remove)
				if err := errors.Join(err1, err2); err != nil {
					return nil, err
				}
				return pb.NewShoppingCartClient(entity.Forward(ctx)).RemoveItem(ctx, remove)
			})).start()
			requireEqual(t, replyMessage(&valueentitypb.ValueEntityReply{
				CommandId: 1,
				ClientAction: forwardAction(&protocol.Forward{
					ServiceName: "com.example.shoppingcart.ShoppingCart", CommandName: "RemoveItem", Payload: pack(t, remove),
				}),
				SideEffects: []*protocol.SideEffect{
					{ServiceName: "com.example.shoppingcart.ShoppingCart", CommandName: "AddItem", Payload: pack(t, &pb.AddLineItem{UserId: "u1", ProductId: "a"}), Synchronous: true},
					{ServiceName: "com.example.shoppingcart.ShoppingCart", CommandName: "RemoveItem", Payload: pack(t, remove)},
				},
				StateAction: tt.want,
			}), d.addItem("a"))
			// The next command has none of it.
			requireEqual(t, replyMessage(&valueentitypb.ValueEntityReply{
				CommandId: 2, ClientAction: emptyAction(), StateAction: deletion(),
			}), d.remove())
		})
	}
}

// P-073: effects and forwards of a failed command are dropped with its state.
func TestFailure_DropsEffects(t *testing.T) {
	t.Parallel()
	d := newDriver(t, newEntity(func(ctx context.Context, c *cart, add *pb.AddLineItem) (*emptypb.Empty, error) {
		reply, err := put(ctx, c, add)
		if err != nil {
			return nil, err
		}
		_, err1 := pb.NewShoppingCartClient(entity.SideEffect(ctx)).AddItem(ctx, add)
		_, err2 := pb.NewShoppingCartClient(entity.Forward(ctx)).AddItem(ctx, add)
		return reply, errors.Join(errors.New("no"), err1, err2)
	})).start()
	requireEqual(t, replyMessage(&valueentitypb.ValueEntityReply{CommandId: 1, ClientAction: failureAction(&protocol.Failure{
		CommandId: 1, Description: "no",
	})}), d.addItem("a"))
	require.Equal(t, "nothing", d.state())
}

// A handler has one answer: a reply of its own beside a forward ends the activation.
func TestCommand_MayNotReplyAndForward(t *testing.T) {
	t.Parallel()
	d := newDriver(t, newEntity(func(ctx context.Context, _ *cart, add *pb.AddLineItem) (*emptypb.Empty, error) {
		_, err := pb.NewShoppingCartClient(entity.Forward(ctx)).AddItem(ctx, add)
		return &emptypb.Empty{}, err
	})).start()
	d.requireFailure(d.addItem("a"), 0, "Value entity unexpected failure: Both a reply was returned, and a forward message was sent, choose one or the other.")
}

// An effect that cannot be made fails the command even if its handler ignores the error, and
// then nothing of the command sticks.
func TestCommand_FailsWithAnEffectThatCannotBeMade(t *testing.T) {
	t.Parallel()
	d := newDriver(t, newEntity(func(ctx context.Context, c *cart, add *pb.AddLineItem) (*emptypb.Empty, error) {
		_ = entity.SideEffect(ctx).Invoke(ctx, "/com.example.shoppingcart.ShoppingCart/Nope", add, nil)
		return put(ctx, c, add)
	})).start()
	out := d.addItem("a")
	require.Nil(t, out.GetReply().GetStateAction())
	require.Contains(t, out.GetReply().GetClientAction().GetFailure().GetDescription(),
		`side effect to /com.example.shoppingcart.ShoppingCart/Nope: service com.example.shoppingcart.ShoppingCart has no command "Nope"`)
	require.Equal(t, "nothing", d.state())
}
