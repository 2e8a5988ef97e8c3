package eventsourced

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate/entity"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/domain"
	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/internal/command"
	"github.com/cloudstate-go/cloudstate/internal/component"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
)

// cart is an entity whose AddItem does what a test wants. Its state is the list of the
// products that were added.
type cart struct {
	Base
	pb.UnsafeShoppingCartServer

	products []string
	add      func(ctx context.Context, c *cart, add *pb.AddLineItem) (*emptypb.Empty, error)
	applied  func(c *cart)
}

func (c *cart) AddItem(ctx context.Context, add *pb.AddLineItem) (*emptypb.Empty, error) {
	return c.add(ctx, c, add)
}

func (c *cart) RemoveItem(context.Context, *pb.RemoveLineItem) (*emptypb.Empty, error) {
	return nil, nil //nolint:nilnil // a handler may return nothing where it promises Empty
}

func (c *cart) GetCart(context.Context, *pb.GetShoppingCart) (*pb.Cart, error) {
	reply := &pb.Cart{}
	for _, p := range c.products {
		reply.Items = append(reply.Items, &pb.LineItem{ProductId: p})
	}
	return reply, nil
}

func (c *cart) itemAdded(e *domain.ItemAdded) {
	c.products = append(c.products, e.GetItem().GetProductId())
	if c.applied != nil {
		c.applied(c)
	}
}

func (c *cart) snapshot() string        { return strings.Join(c.products, ",") }
func (c *cart) restore(snapshot string) { c.products = strings.Split(snapshot, ",") }

func added(product string) *domain.ItemAdded {
	return &domain.ItemAdded{Item: &domain.LineItem{ProductId: product}}
}

// emitAll is an AddItem that emits an event for each of the comma separated products.
func emitAll(_ context.Context, c *cart, add *pb.AddLineItem) (*emptypb.Empty, error) {
	for p := range strings.SplitSeq(add.GetProductId(), ",") {
		c.Emit(added(p))
	}
	return &emptypb.Empty{}, nil
}

// brokenError is an error that panics when it is nil.
type brokenError struct{ text string }

func (e *brokenError) Error() string { return e.text }

func boom() { panic("boom") } //nolint:forbidigo // what a test is about

type addFunc = func(ctx context.Context, c *cart, add *pb.AddLineItem) (*emptypb.Empty, error)

func newEntity(add addFunc) *Entity[*cart] {
	return &Entity[*cart]{
		Service:       &pb.ShoppingCart_ServiceDesc,
		PersistenceID: "shopping-cart",
		New:           func(string) *cart { return &cart{add: add} },
		Events:        []Event[*cart]{On((*cart).itemAdded)},
	}
}

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
	env := &component.Env{Logger: slog.New(slog.NewTextHandler(log, nil)), Commands: command.NewGauge()}
	if len(interceptors) == 1 {
		env.Unary = interceptors[0]
	}
	types := map[string]activator{d.Service.ServiceName: d.Implementation.(activator)} //nolint:errcheck // made by Declare
	return &driver{t: tb, log: log, session: newSession(types, env)}
}

