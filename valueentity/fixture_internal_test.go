package valueentity

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate/entity"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/domain"
	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/internal/command"
	"github.com/cloudstate-go/cloudstate/internal/component"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/valueentitypb"
)

// holder is an entity with a state of any type, whose AddItem does what a test wants.
type holder[V any] struct {
	Base[V]
	pb.UnsafeShoppingCartServer

	add addFunc[V]
}

type addFunc[V any] = func(ctx context.Context, h *holder[V], add *pb.AddLineItem) (*emptypb.Empty, error)

func (h *holder[V]) AddItem(ctx context.Context, add *pb.AddLineItem) (*emptypb.Empty, error) {
	return h.add(ctx, h, add)
}

func (h *holder[V]) RemoveItem(context.Context, *pb.RemoveLineItem) (*emptypb.Empty, error) {
	h.Delete()
	return nil, nil //nolint:nilnil // a handler may return nothing where it promises Empty
}

// GetCart replies with a text that says what the state is.
func (h *holder[V]) GetCart(context.Context, *pb.GetShoppingCart) (*pb.Cart, error) {
	text := "nothing"
	if h.Exists() {
		text = show(h.State())
	}
	return &pb.Cart{Items: []*pb.LineItem{{Name: text}}}, nil
}

// show returns a state as text: a cart as its products.
func show(state any) string {
	cart, ok := state.(*domain.Cart)
	if !ok {
		return fmt.Sprint(state)
	}
	products := make([]string, 0, len(cart.GetItems()))
	for _, item := range cart.GetItems() {
		products = append(products, item.GetProductId())
	}
	return strings.Join(products, ",")
}

// cart is a holder of the usual state.
type cart = holder[*domain.Cart]

// cartOf returns a state with these products.
func cartOf(products ...string) *domain.Cart {
	c := &domain.Cart{}
	for _, p := range products {
		c.Items = append(c.Items, &domain.LineItem{ProductId: p})
	}
	return c
}

// put is an AddItem that changes the state in place and updates it.
func put(_ context.Context, c *cart, add *pb.AddLineItem) (*emptypb.Empty, error) {
	state := c.State()
	state.Items = append(state.Items, &domain.LineItem{ProductId: add.GetProductId()})
	c.Update(state)
	return &emptypb.Empty{}, nil
}

func newEntity[V any](add addFunc[V], state ...entity.CodecOption) *Entity[*holder[V]] {
	return &Entity[*holder[V]]{
		Service:       &pb.ShoppingCart_ServiceDesc,
		PersistenceID: "shopping-cart",
		New:           func(string) *holder[V] { return &holder[V]{add: add} },
		State:         state,
	}
}

// do returns an AddItem that does something and succeeds.
func do[V any](f func(h *holder[V])) addFunc[V] {
	return func(_ context.Context, h *holder[V], _ *pb.AddLineItem) (*emptypb.Empty, error) {
		f(h)
		return &emptypb.Empty{}, nil
	}
}

func boom() { panic("boom") } //nolint:forbidigo // what a test is about

// driver plays the proxy to one session.
type driver struct {
	t       testing.TB
	session *session
	log     *bytes.Buffer
	over    bool
	id      int64
}

func newDriver[S Instance](tb testing.TB, e *Entity[S], interceptors ...grpc.UnaryServerInterceptor) *driver {
	tb.Helper()
	d := e.Declare()
	require.Empty(tb, d.Mistakes)
	log := &bytes.Buffer{}
	env := &component.Env{
		Environment: command.Environment{
			Unary:   command.Chain(interceptors),
			Targets: component.Targets([]*component.Declaration{d}),
		},
		Logger: slog.New(slog.NewTextHandler(log, nil)), Commands: command.NewGauge(),
	}
	types := map[string]activator{d.Service.ServiceName: d.Implementation.(activator)} //nolint:errcheck // made by Declare
	return &driver{t: tb, log: log, session: newSession(types, env)}
}

// send hands a message to the session and returns a copy of the answer, or nil.
func (d *driver) send(in *valueentitypb.ValueEntityStreamIn) *valueentitypb.ValueEntityStreamOut {
	d.t.Helper()
	require.False(d.t, d.over, "the session is over")
	out, over := d.session.handle(d.t.Context(), in)
	d.over = over
	if out == nil {
		return nil
	}
	defer out.Free()
	return proto.CloneOf(&out.out)
}

// start sends an init message without a state, and fails the test if it is answered.
func (d *driver) start() *driver {
	d.t.Helper()
	require.Nil(d.t, d.send(initMessage(nil)))
	return d
}

