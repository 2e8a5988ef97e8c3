package valueentity

import (
	"context"
	"errors"
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
	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/valueentitypb"
)

// P-033, P-072: the whole reply, without a field too much.
func TestCommand_RepliesWithItsStateAction(t *testing.T) {
	t.Parallel()
	d := newDriver(t, newEntity(put)).start()
	requireEqual(t, replyMessage(&valueentitypb.ValueEntityReply{
		CommandId:    1,
		ClientAction: emptyAction(),
		StateAction:  updateTo(pack(t, cartOf("a"))),
	}), d.addItem("a"))
	requireEqual(t, replyMessage(&valueentitypb.ValueEntityReply{
		CommandId:    2,
		ClientAction: replyAction(pack(t, &pb.Cart{Items: []*pb.LineItem{{Name: "a"}}})),
	}), d.command("GetCart", &pb.GetShoppingCart{UserId: "u1"}))
	requireEqual(t, replyMessage(&valueentitypb.ValueEntityReply{
		CommandId:    3,
		ClientAction: emptyAction(),
		StateAction:  deletion(),
	}), d.remove())
	require.Empty(t, d.log.String())
}

func TestCommand_KnowsItsEntityAndItsMetadata(t *testing.T) {
	t.Parallel()
	var id, name, user string
	var incoming metadata.MD
	d := newDriver(t, newEntity(func(ctx context.Context, _ *cart, _ *pb.AddLineItem) (*emptypb.Empty, error) {
		id, name, user = entity.ID(ctx), entity.CommandName(ctx), entity.MetadataOf(ctx).Get("X-USER")
		incoming, _ = metadata.FromIncomingContext(ctx)
		return &emptypb.Empty{}, grpc.SetHeader(ctx, metadata.Pairs("seen", "yes"))
	})).start()
	reply := d.send(commandMessage(&protocol.Command{
		EntityId: "u1", Id: 1, Name: "AddItem", Payload: pack(t, &pb.AddLineItem{}),
		Metadata: &protocol.Metadata{Entries: []*protocol.MetadataEntry{
			{Key: "x-User", Value: &protocol.MetadataEntry_StringValue{StringValue: "jo"}},
		}},
	})).GetReply().GetClientAction().GetReply()
	require.Equal(t, "u1", id)
	require.Equal(t, "AddItem", name)
	require.Equal(t, "jo", user)
	require.Equal(t, metadata.Pairs("x-user", "jo"), incoming)
	requireEqual(t, &protocol.Metadata{Entries: []*protocol.MetadataEntry{
		{Key: "seen", Value: &protocol.MetadataEntry_StringValue{StringValue: "yes"}},
	}}, reply.GetMetadata())
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
	d := newDriver(t, newEntity(put), intercept).start()
	require.NotNil(t, d.addItem("a").GetReply().GetStateAction())
	require.Equal(t, "/com.example.shoppingcart.ShoppingCart/AddItem", method)
	requireEqual(t, replyMessage(&valueentitypb.ValueEntityReply{CommandId: 2, ClientAction: failureAction(&protocol.Failure{
		CommandId: 2, Description: "not this one", GrpcStatusCode: uint32(codes.PermissionDenied),
	})}), d.addItem("forbidden"))
	require.Equal(t, "a", d.state())
}