// send hands a message to the session and returns a copy of the answer, or nil.
func (d *driver) send(in *eventsourcedpb.EventSourcedStreamIn) *eventsourcedpb.EventSourcedStreamOut {
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

// start sends an init message, and fails the test if it is answered.
func (d *driver) start() *driver {
	d.t.Helper()
	require.Nil(d.t, d.send(initMessage("u1", nil)))
	return d
}

// command sends a command with the next id.
func (d *driver) command(name string, request proto.Message) *eventsourcedpb.EventSourcedStreamOut {
	d.t.Helper()
	d.id++
	return d.send(commandMessage(&protocol.Command{EntityId: "u1", Id: d.id, Name: name, Payload: pack(d.t, request)}))
}

func (d *driver) addItem(products string) *eventsourcedpb.EventSourcedStreamOut {
	d.t.Helper()
	return d.command("AddItem", &pb.AddLineItem{UserId: "u1", ProductId: products})
}

// products returns the state as GetCart replies with it.
func (d *driver) products() string {
	d.t.Helper()
	reply := d.command("GetCart", &pb.GetShoppingCart{UserId: "u1"}).GetReply()
	var cart pb.Cart
	require.NoError(d.t, reply.GetClientAction().GetReply().GetPayload().UnmarshalTo(&cart))
	names := make([]string, 0, len(cart.GetItems()))
	for _, item := range cart.GetItems() {
		names = append(names, item.GetProductId())
	}
	return strings.Join(names, ",")
}

// requireFailure checks that the answer ends the stream for this reason, and that it was
// logged once.
func (d *driver) requireFailure(out *eventsourcedpb.EventSourcedStreamOut, id int64, description string) {
	d.t.Helper()
	require.NotNil(d.t, out.GetFailure(), "%v", out)
	require.Equal(d.t, id, out.GetFailure().GetCommandId())
	require.Contains(d.t, out.GetFailure().GetDescription(), description)
	require.True(d.t, d.over)
	require.Equal(d.t, 1, strings.Count(d.log.String(), "level=ERROR"), d.log)
}

func pack(tb testing.TB, m proto.Message) *anypb.Any {
	tb.Helper()
	a, err := anypb.New(m)
	require.NoError(tb, err)
	return a
}

func initMessage(id string, snapshot *eventsourcedpb.EventSourcedSnapshot) *eventsourcedpb.EventSourcedStreamIn {
	return &eventsourcedpb.EventSourcedStreamIn{Message: &eventsourcedpb.EventSourcedStreamIn_Init{
		Init: &eventsourcedpb.EventSourcedInit{ServiceName: "com.example.shoppingcart.ShoppingCart", EntityId: id, Snapshot: snapshot},
	}}
}

func eventMessage(sequence int64, payload *anypb.Any) *eventsourcedpb.EventSourcedStreamIn {
	return &eventsourcedpb.EventSourcedStreamIn{Message: &eventsourcedpb.EventSourcedStreamIn_Event{
		Event: &eventsourcedpb.EventSourcedEvent{Sequence: sequence, Payload: payload},
	}}
}

func commandMessage(c *protocol.Command) *eventsourcedpb.EventSourcedStreamIn {
	return &eventsourcedpb.EventSourcedStreamIn{Message: &eventsourcedpb.EventSourcedStreamIn_Command{Command: c}}
}

func replyMessage(r *eventsourcedpb.EventSourcedReply) *eventsourcedpb.EventSourcedStreamOut {
	return &eventsourcedpb.EventSourcedStreamOut{Message: &eventsourcedpb.EventSourcedStreamOut_Reply{Reply: r}}
}

func replyAction(payload *anypb.Any) *protocol.ClientAction {
	return &protocol.ClientAction{Action: &protocol.ClientAction_Reply{Reply: &protocol.Reply{Payload: payload}}}
}

func failureAction(f *protocol.Failure) *protocol.ClientAction {
	return &protocol.ClientAction{Action: &protocol.ClientAction_Failure{Failure: f}}
}

func requireEqual(tb testing.TB, want, got proto.Message) {
	tb.Helper()
	require.True(tb, proto.Equal(want, got), "want %v\ngot  %v", want, got)
}

// P-033, P-043, P-044: the whole reply, without a field too much.
func TestCommand_RepliesWithItsEventsAndTheNewState(t *testing.T) {
	t.Parallel()
	d := newDriver(t, newEntity(emitAll)).start()
	requireEqual(t, replyMessage(&eventsourcedpb.EventSourcedReply{
		CommandId:    1,
		ClientAction: replyAction(&anypb.Any{TypeUrl: "type.googleapis.com/google.protobuf.Empty"}),
		Events:       []*anypb.Any{pack(t, added("a")), pack(t, added("b"))},
	}), d.addItem("a,b"))
	requireEqual(t, replyMessage(&eventsourcedpb.EventSourcedReply{
		CommandId:    2,
		ClientAction: replyAction(pack(t, &pb.Cart{Items: []*pb.LineItem{{ProductId: "a"}, {ProductId: "b"}}})),
	}), d.command("GetCart", &pb.GetShoppingCart{UserId: "u1"}))
	require.Empty(t, d.log.String())
}

// nothing is a reply where the method promises google.protobuf.Empty.
func TestCommand_MayReturnNothingInsteadOfEmpty(t *testing.T) {
	t.Parallel()
	d := newDriver(t, newEntity(emitAll)).start()
	requireEqual(t, replyMessage(&eventsourcedpb.EventSourcedReply{
		CommandId:    1,
		ClientAction: replyAction(&anypb.Any{TypeUrl: "type.googleapis.com/google.protobuf.Empty"}),
	}), d.command("RemoveItem", &pb.RemoveLineItem{UserId: "u1"}))
}

func TestCommand_KnowsItsEntityAndItsMetadata(t *testing.T) {
	t.Parallel()
	var id, name string
	var incoming metadata.MD
	d := newDriver(t, newEntity(func(ctx context.Context, _ *cart, _ *pb.AddLineItem) (*emptypb.Empty, error) {
		id, name = entity.ID(ctx), entity.CommandName(ctx)
		incoming, _ = metadata.FromIncomingContext(ctx)
		return &emptypb.Empty{}, nil
	})).start()

	d.addItem("a")
	require.Equal(t, "u1", id)
	require.Equal(t, "AddItem", name)
	require.Empty(t, incoming)

	text := func(k, v string) *protocol.MetadataEntry {
		return &protocol.MetadataEntry{Key: k, Value: &protocol.MetadataEntry_StringValue{StringValue: v}}
	}
	d.send(commandMessage(&protocol.Command{
		EntityId: "u1", Id: 2, Name: "AddItem", Payload: pack(t, &pb.AddLineItem{}),
		Metadata: &protocol.Metadata{Entries: []*protocol.MetadataEntry{
			text("X-User", "jo"), text("x-user", "anne"),
			{Key: "blob", Value: &protocol.MetadataEntry_BytesValue{BytesValue: []byte{0xff}}},
		}},
	}))
	require.Equal(t, metadata.Pairs("x-user", "jo", "x-user", "anne", "blob-bin", "\xff"), incoming)
}

// P-033: metadata is there if the handler sets some, and is that of the command alone.
func TestCommand_RepliesWithTheHeaderItSets(t *testing.T) {
	t.Parallel()
	d := newDriver(t, newEntity(func(ctx context.Context, _ *cart, add *pb.AddLineItem) (*emptypb.Empty, error) {
		if add.GetProductId() == "plain" {
			return &emptypb.Empty{}, nil
		}
		if grpc.SetTrailer(ctx, metadata.Pairs("a", "b")) == nil {
			return nil, errors.New("a trailer was accepted")
		}
		return &emptypb.Empty{}, grpc.SetHeader(ctx, metadata.Pairs("b-bin", "\xff", "a", "1", "a", "2"))
	})).start()
	requireEqual(t, &protocol.Metadata{Entries: []*protocol.MetadataEntry{
		{Key: "a", Value: &protocol.MetadataEntry_StringValue{StringValue: "1"}},
		{Key: "a", Value: &protocol.MetadataEntry_StringValue{StringValue: "2"}},
		{Key: "b-bin", Value: &protocol.MetadataEntry_BytesValue{BytesValue: []byte{0xff}}},
	}}, d.addItem("x").GetReply().GetClientAction().GetReply().GetMetadata())
	require.Nil(t, d.addItem("plain").GetReply().GetClientAction().GetReply().GetMetadata())
}

func TestCommand_RunsInsideTheInterceptor(t *testing.T) {
	t.Parallel()
	var method string
	intercept := func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		method = info.FullMethod
		if add, ok := req.(*pb.AddLineItem); ok && add.GetProductId() == "forbidden" {
			return nil, status.Error(codes.PermissionDenied, "not this one")
		}
		return handler(ctx, req)
	}
	d := newDriver(t, newEntity(emitAll), intercept).start()
	require.Len(t, d.addItem("a").GetReply().GetEvents(), 1)
	require.Equal(t, "/com.example.shoppingcart.ShoppingCart/AddItem", method)
	requireEqual(t, replyMessage(&eventsourcedpb.EventSourcedReply{CommandId: 2, ClientAction: failureAction(&protocol.Failure{
		CommandId: 2, Description: "not this one", GrpcStatusCode: uint32(codes.PermissionDenied),
	})}), d.addItem("forbidden"))
}

