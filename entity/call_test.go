package entity_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate/action"
	"github.com/cloudstate-go/cloudstate/benchmarks/userfunction/echopb"
	"github.com/cloudstate-go/cloudstate/entity"
	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/protocol"
)

// statistics is another service to reach.
var statistics = &action.Action{Service: &echopb.Echo_ServiceDesc, Server: echopb.UnimplementedEchoServer{}}

// text is an entry of metadata.
func text(key, value string) *protocol.MetadataEntry {
	return &protocol.MetadataEntry{Key: key, Value: &protocol.MetadataEntry_StringValue{StringValue: value}}
}

// P-033, P-052, P-053: forward and side effects as they are sent, with nothing else.
func TestForward_AndSideEffectsAsTheyAreSent(t *testing.T) {
	t.Parallel()
	inEachKind(t, func(t *testing.T, k kind) {
		t.Helper()
		out := k.run(t, nil, func(ctx context.Context, add *pb.AddLineItem) (*emptypb.Empty, error) {
			_, err1 := echopb.NewEchoClient(entity.SideEffect(ctx, entity.Synchronous())).Unary(ctx, &echopb.EchoRequest{Text: "1"})
			_, err2 := echopb.NewEchoClient(entity.SideEffect(ctx)).StreamedOut(ctx, &echopb.EchoRequest{Text: "2"})
			with := metadata.AppendToOutgoingContext(ctx, "B", "2", "a", "1", "B", "3", "c-bin", "\xff")
			_, err3 := echopb.NewEchoClient(entity.SideEffect(ctx)).Unary(with, &echopb.EchoRequest{Text: "3"})
			reply, err4 := pb.NewShoppingCartClient(entity.Forward(ctx)).RemoveItem(with, &pb.RemoveLineItem{UserId: add.GetUserId()})
			return reply, errors.Join(err1, err2, err3, err4)
		}, nil)
		with := &protocol.Metadata{Entries: []*protocol.MetadataEntry{
			text("a", "1"), text("b", "2"), text("b", "3"),
			{Key: "c-bin", Value: &protocol.MetadataEntry_BytesValue{BytesValue: []byte{0xff}}},
		}}
		effect := func(text, method string) *protocol.SideEffect {
			return &protocol.SideEffect{ServiceName: "cloudstatebench.Echo", CommandName: method, Payload: pack(t, &echopb.EchoRequest{Text: text})}
		}
		one, two, three := effect("1", "Unary"), effect("2", "StreamedOut"), effect("3", "Unary")
		one.Synchronous, three.Metadata = true, with
		require.Len(t, out.effects, 3)
		for i, want := range []*protocol.SideEffect{one, two, three} {
			requireEqual(t, want, out.effects[i])
		}
		requireEqual(t, &protocol.ClientAction{Action: &protocol.ClientAction_Forward{Forward: &protocol.Forward{
			ServiceName: cartService, CommandName: "RemoveItem", Payload: pack(t, &pb.RemoveLineItem{UserId: "u1"}), Metadata: with,
		}}}, out.action)
	})
}