// P-025 to P-031, with the texts of protocol section 3.4.2.
func TestSession_EndsWhenTheProxyBreaksTheProtocol(t *testing.T) {
	t.Parallel()
	valid := func(change func(c *protocol.Command)) *valueentitypb.ValueEntityStreamIn {
		c := &protocol.Command{EntityId: "u1", Id: 7, Name: "GetCart", Payload: pack(t, &pb.GetShoppingCart{})}
		change(c)
		return commandMessage(c)
	}
	unchanged := valid(func(*protocol.Command) {})
	unknownService := &valueentitypb.ValueEntityStreamIn{Message: &valueentitypb.ValueEntityStreamIn_Init{
		Init: &valueentitypb.ValueEntityInit{ServiceName: "nobody.Knows", EntityId: "u1"},
	}}
	tests := map[string]struct {
		started bool
		in      *valueentitypb.ValueEntityStreamIn
		id      int64
		want    string
	}{
		"P-025 command before init": {false, unchanged, 0, "Protocol error: Expected init message for Value entity"},
		"P-025 nothing before init": {false, &valueentitypb.ValueEntityStreamIn{}, 0, "Protocol error: Expected init message for Value entity"},
		"P-026 second init":         {true, initMessage(nil), 0, "Protocol error: Value entity already inited"},
		"P-027 empty message":       {true, &valueentitypb.ValueEntityStreamIn{}, 0, "Protocol error: Value entity received empty/unknown message"},
		"P-028 unknown service":     {false, unknownService, 0, "Protocol error: Service not found: nobody.Knows"},
		"P-029 another entity":      {true, valid(func(c *protocol.Command) { c.EntityId = "u2" }), 7, "Protocol error: Receiving Value entity is not the intended recipient of command"},
		"P-030 no payload":          {true, valid(func(c *protocol.Command) { c.Payload = nil }), 7, "Protocol error: No command payload for Value entity"},
		"P-031 unknown command":     {true, valid(func(c *protocol.Command) { c.Name = "Nope" }), 7, "No command handler found for command [Nope] on"},
		"payload of another type":   {true, valid(func(c *protocol.Command) { c.Payload = pack(t, &pb.Cart{}) }), 7, "Value entity unexpected failure: /com.example.shoppingcart.ShoppingCart/GetCart: the payload is a"},
		"state of another type":     {false, initMessage(pack(t, &pb.Cart{})), 0, `Value entity unexpected failure: read the state: decode type.googleapis.com/com.example.shoppingcart.persistence.Cart: found "type.googleapis.com/com.example.shoppingcart.Cart"`},
		"state without a type":      {false, initMessage(&anypb.Any{}), 0, `read the state: decode type.googleapis.com/com.example.shoppingcart.persistence.Cart: found ""`},
		"state that is broken":      {false, initMessage(&anypb.Any{TypeUrl: pack(t, cartOf()).GetTypeUrl(), Value: []byte{0x0a, 9}}), 0, "Value entity unexpected failure: read the state: decode"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDriver(t, newEntity(put))
			if tt.started {
				d.start()
			}
			d.requireFailure(d.send(tt.in), tt.id, tt.want)
			d.session.Close() // whatever has happened before
		})
	}
}

// A client that sends nonsense does not cost the entity its place in memory.
func TestCommand_RefusesAPayloadThatDoesNotDecode(t *testing.T) {
	t.Parallel()
	d := newDriver(t, newEntity(put)).start()
	d.addItem("a")
	payload := pack(t, &pb.GetShoppingCart{})
	payload.Value = []byte{0x0a, 9}
	out := d.send(commandMessage(&protocol.Command{EntityId: "u1", Id: 9, Name: "GetCart", Payload: payload}))
	failure := out.GetReply().GetClientAction().GetFailure()
	require.Equal(t, int64(9), failure.GetCommandId())
	require.Equal(t, uint32(codes.InvalidArgument), failure.GetGrpcStatusCode())
	require.Contains(t, failure.GetDescription(), "decode the payload as com.example.shoppingcart.GetShoppingCart")
	require.Equal(t, "a", d.state())
}

// P-032: what the user's code does wrong ends one activation, with one record in the log.
func TestSession_EndsWhenTheEntityFails(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		add   addFunc[document]
		want  string
		stack bool
	}{
		"P-032 the handler panics":         {do(func(*holder[document]) { boom() }), "Value entity unexpected failure: boom", true},
		"a state that cannot be encoded":   {do(func(h *holder[document]) { h.Update(document{Unencodable: make(chan int)}) }), "Value entity unexpected failure: update the state: encode json.cloudstate.io/thing: ", false},
		"a state that panics when encoded": {do(func(h *holder[document]) { h.Update(document{Panics: true}) }), "Value entity unexpected failure: boom", true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDriver(t, newEntity(tt.add, entity.JSON("thing"))).start()
			d.requireFailure(d.addItem("a"), 1, tt.want)
			for _, want := range []string{"service=com.example.shoppingcart.ShoppingCart", "entity=u1", "command=AddItem"} {
				require.Contains(t, d.log.String(), want)
			}
			require.Equal(t, tt.stack, strings.Contains(d.log.String(), "stack="))
		})
	}
}

// document is a state that is stored as JSON, or is not.
type document struct {
	Unencodable any
	Panics      bool
}

func (h document) MarshalJSON() ([]byte, error) {
	if h.Panics {
		boom()
	}
	if h.Unencodable != nil {
		return nil, errors.New("it has a channel")
	}
	return []byte("{}"), nil
}

// Update with nil is a mistake (protocol section 3.4.2).
func TestUpdate_RefusesNil(t *testing.T) {
	t.Parallel()
	d := newDriver(t, newEntity(do(func(c *cart) { c.Update(nil) }))).start()
	d.requireFailure(d.addItem("a"), 1, "update the state: encode type.googleapis.com/com.example.shoppingcart.persistence.Cart: the value is a nil *domain.Cart")
}