// P-048: a failed command leaves nothing behind, and the next one works.
func TestFailure_WithoutEventsKeepsTheEntity(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		err  error
		want *protocol.Failure
	}{
		"a status keeps its code":           {status.Error(codes.NotFound, "no such product"), &protocol.Failure{CommandId: 1, Description: "no such product", GrpcStatusCode: 5}},
		"UNKNOWN has no code on the wire":   {status.Error(codes.Unknown, "what?"), &protocol.Failure{CommandId: 1, Description: "what?"}},
		"any other error is UNKNOWN":        {errors.New("broken"), &protocol.Failure{CommandId: 1, Description: "broken"}},
		"a deadline is DEADLINE_EXCEEDED":   {context.DeadlineExceeded, &protocol.Failure{CommandId: 1, Description: "context deadline exceeded", GrpcStatusCode: 4}},
		"a wrapped status keeps its code":   {fmt.Errorf("stock: %w", status.Error(codes.Aborted, "x")), &protocol.Failure{CommandId: 1, Description: "stock: rpc error: code = Aborted desc = x", GrpcStatusCode: 10}},
		"a description may also be empty":   {status.Error(codes.Internal, ""), &protocol.Failure{CommandId: 1, GrpcStatusCode: 13}},
		"what is not UTF-8 is replaced":     {status.Error(codes.NotFound, "bad \xff"), &protocol.Failure{CommandId: 1, Description: "bad \uFFFD", GrpcStatusCode: 5}},
		"an unregistered code goes as such": {status.Error(codes.Code(77), "odd"), &protocol.Failure{CommandId: 1, Description: "odd", GrpcStatusCode: 77}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDriver(t, newEntity(func(context.Context, *cart, *pb.AddLineItem) (*emptypb.Empty, error) {
				return &emptypb.Empty{}, tt.err
			})).start()
			requireEqual(t, replyMessage(&eventsourcedpb.EventSourcedReply{CommandId: 1, ClientAction: failureAction(tt.want)}), d.addItem("a"))
			require.Empty(t, d.products())
			require.Empty(t, d.log.String())
		})
	}
}