// What cannot be made fails the command, even if its handler ignores the error, and the
// first of several decides.
func TestForward_AndSideEffectsThatCannotBeMade(t *testing.T) {
	t.Parallel()
	type connection = func(ctx context.Context) grpc.ClientConnInterface
	const method = "/com.example.shoppingcart.ShoppingCart/RemoveItem" // has replies of the same type
	tests := map[string]struct {
		ask  func(ctx context.Context, conn grpc.ClientConnInterface) error
		want string
	}{
		"unknown service": {
			func(ctx context.Context, conn grpc.ClientConnInterface) error {
				return conn.Invoke(ctx, "/no.Such/Thing", &echopb.EchoRequest{}, nil)
			},
			`to /no.Such/Thing: service "no.Such" is not among the Components of this Service, which are cloudstatebench.Echo, com.example.shoppingcart.ShoppingCart`,
		},
		"unknown command": {
			func(ctx context.Context, conn grpc.ClientConnInterface) error {
				return conn.Invoke(ctx, "/cloudstatebench.Echo/Nope", &echopb.EchoRequest{}, nil)
			},
			`to /cloudstatebench.Echo/Nope: service cloudstatebench.Echo has no command "Nope"; generate its client again`,
		},
		"nil request": {
			func(ctx context.Context, conn grpc.ClientConnInterface) error {
				_, err := pb.NewShoppingCartClient(conn).RemoveItem(ctx, nil)
				return err
			},
			"to " + method + ": the request is *shoppingcartpb.RemoveLineItem, want a com.example.shoppingcart.RemoveLineItem that is not nil",
		},
		"no message": {
			func(ctx context.Context, conn grpc.ClientConnInterface) error {
				return conn.Invoke(ctx, method, "text", nil)
			},
			"to " + method + ": the request is string, want a com.example.shoppingcart.RemoveLineItem",
		},
		"wrong request": {
			func(ctx context.Context, conn grpc.ClientConnInterface) error {
				return conn.Invoke(ctx, method, &pb.AddLineItem{}, nil)
			},
			"to " + method + ": the request is a com.example.shoppingcart.AddLineItem, want a com.example.shoppingcart.RemoveLineItem",
		},
		"request that cannot be encoded": {
			func(ctx context.Context, conn grpc.ClientConnInterface) error {
				_, err := pb.NewShoppingCartClient(conn).RemoveItem(ctx, &pb.RemoveLineItem{UserId: "\xff"})
				return err
			},
			"to " + method + ": encode the request: ",
		},
		"metadata that cannot be sent": {
			func(ctx context.Context, conn grpc.ClientConnInterface) error {
				_, err := pb.NewShoppingCartClient(conn).RemoveItem(metadata.AppendToOutgoingContext(ctx, "k", "\xff"), &pb.RemoveLineItem{})
				return err
			},
			"to " + method + `: the metadata k: "\xff" is not valid UTF-8; a key for bytes ends in "-bin"`,
		},
	}
	connections := map[string]connection{
		"forward":     entity.Forward,
		"side effect": func(ctx context.Context) grpc.ClientConnInterface { return entity.SideEffect(ctx) },
	}
	for name, tt := range tests {
		for what, connect := range connections {
			t.Run(what+" with "+name, func(t *testing.T) {
				t.Parallel()
				inEachKind(t, func(t *testing.T, k kind) {
					t.Helper()
					returned := make(chan error, 1)
					out := k.run(t, nil, func(ctx context.Context, _ *pb.AddLineItem) (*emptypb.Empty, error) {
						returned <- tt.ask(ctx, connect(ctx))
						_ = connect(ctx).Invoke(ctx, "/a.Second/Mistake", &echopb.EchoRequest{}, nil)
						return &emptypb.Empty{}, nil
					}, nil)
					err := <-returned
					require.Equal(t, codes.Internal, status.Code(err))
					require.Contains(t, status.Convert(err).Message(), what+" "+tt.want)
					failure := out.action.GetFailure()
					require.Equal(t, status.Convert(err).Message(), failure.GetDescription())
					require.Equal(t, uint32(codes.Internal), failure.GetGrpcStatusCode())
					require.Empty(t, out.effects)
				})
			})
		}
	}
}

// A command has one answer.
func TestForward_AsksForOneAnswer(t *testing.T) {
	t.Parallel()
	forward := func(ctx context.Context) (*emptypb.Empty, error) {
		return pb.NewShoppingCartClient(entity.Forward(ctx)).RemoveItem(ctx, &pb.RemoveLineItem{UserId: "u2"})
	}
	t.Run("not two forwards", func(t *testing.T) {
		t.Parallel()
		inEachKind(t, func(t *testing.T, k kind) {
			t.Helper()
			out := k.run(t, nil, func(ctx context.Context, _ *pb.AddLineItem) (*emptypb.Empty, error) {
				_, err := forward(ctx)
				reply, _ := forward(ctx)
				return reply, err
			}, nil)
			require.Equal(t, "forward to /com.example.shoppingcart.ShoppingCart/RemoveItem: the command was already forwarded; a command has one answer",
				out.action.GetFailure().GetDescription())
		})
	})
	t.Run("not a reply and a forward", func(t *testing.T) {
		t.Parallel()
		inEachKind(t, func(t *testing.T, k kind) {
			t.Helper()
			out := k.run(t, nil, func(ctx context.Context, _ *pb.AddLineItem) (*emptypb.Empty, error) {
				_, err := forward(ctx)
				return &emptypb.Empty{}, err
			}, nil)
			description := out.failure.GetDescription() + out.action.GetFailure().GetDescription()
			require.Contains(t, description, "Both a reply was returned, and a forward message was sent, choose one or the other.")
		})
	})
	t.Run("a nil reply is none", func(t *testing.T) {
		t.Parallel()
		inEachKind(t, func(t *testing.T, k kind) {
			t.Helper()
			out := k.run(t, nil, func(ctx context.Context, _ *pb.AddLineItem) (*emptypb.Empty, error) {
				_, err := forward(ctx)
				return nil, err
			}, nil)
			require.Equal(t, "RemoveItem", out.action.GetForward().GetCommandName())
		})
	})
}

// Metadata of the command is there by both ways, and none of it is sent on.
func TestMetadata_ReachesTheHandlerAndIsNotEchoed(t *testing.T) {
	t.Parallel()
	inEachKind(t, func(t *testing.T, k kind) {
		t.Helper()
		out := k.run(t, nil, func(ctx context.Context, _ *pb.AddLineItem) (*emptypb.Empty, error) {
			md, _ := metadata.FromIncomingContext(ctx)
			if entity.MetadataOf(ctx).Get("WHO") != "jo" || md.Get("who")[0] != "jo" {
				return nil, errors.New("no metadata")
			}
			_, err := echopb.NewEchoClient(entity.SideEffect(ctx)).Unary(ctx, &echopb.EchoRequest{})
			return &emptypb.Empty{}, err
		}, &protocol.Metadata{Entries: []*protocol.MetadataEntry{text("Who", "jo")}})
		require.NotNil(t, out.action.GetReply())
		require.Nil(t, out.action.GetReply().GetMetadata())
		require.Len(t, out.effects, 1)
		require.Nil(t, out.effects[0].GetMetadata())
	})
}