// startWith sends an init message with a state.
func (d *driver) startWith(state *anypb.Any) *driver {
	d.t.Helper()
	require.Nil(d.t, d.send(initMessage(state)))
	return d
}

// command sends a command with the next id.
func (d *driver) command(name string, request proto.Message) *valueentitypb.ValueEntityStreamOut {
	d.t.Helper()
	d.id++
	return d.send(commandMessage(&protocol.Command{EntityId: "u1", Id: d.id, Name: name, Payload: pack(d.t, request)}))
}

func (d *driver) addItem(product string) *valueentitypb.ValueEntityStreamOut {
	d.t.Helper()
	return d.command("AddItem", &pb.AddLineItem{UserId: "u1", ProductId: product})
}

// remove sends a command that deletes the state.
func (d *driver) remove() *valueentitypb.ValueEntityStreamOut {
	d.t.Helper()
	return d.command("RemoveItem", &pb.RemoveLineItem{UserId: "u1"})
}

// state returns the text of GetCart, which must not store anything.
func (d *driver) state() string {
	d.t.Helper()
	reply := d.command("GetCart", &pb.GetShoppingCart{UserId: "u1"}).GetReply()
	require.Nil(d.t, reply.GetStateAction())
	var cart pb.Cart
	require.NoError(d.t, reply.GetClientAction().GetReply().GetPayload().UnmarshalTo(&cart))
	require.Len(d.t, cart.GetItems(), 1)
	return cart.GetItems()[0].GetName()
}

// requireFailure checks that the answer ends the stream for this reason, and that it was
// logged once, with its place.
func (d *driver) requireFailure(out *valueentitypb.ValueEntityStreamOut, id int64, description string) {
	d.t.Helper()
	require.NotNil(d.t, out.GetFailure(), "%v", out)
	require.Equal(d.t, id, out.GetFailure().GetCommandId())
	require.Contains(d.t, out.GetFailure().GetDescription(), description)
	require.True(d.t, d.over)
	require.Equal(d.t, 1, strings.Count(d.log.String(), "level=ERROR"), d.log)
	require.Contains(d.t, d.log.String(), `kind="value entity"`)
}

func pack(tb testing.TB, m proto.Message) *anypb.Any {
	tb.Helper()
	a, err := anypb.New(m)
	require.NoError(tb, err)
	return a
}

func initMessage(state *anypb.Any) *valueentitypb.ValueEntityStreamIn {
	return &valueentitypb.ValueEntityStreamIn{Message: &valueentitypb.ValueEntityStreamIn_Init{
		Init: &valueentitypb.ValueEntityInit{
			ServiceName: "com.example.shoppingcart.ShoppingCart", EntityId: "u1",
			State: &valueentitypb.ValueEntityInitState{Value: state},
		},
	}}
}

func commandMessage(c *protocol.Command) *valueentitypb.ValueEntityStreamIn {
	return &valueentitypb.ValueEntityStreamIn{Message: &valueentitypb.ValueEntityStreamIn_Command{Command: c}}
}

func replyMessage(r *valueentitypb.ValueEntityReply) *valueentitypb.ValueEntityStreamOut {
	return &valueentitypb.ValueEntityStreamOut{Message: &valueentitypb.ValueEntityStreamOut_Reply{Reply: r}}
}

func emptyAction() *protocol.ClientAction {
	return replyAction(&anypb.Any{TypeUrl: "type.googleapis.com/google.protobuf.Empty"})
}

func replyAction(payload *anypb.Any) *protocol.ClientAction {
	return &protocol.ClientAction{Action: &protocol.ClientAction_Reply{Reply: &protocol.Reply{Payload: payload}}}
}

func failureAction(f *protocol.Failure) *protocol.ClientAction {
	return &protocol.ClientAction{Action: &protocol.ClientAction_Failure{Failure: f}}
}

func updateTo(value *anypb.Any) *valueentitypb.ValueEntityAction {
	return &valueentitypb.ValueEntityAction{Action: &valueentitypb.ValueEntityAction_Update{
		Update: &valueentitypb.ValueEntityUpdate{Value: value},
	}}
}

func deletion() *valueentitypb.ValueEntityAction {
	return &valueentitypb.ValueEntityAction{Action: &valueentitypb.ValueEntityAction_Delete{Delete: &valueentitypb.ValueEntityDelete{}}}
}

func requireEqual(tb testing.TB, want, got proto.Message) {
	tb.Helper()
	require.True(tb, proto.Equal(want, got), "want %v\ngot  %v", want, got)
}