// P-049, A-23: after events the proxy must restart the entity, and the stream is spent.
func TestFailure_AfterEventsAsksForARestart(t *testing.T) {
	t.Parallel()
	d := newDriver(t, newEntity(func(_ context.Context, c *cart, _ *pb.AddLineItem) (*emptypb.Empty, error) {
		c.Emit(added("a"))
		return nil, errors.New("changed my mind")
	})).start()
	requireEqual(t, replyMessage(&eventsourcedpb.EventSourcedReply{CommandId: 1, ClientAction: failureAction(&protocol.Failure{
		CommandId: 1, Description: "changed my mind", Restart: true,
	})}), d.addItem("a"))
	d.requireFailure(d.command("GetCart", &pb.GetShoppingCart{}), 2, "Protocol error: Received a command after a failure that asked for a restart")
}

// P-045, P-047: snapshots go with the reply that has the sequence number, and contain all
// of its events.
func TestSnapshot_IsTakenEveryNthEvent(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		every    int
		commands []string
		want     []string // "" for none
	}{
		"each at its number":          {5, []string{"1", "2", "3", "4", "5", "6"}, []string{"", "", "", "", "1,2,3,4,5", ""}},
		"a batch across the boundary": {2, []string{"1", "2,3", "4,5,6,7"}, []string{"", "1,2,3", "1,2,3,4,5,6,7"}},
		"never":                       {-1, []string{"1,2,3,4,5"}, []string{""}},
		"a hundred by default":        {0, []string{strings.Repeat("x,", 98) + "x", "y"}, []string{"", strings.Repeat("x,", 99) + "y"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEntity(emitAll)
			e.Snapshot, e.SnapshotEvery = SnapshotOf((*cart).snapshot, (*cart).restore), tt.every
			d := newDriver(t, e).start()
			codec, err := entity.NewCodec[string]()
			require.NoError(t, err)
			for i, products := range tt.commands {
				snapshot := d.addItem(products).GetReply().GetSnapshot()
				if tt.want[i] == "" {
					require.Nil(t, snapshot)
					continue
				}
				got, err := codec.Decode(snapshot)
				require.NoError(t, err)
				require.Equal(t, tt.want[i], got)
			}
		})
	}
}

// P-046: the next snapshot is due by the sequence numbers of the journal.
func TestSnapshot_IsRestoredBeforeTheEventsAfterIt(t *testing.T) {
	t.Parallel()
	e := newEntity(emitAll)
	e.Snapshot, e.SnapshotEvery = SnapshotOf((*cart).snapshot, (*cart).restore), 5
	d := newDriver(t, e)
	codec, err := entity.NewCodec[string]()
	require.NoError(t, err)
	snapshot, err := codec.Encode("a,b")
	require.NoError(t, err)
	require.Nil(t, d.send(initMessage("u1", &eventsourcedpb.EventSourcedSnapshot{SnapshotSequence: 5, Snapshot: snapshot})))
	require.Nil(t, d.send(eventMessage(6, pack(t, added("c")))))
	require.Nil(t, d.send(eventMessage(7, pack(t, added("d")))))
	require.Equal(t, "a,b,c,d", d.products())
	require.Nil(t, d.addItem("e,f").GetReply().GetSnapshot())
	require.NotNil(t, d.addItem("g").GetReply().GetSnapshot())
}