// proxy is a connection that records calls, and replies with a product.
type proxy struct {
	grpc.ClientConnInterface

	calls []string
}

func (p *proxy) Invoke(ctx context.Context, method string, _, reply any, _ ...grpc.CallOption) error {
	md, _ := metadata.FromOutgoingContext(ctx)
	p.calls = append(p.calls, method+" "+md.Get("k")[0])
	proto.Merge(reply.(proto.Message), &pb.Cart{Items: []*pb.LineItem{{Name: "b"}}}) //nolint:errcheck // the tests call GetCart
	return nil
}

// Call goes through the proxy, with the metadata that the handler adds.
func TestCall_GoesThroughTheProxy(t *testing.T) {
	t.Parallel()
	inEachKind(t, func(t *testing.T, k kind) {
		t.Helper()
		p := &proxy{}
		out := k.run(t, p, func(ctx context.Context, _ *pb.AddLineItem) (*emptypb.Empty, error) {
			with := metadata.AppendToOutgoingContext(ctx, "k", "v")
			cart, err := pb.NewShoppingCartClient(entity.Call(ctx)).GetCart(with, &pb.GetShoppingCart{UserId: "u2"})
			if err == nil && cart.GetItems()[0].GetName() != "b" {
				err = errors.New("another reply")
			}
			return &emptypb.Empty{}, err
		}, nil)
		require.NotNil(t, out.action.GetReply(), "%v", out.action)
		require.Equal(t, []string{"/com.example.shoppingcart.ShoppingCart/GetCart v"}, p.calls)
	})
}

// An entity that called itself would wait for ever. An action may.
func TestCall_RefusesAnEntityThatCallsItself(t *testing.T) {
	t.Parallel()
	inEachKind(t, func(t *testing.T, k kind) {
		t.Helper()
		p := &proxy{}
		out := k.run(t, p, func(ctx context.Context, add *pb.AddLineItem) (*emptypb.Empty, error) {
			_, err := pb.NewShoppingCartClient(entity.Call(ctx)).GetCart(metadata.AppendToOutgoingContext(ctx, "k", "v"), &pb.GetShoppingCart{UserId: add.GetUserId()})
			return &emptypb.Empty{}, err
		}, nil)
		if out.action.GetReply() != nil {
			require.Len(t, p.calls, 1, "an action")
			return
		}
		require.Empty(t, p.calls)
		require.Equal(t, uint32(codes.FailedPrecondition), out.action.GetFailure().GetGrpcStatusCode())
		require.Equal(t, `entity.Call to /com.example.shoppingcart.ShoppingCart/GetCart: the entity "u1" would wait for itself; call its own method in Go, or use entity.SideEffect to have it done afterwards`,
			out.action.GetFailure().GetDescription())
	})
}

func TestCall_NeedsAProxy(t *testing.T) {
	t.Parallel()
	inEachKind(t, func(t *testing.T, k kind) {
		t.Helper()
		out := k.run(t, nil, func(ctx context.Context, _ *pb.AddLineItem) (*emptypb.Empty, error) {
			_, err := pb.NewShoppingCartClient(entity.Call(ctx)).GetCart(ctx, &pb.GetShoppingCart{UserId: "u2"})
			return &emptypb.Empty{}, err
		}, nil)
		require.Equal(t, "entity.Call to /com.example.shoppingcart.ShoppingCart/GetCart: this service does not know its proxy; set Service.ProxyAddr, or embed it into the proxy",
			out.action.GetFailure().GetDescription())
	})
}

// Outside of a command there is nothing to forward and nobody to call.
func TestConnections_RefuseToWorkOutsideOfACommand(t *testing.T) {
	t.Parallel()
	for name, conn := range map[string]grpc.ClientConnInterface{
		"entity.Forward":    entity.Forward(t.Context()),
		"entity.SideEffect": entity.SideEffect(t.Context(), entity.Synchronous()),
		"entity.Call":       entity.Call(t.Context()),
	} {
		want := name + ": the context does not come from a command; pass on the one that the handler got"
		_, err := echopb.NewEchoClient(conn).Unary(t.Context(), &echopb.EchoRequest{})
		require.Equal(t, codes.FailedPrecondition, status.Code(err))
		require.Equal(t, want, status.Convert(err).Message())
		_, err = echopb.NewEchoClient(conn).StreamedOut(t.Context(), &echopb.EchoRequest{})
		require.Equal(t, want, status.Convert(err).Message())
	}
	require.Empty(t, entity.MetadataOf(t.Context()).Keys())
}