func TestSession_EndsWhenTheInstanceIsNone(t *testing.T) {
	t.Parallel()
	one := &cart{add: put}
	tests := map[string]struct {
		create func(string) *cart
		want   string
	}{
		"New panics":        {func(string) *cart { boom(); return nil }, "Value entity unexpected failure: boom"},
		"New returns nil":   {func(string) *cart { return nil }, "Value entity unexpected failure: "},
		"New reads":         {func(string) *cart { c := &cart{}; c.State(); return c }, "a method of Base was called outside of a command"},
		"New updates":       {func(string) *cart { c := &cart{}; c.Update(cartOf()); return c }, "a method of Base was called outside of a command"},
		"New returns twice": {func(string) *cart { return one }, "returned an instance that is in use; it must return a new one each time"},
	}
	first := newEntity(put)
	first.New = func(string) *cart { return one }
	newDriver(t, first).start()
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEntity(put)
			e.New = tt.create
			d := newDriver(t, e)
			d.requireFailure(d.send(initMessage(nil)), 0, tt.want)
		})
	}
}

// Using the base after the command is a mistake that is noticed, in each of its methods.
func TestBase_PanicsOutsideOfACommand(t *testing.T) {
	t.Parallel()
	var kept *cart
	d := newDriver(t, newEntity(do(func(c *cart) { kept = c }))).start()
	d.addItem("a")
	misused := func() {
		require.PanicsWithValue(t, misuse, func() { kept.State() })
		require.PanicsWithValue(t, misuse, func() { kept.Exists() })
		require.PanicsWithValue(t, misuse, func() { kept.Update(cartOf()) })
		require.PanicsWithValue(t, misuse, func() { kept.Delete() })
	}
	misused()
	d.session.Close()
	misused()
}

// A reply that is missing or of another type is a mistake of the entity, not of the client.
func TestSession_EndsWhenTheReplyIsNone(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reply any
		id    int64
		want  string
	}{
		"nothing":         {nil, 0, "Value entity unexpected failure: No reply or forward returned by command handler!"},
		"a nil message":   {(*pb.Cart)(nil), 0, "Value entity unexpected failure: No reply or forward returned by command handler!"},
		"another message": {&pb.LineItem{}, 1, "replied with com.example.shoppingcart.LineItem, want com.example.shoppingcart.Cart"},
		"no message":      {"text", 1, "replied with a string"},
		"not valid":       {&pb.Cart{Items: []*pb.LineItem{{Name: "\xff"}}}, 1, "encode the reply"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDriver(t, newEntity(put), func(context.Context, any, *grpc.UnaryServerInfo, grpc.UnaryHandler) (any, error) {
				return tt.reply, nil
			}).start()
			d.requireFailure(d.command("GetCart", &pb.GetShoppingCart{}), tt.id, tt.want)
		})
	}
}

// What ends a session outside of its messages is reported and logged like the rest.
func TestSession_EndsWithAFailureForTheProxy(t *testing.T) {
	t.Parallel()
	d := newDriver(t, newEntity(put)).start()
	in := commandMessage(&protocol.Command{EntityId: "u1", Id: 3, Name: "AddItem"})
	out := d.session.end(t.Context(), texts.Recovered(3, nil), in)
	defer out.Free()
	d.over = true
	d.requireFailure(&out.out, 3, "Value entity unexpected failure: the handler has ended its goroutine")
}

// The runtime never panics, whatever a proxy sends, and answers every command once.
func FuzzSession(f *testing.F) {
	add := func(messages ...*valueentitypb.ValueEntityStreamIn) {
		var data []byte
		for _, m := range messages {
			b, err := proto.Marshal(m)
			require.NoError(f, err)
			data = append(append(data, byte(len(b))), b...)
		}
		f.Add(data)
	}
	add1 := commandMessage(&protocol.Command{EntityId: "u1", Id: 1, Name: "AddItem", Payload: pack(f, &pb.AddLineItem{ProductId: "a"})})
	get := commandMessage(&protocol.Command{EntityId: "u1", Id: 2, Name: "GetCart", Payload: pack(f, &pb.GetShoppingCart{})})
	remove := commandMessage(&protocol.Command{EntityId: "u1", Id: 3, Name: "RemoveItem", Payload: pack(f, &pb.RemoveLineItem{})})
	add(initMessage(nil), add1, get, remove, add1)
	add(add1)
	add(initMessage(pack(f, cartOf("a"))), get, add1)
	e := newEntity(put)
	f.Fuzz(func(t *testing.T, data []byte) {
		d := newDriver(t, e)
		for len(data) > 0 && !d.over {
			n := min(int(data[0]), len(data)-1)
			var in valueentitypb.ValueEntityStreamIn
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