func TestSequence_CountsFromOne(t *testing.T) {
	t.Parallel()
	var seen []int64
	e := newEntity(emitAll)
	e.New = func(string) *cart {
		return &cart{add: emitAll, applied: func(c *cart) { seen = append(seen, c.Sequence()) }}
	}
	d := newDriver(t, e).start()
	d.send(eventMessage(1, pack(t, added("a"))))
	d.addItem("b,c")
	require.Equal(t, []int64{1, 2, 3}, seen)
	require.Zero(t, (&cart{}).Sequence())
}

// Whatever happens to an event after Emit does not reach the journal.
func TestEmit_FixesTheBytesOfTheEvent(t *testing.T) {
	t.Parallel()
	d := newDriver(t, newEntity(func(_ context.Context, c *cart, _ *pb.AddLineItem) (*emptypb.Empty, error) {
		e := added("a")
		c.Emit(e)
		e.Item.ProductId = "changed"
		return &emptypb.Empty{}, nil
	})).start()
	requireEqual(t, pack(t, added("a")), d.addItem("a").GetReply().GetEvents()[0])
}

// The memory of answers is used again, but never that of one that is still to be sent.
func TestAnswer_KeepsManyAndLargeEventsApart(t *testing.T) {
	t.Parallel()
	d := newDriver(t, newEntity(emitAll)).start()
	for round := range 3 {
		names := make([]string, 0, 2*maxKeptEvents)
		for i := range 2 * maxKeptEvents {
			names = append(names, strings.Repeat(string(rune('a'+i%26)), 1+i*37%2000)+fmt.Sprint(round))
		}
		events := d.addItem(strings.Join(names, ",")).GetReply().GetEvents()
		require.Len(t, events, len(names))
		for i, e := range events {
			requireEqual(t, pack(t, added(names[i])), e)
		}
	}
}

// P-025 to P-031, and the table of protocol section 3.3.3.
func TestSession_EndsWhenTheProxyBreaksTheProtocol(t *testing.T) {
	t.Parallel()
	command := func(change func(c *protocol.Command)) *eventsourcedpb.EventSourcedStreamIn {
		c := &protocol.Command{EntityId: "u1", Id: 7, Name: "GetCart", Payload: pack(t, &pb.GetShoppingCart{})}
		change(c)
		return commandMessage(c)
	}
	valid := command(func(*protocol.Command) {})
	unknownService := &eventsourcedpb.EventSourcedStreamIn{Message: &eventsourcedpb.EventSourcedStreamIn_Init{
		Init: &eventsourcedpb.EventSourcedInit{ServiceName: "nobody.Knows", EntityId: "u1"},
	}}
	tests := map[string]struct {
		started bool
		in      *eventsourcedpb.EventSourcedStreamIn
		id      int64
		want    string
	}{
		"P-025 command before init":   {false, valid, 0, "Protocol error: Expected Init message"},
		"P-025 event before init":     {false, eventMessage(1, pack(t, added("a"))), 0, "Protocol error: Expected Init message"},
		"P-025 nothing before init":   {false, &eventsourcedpb.EventSourcedStreamIn{}, 0, "Protocol error: Expected Init message"},
		"P-026 second init":           {true, initMessage("u1", nil), 0, "Protocol error: Entity already inited"},
		"P-027 empty message":         {true, &eventsourcedpb.EventSourcedStreamIn{}, 0, "Protocol error: Received empty/unknown message"},
		"P-028 unknown service":       {false, unknownService, 0, "Protocol error: Service not found: nobody.Knows"},
		"P-029 another entity":        {true, command(func(c *protocol.Command) { c.EntityId = "u2" }), 7, "Protocol error: Receiving entity is not the intended recipient of command"},
		"P-030 no payload":            {true, command(func(c *protocol.Command) { c.Payload = nil }), 7, "Protocol error: No command payload"},
		"P-031 unknown command":       {true, command(func(c *protocol.Command) { c.Name = "Nope" }), 7, "No command handler found for command [Nope] on"},
		"payload of another type":     {true, command(func(c *protocol.Command) { c.Payload = pack(t, &pb.Cart{}) }), 7, "Unexpected failure: /com.example.shoppingcart.ShoppingCart/GetCart: the payload is a"},
		"P-060 event without handler": {true, eventMessage(3, pack(t, &domain.ItemRemoved{})), 0, "No event handler found for event type.googleapis.com/com.example.shoppingcart.persistence.ItemRemoved, which is event 3 of"},
		"P-060 event that is broken":  {true, eventMessage(3, &anypb.Any{TypeUrl: pack(t, added("a")).GetTypeUrl(), Value: []byte{0x0a, 9}}), 0, `Unexpected failure: replay event 3 of "u1"`},
		"P-060 event without payload": {true, eventMessage(3, nil), 0, "No event handler found for event"},
		"snapshot without handler":    {false, initMessage("u1", &eventsourcedpb.EventSourcedSnapshot{SnapshotSequence: 1, Snapshot: pack(t, &domain.Cart{})}), 0, "No snapshot handler found for snapshot type.googleapis.com/com.example.shoppingcart.persistence.Cart"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDriver(t, newEntity(emitAll))
			if tt.started {
				d.start()
			}
			d.requireFailure(d.send(tt.in), tt.id, tt.want)
		})
	}
}

// A client that sends nonsense does not cost the entity its place in memory.
func TestCommand_RefusesAPayloadThatDoesNotDecode(t *testing.T) {
	t.Parallel()
	d := newDriver(t, newEntity(emitAll)).start()
	payload := pack(t, &pb.GetShoppingCart{})
	payload.Value = []byte{0x0a, 9}
	out := d.send(commandMessage(&protocol.Command{EntityId: "u1", Id: 1, Name: "GetCart", Payload: payload}))
	failure := out.GetReply().GetClientAction().GetFailure()
	require.Equal(t, uint32(codes.InvalidArgument), failure.GetGrpcStatusCode())
	require.Contains(t, failure.GetDescription(), "decode the payload as com.example.shoppingcart.GetShoppingCart")
	require.Empty(t, d.products())
}

// P-032, P-060: what the user's code does wrong ends one activation, with one record in
// the log that has the stack.
func TestSession_EndsWhenTheEntityFails(t *testing.T) {
	t.Parallel()
	explode := func(*cart) { boom() }
	tests := map[string]struct {
		add     addFunc
		applied func(*cart)
		id      int64
		want    string
	}{
		"P-032 the handler panics": {
			func(context.Context, *cart, *pb.AddLineItem) (*emptypb.Empty, error) {
				boom()
				return &emptypb.Empty{}, nil
			}, nil, 1, "Unexpected failure: boom",
		},
		"the event handler panics": {
			emitAll, explode, 1, "Unexpected failure: boom",
		},
		"the event handler panics and the command handler recovers": {
			func(ctx context.Context, c *cart, add *pb.AddLineItem) (*emptypb.Empty, error) {
				defer func() { _ = recover() }()
				return emitAll(ctx, c, add)
			}, explode, 1, "Unexpected failure: an event handler panicked, and the command handler recovered",
		},
		"an event without a handler": {
			func(_ context.Context, c *cart, _ *pb.AddLineItem) (*emptypb.Empty, error) {
				c.Emit(&domain.ItemRemoved{})
				return &emptypb.Empty{}, nil
			}, nil, 0, "No event handler found for event *domain.ItemRemoved on com.example.shoppingcart.ShoppingCart; declared are: *domain.ItemAdded. Add eventsourced.On for it to the field Events",
		},
		"an event that cannot be encoded": {
			func(_ context.Context, c *cart, _ *pb.AddLineItem) (*emptypb.Empty, error) {
				c.Emit(added("\xff"))
				return &emptypb.Empty{}, nil
			}, nil, 1, `Unexpected failure: emit event 1 of "u1": encode type.googleapis.com/com.example.shoppingcart.persistence.ItemAdded`,
		},
		"nothing": {
			func(_ context.Context, c *cart, _ *pb.AddLineItem) (*emptypb.Empty, error) {
				c.Emit(nil)
				return &emptypb.Empty{}, nil
			}, nil, 0, "or do not emit nil",
		},
		"a slice of events": {
			func(_ context.Context, c *cart, _ *pb.AddLineItem) (*emptypb.Empty, error) {
				c.Emit([]any{added("a")})
				return &emptypb.Empty{}, nil
			}, nil, 0, "or emit the elements of a slice with three dots after it",
		},
		"a value instead of a pointer": {
			func(_ context.Context, c *cart, _ *pb.AddLineItem) (*emptypb.Empty, error) {
				c.Emit(1)
				return &emptypb.Empty{}, nil
			}, nil, 0, "or emit a pointer if that is what is declared",
		},
		"a nil event": {
			func(_ context.Context, c *cart, _ *pb.AddLineItem) (*emptypb.Empty, error) {
				c.Emit((*domain.ItemAdded)(nil))
				return &emptypb.Empty{}, nil
			}, nil, 1, "the value is a nil *domain.ItemAdded",
		},
		"an event that cannot be encoded, and a handler that recovers": {
			func(_ context.Context, c *cart, _ *pb.AddLineItem) (*emptypb.Empty, error) {
				defer func() { _ = recover() }()
				c.Emit(added("\xff"))
				return &emptypb.Empty{}, nil
			}, nil, 1, `Unexpected failure: emit event 1 of "u1"`,
		},
		"an error that is a nil pointer": {
			func(context.Context, *cart, *pb.AddLineItem) (*emptypb.Empty, error) {
				var err *brokenError
				return nil, err
			}, nil, 1, "Unexpected failure: runtime error: invalid memory address",
		},
		"an event handler that emits": {
			emitAll, func(c *cart) { c.Emit(added("another")) }, 1, "Emit was called outside of a command",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEntity(tt.add)
			e.New = func(string) *cart { return &cart{add: tt.add, applied: tt.applied} }
			d := newDriver(t, e).start()
			d.requireFailure(d.addItem("a"), tt.id, tt.want)
			for _, want := range []string{"service=com.example.shoppingcart.ShoppingCart", "entity=u1", "command=AddItem"} {
				require.Contains(t, d.log.String(), want)
			}
			if !strings.Contains(tt.want, "recovered") {
				require.Contains(t, d.log.String(), "stack=")
			}
		})
	}
}

func TestSession_EndsWhenReplayOrRestoreFails(t *testing.T) {
	t.Parallel()
	t.Run("P-060 the event handler panics", func(t *testing.T) {
		t.Parallel()
		e := newEntity(emitAll)
		e.New = func(string) *cart { return &cart{applied: func(*cart) { boom() }} }
		d := newDriver(t, e).start()
		d.requireFailure(d.send(eventMessage(1, pack(t, added("a")))), 0, "Unexpected failure: boom")
	})
	t.Run("New panics", func(t *testing.T) {
		t.Parallel()
		e := newEntity(emitAll)
		e.New = func(string) *cart { boom(); return nil }
		d := newDriver(t, e)
		d.requireFailure(d.send(initMessage("u1", nil)), 0, "Unexpected failure: boom")
	})
	t.Run("New returns nil", func(t *testing.T) {
		t.Parallel()
		e := newEntity(emitAll)
		e.New = func(string) *cart { return nil }
		d := newDriver(t, e)
		d.requireFailure(d.send(initMessage("u1", nil)), 0, "returned nil for \"u1\"; it must return an instance")
	})
	t.Run("New returns the same instance twice", func(t *testing.T) {
		t.Parallel()
		one := &cart{}
		e := newEntity(emitAll)
		e.New = func(string) *cart { return one }
		newDriver(t, e).start()
		d := newDriver(t, e)
		d.requireFailure(d.send(initMessage("u2", nil)), 0, "an instance that is in use")
	})
	t.Run("New emits", func(t *testing.T) {
		t.Parallel()
		e := newEntity(emitAll)
		e.New = func(string) *cart {
			c := &cart{}
			c.Emit(added("a"))
			return c
		}
		d := newDriver(t, e)
		d.requireFailure(d.send(initMessage("u1", nil)), 0, "Emit was called outside of a command")
	})
	t.Run("P-060 restoring the snapshot panics", func(t *testing.T) {
		t.Parallel()
		e := newEntity(emitAll)
		e.Snapshot = SnapshotOf((*cart).snapshot, func(*cart, string) { boom() })
		d := newDriver(t, e)
		snapshot := &anypb.Any{TypeUrl: "p.cloudstate.io/string"}
		d.requireFailure(d.send(initMessage("u1", &eventsourcedpb.EventSourcedSnapshot{SnapshotSequence: 1, Snapshot: snapshot})), 0, "Unexpected failure: boom")
	})
	t.Run("taking a snapshot panics", func(t *testing.T) {
		t.Parallel()
		e := newEntity(emitAll)
		e.Snapshot, e.SnapshotEvery = SnapshotOf(func(*cart) string { boom(); return "" }, (*cart).restore), 1
		d := newDriver(t, e).start()
		d.requireFailure(d.addItem("a"), 0, "Unexpected failure: boom")
	})
	t.Run("a snapshot that cannot be encoded", func(t *testing.T) {
		t.Parallel()
		e := newEntity(emitAll)
		e.Snapshot, e.SnapshotEvery = SnapshotOf(func(*cart) string { return "\xff" }, (*cart).restore), 1
		d := newDriver(t, e).start()
		d.requireFailure(d.addItem("a"), 0, "Unexpected failure: take a snapshot: encode p.cloudstate.io/string")
	})
}

func TestEmit_PanicsAfterItsCommand(t *testing.T) {
	t.Parallel()
	var kept *cart
	d := newDriver(t, newEntity(func(_ context.Context, c *cart, _ *pb.AddLineItem) (*emptypb.Empty, error) {
		kept = c
		return &emptypb.Empty{}, nil
	})).start()
	d.addItem("a")
	require.PanicsWithValue(t, misuse, func() { kept.Emit(added("late")) })
	d.session.Close()
	require.PanicsWithValue(t, misuse, func() { kept.Emit(added("later")) })
}

// A reply that is missing or of another type is a mistake of the entity, not of the client.
func TestSession_EndsWhenTheReplyIsNone(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reply any
		id    int64
		want  string
	}{
		"nothing":               {nil, 0, "Unexpected failure: No reply or forward returned by command handler!"},
		"a nil message":         {(*pb.Cart)(nil), 0, "Unexpected failure: No reply or forward returned by command handler!"},
		"another message":       {&pb.LineItem{}, 1, "replied with com.example.shoppingcart.LineItem, want com.example.shoppingcart.Cart"},
		"no message":            {"text", 1, "replied with a string"},
		"one that is not valid": {&pb.Cart{Items: []*pb.LineItem{{Name: "\xff"}}}, 1, "encode the reply"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDriver(t, newEntity(emitAll), func(context.Context, any, *grpc.UnaryServerInfo, grpc.UnaryHandler) (any, error) {
				return tt.reply, nil
			}).start()
			d.requireFailure(d.command("GetCart", &pb.GetShoppingCart{}), tt.id, tt.want)
		})
	}
}

// The runtime never panics, whatever a proxy sends, and answers every command once.
func FuzzSession(f *testing.F) {
	add := func(messages ...*eventsourcedpb.EventSourcedStreamIn) {
		var data []byte
		for _, m := range messages {
			b, err := proto.Marshal(m)
			require.NoError(f, err)
			data = append(append(data, byte(len(b))), b...)
		}
		f.Add(data)
	}
	command := commandMessage(&protocol.Command{EntityId: "u1", Id: 1, Name: "AddItem", Payload: pack(f, &pb.AddLineItem{ProductId: "a"})})
	add(initMessage("u1", nil), eventMessage(1, pack(f, added("a"))), command)
	add(command)
	add(initMessage("u1", &eventsourcedpb.EventSourcedSnapshot{SnapshotSequence: 1, Snapshot: &anypb.Any{TypeUrl: "p.cloudstate.io/string"}}), command)
	e := newEntity(emitAll)
	e.Snapshot, e.SnapshotEvery = SnapshotOf((*cart).snapshot, (*cart).restore), 2
	f.Fuzz(func(t *testing.T, data []byte) {
		d := newDriver(t, e)
		for len(data) > 0 && !d.over {
			n := min(int(data[0]), len(data)-1)
			var in eventsourcedpb.EventSourcedStreamIn
			if proto.Unmarshal(data[1:1+n], &in) != nil {
				return
			}
			data = data[1+n:]
			out := d.send(&in)
			switch {
			case d.over:
				require.NotNil(t, out.GetFailure())
			case in.GetCommand() != nil:
				require.Equal(t, in.GetCommand().GetId(), out.GetReply().GetCommandId())
			default:
				require.Nil(t, out)
			}
		}
	})
}
