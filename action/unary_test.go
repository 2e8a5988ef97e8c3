package action_test

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
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate"
	"github.com/cloudstate-go/cloudstate/action"
	"github.com/cloudstate-go/cloudstate/benchmarks/userfunction/echopb"
	"github.com/cloudstate-go/cloudstate/entity"
	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/actionpb"
)

func boom() { panic("boom") } //nolint:forbidigo // what a test is about

// effect asks for a side effect on Unary.
func effect(ctx context.Context, text string) error {
	_, err := echopb.NewEchoClient(entity.SideEffect(ctx)).Unary(ctx, request(text))
	return err
}

// forward forwards to Unary.
func forward(ctx context.Context, text string) (*echopb.EchoReply, error) {
	return echopb.NewEchoClient(entity.Forward(ctx)).Unary(ctx, request(text))
}

// P-092: reply, forward, failure and nothing, each with its effects in order, and with
// nothing else in it.
func TestUnary_AnswersWithItsEffects(t *testing.T) {
	t.Parallel()
	type handler = func(ctx context.Context, in *echopb.EchoRequest) (*echopb.EchoReply, error)
	tests := map[string]struct {
		handler handler
		want    *actionpb.ActionResponse // without its effects
	}{
		"reply": {
			func(_ context.Context, in *echopb.EchoRequest) (*echopb.EchoReply, error) {
				return &echopb.EchoReply{Text: in.GetText(), Count: 1}, nil
			},
			replyOf(t, "x", 1),
		},
		"an empty reply": {
			func(context.Context, *echopb.EchoRequest) (*echopb.EchoReply, error) { return &echopb.EchoReply{}, nil },
			replyOf(t, "", 0),
		},
		"forward": {
			func(ctx context.Context, _ *echopb.EchoRequest) (*echopb.EchoReply, error) { return forward(ctx, "f") },
			forwardOf(t, "f"),
		},
		"forward that returns nothing": {
			func(ctx context.Context, _ *echopb.EchoRequest) (*echopb.EchoReply, error) {
				_, err := forward(ctx, "f")
				return nil, err
			},
			forwardOf(t, "f"),
		},
		"failure": {
			func(context.Context, *echopb.EchoRequest) (*echopb.EchoReply, error) { return nil, errors.New("no") },
			failureOf(&protocol.Failure{Description: "no"}),
		},
		"failure with a status": {
			func(context.Context, *echopb.EchoRequest) (*echopb.EchoReply, error) {
				return &echopb.EchoReply{Text: "dropped"}, status.Error(codes.NotFound, "no")
			},
			failureOf(&protocol.Failure{Description: "no", GrpcStatusCode: uint32(codes.NotFound)}),
		},
		"failure after a forward": {
			func(ctx context.Context, _ *echopb.EchoRequest) (*echopb.EchoReply, error) {
				_, err := forward(ctx, "f")
				return nil, errors.Join(errors.New("no"), err)
			},
			failureOf(&protocol.Failure{Description: "no"}),
		},
		"forward and reply": {
			func(ctx context.Context, _ *echopb.EchoRequest) (*echopb.EchoReply, error) {
				_, err := forward(ctx, "f")
				return &echopb.EchoReply{}, err
			},
			failureOf(&protocol.Failure{
				Description:    "Both a reply was returned, and a forward message was sent, choose one or the other.",
				GrpcStatusCode: uint32(codes.Internal),
			}),
		},
		"an error that cannot be sent as it is": {
			func(context.Context, *echopb.EchoRequest) (*echopb.EchoReply, error) { return nil, errors.New("\xff") },
			failureOf(&protocol.Failure{Description: "\uFFFD"}),
		},
		"P-096 nothing": {
			func(context.Context, *echopb.EchoRequest) (*echopb.EchoReply, error) { return nil, nil }, //nolint:nilnil // what the test is about
			&actionpb.ActionResponse{},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := serve(t, &echo{unary: func(ctx context.Context, in *echopb.EchoRequest) (*echopb.EchoReply, error) {
				if in.GetText() == "with effects" {
					if err := errors.Join(effect(ctx, "1"), effect(ctx, "2")); err != nil {
						return nil, err
					}
					in.Text = "x"
				}
				return tt.handler(ctx, in)
			}})
			requireEqual(t, tt.want, r.unary(t, call(t, "Unary", "x")))
			got := r.unary(t, call(t, "Unary", "with effects"))
			require.Len(t, got.GetSideEffects(), 2)
			requireEqual(t, effectOf(t, "1"), got.GetSideEffects()[0])
			requireEqual(t, effectOf(t, "2"), got.GetSideEffects()[1])
			require.NotContains(t, r.log.String(), "level=ERROR")
		})
	}
}

// A reply that cannot be sent is a failure that says so.
func TestUnary_RefusesAReplyThatCannotBeSent(t *testing.T) {
	t.Parallel()
	r := serve(t, &echo{unary: func(ctx context.Context, _ *echopb.EchoRequest) (*echopb.EchoReply, error) {
		return &echopb.EchoReply{Text: "\xff"}, effect(ctx, "1")
	}})
	out := r.unary(t, call(t, "Unary", "x"))
	require.Contains(t, out.GetFailure().GetDescription(), "/cloudstatebench.Echo/Unary: encode the reply: ")
	require.Equal(t, uint32(codes.Internal), out.GetFailure().GetGrpcStatusCode())
	require.Len(t, out.GetSideEffects(), 1)
}

// shop is a service with a method that returns google.protobuf.Empty.
type shop struct {
	pb.UnimplementedShoppingCartServer
}

func (shop) AddItem(context.Context, *pb.AddLineItem) (*emptypb.Empty, error) {
	return nil, nil //nolint:nilnil // what the test is about
}

// nothing is a reply where the method promises google.protobuf.Empty.
func TestUnary_MayReturnNothingInsteadOfEmpty(t *testing.T) {
	t.Parallel()
	r := serve(t, &echo{}, func(s *cloudstate.Service) {
		s.Components = append(s.Components, &action.Action{Service: &pb.ShoppingCart_ServiceDesc, Server: shop{}})
	})
	requireEqual(t, &actionpb.ActionResponse{Response: &actionpb.ActionResponse_Reply{
		Reply: &protocol.Reply{Payload: &anypb.Any{TypeUrl: "type.googleapis.com/google.protobuf.Empty"}},
	}}, r.unary(t, &actionpb.ActionCommand{
		ServiceName: "com.example.shoppingcart.ShoppingCart", Name: "AddItem", Payload: pack(t, &pb.AddLineItem{}),
	}))
	// What it does not implement, it says as any gRPC server does.
	requireEqual(t, failureOf(&protocol.Failure{
		Description: "method GetCart not implemented", GrpcStatusCode: uint32(codes.Unimplemented),
	}), r.unary(t, &actionpb.ActionCommand{
		ServiceName: "com.example.shoppingcart.ShoppingCart", Name: "GetCart", Payload: pack(t, &pb.GetShoppingCart{}),
	}))
}

// P-099: what a service does not have is a failure, not an error of the stream.
func TestUnary_RefusesWhatItDoesNotHave(t *testing.T) {
	t.Parallel()
	r := serve(t, &echo{})
	invalid := uint32(codes.InvalidArgument)
	tests := map[string]struct {
		command *actionpb.ActionCommand
		want    string
		code    uint32
	}{
		"P-099 unknown service":   {&actionpb.ActionCommand{ServiceName: "no.Such", Name: "Unary"}, "Unknown service: no.Such", 0},
		"P-099 unknown command":   {&actionpb.ActionCommand{ServiceName: echoService, Name: "Nope"}, "Unknown command Nope on service cloudstatebench.Echo", 0},
		"P-099 nothing":           {&actionpb.ActionCommand{}, "Unknown service: ", 0},
		"a streamed command":      {call(t, "Streamed", "x"), "Command Streamed on service cloudstatebench.Echo was called with streamed requests false and streamed replies false", 0},
		"no payload":              {header("Unary"), `/cloudstatebench.Echo/Unary: the payload is a "", want "type.googleapis.com/cloudstatebench.EchoRequest"`, invalid},
		"payload of another type": {&actionpb.ActionCommand{ServiceName: echoService, Name: "Unary", Payload: pack(t, &echopb.EchoReply{})}, `the payload is a "type.googleapis.com/cloudstatebench.EchoReply"`, invalid},
		"payload that is broken": {&actionpb.ActionCommand{
			ServiceName: echoService, Name: "Unary", Payload: &anypb.Any{TypeUrl: pack(t, request("")).GetTypeUrl(), Value: []byte{0x0a, 9}},
		}, "/cloudstatebench.Echo/Unary: decode the payload as cloudstatebench.EchoRequest", invalid},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := r.unary(t, tt.command)
			require.Contains(t, out.GetFailure().GetDescription(), tt.want)
			require.Equal(t, tt.code, out.GetFailure().GetGrpcStatusCode())
			require.Zero(t, out.GetFailure().GetCommandId())
		})
	}
}

// A panic is a failure with a fixed text. What it was is in the log, once, with its place,
// and the service lives on.
func TestUnary_SurvivesAPanic(t *testing.T) {
	t.Parallel()
	r := serve(t, &echo{unary: func(ctx context.Context, in *echopb.EchoRequest) (*echopb.EchoReply, error) {
		if err := effect(ctx, "1"); err != nil {
			return nil, err
		}
		if in.GetText() == "panic" {
			boom()
		}
		return &echopb.EchoReply{}, nil
	}})
	requireEqual(t, failureOf(&protocol.Failure{Description: "Unexpected action failure"}, effectOf(t, "1")), r.unary(t, call(t, "Unary", "panic")))
	requireEqual(t, replyOf(t, "", 0, effectOf(t, "1")), r.unary(t, call(t, "Unary", "x")))
	require.Equal(t, 1, strings.Count(r.log.String(), "level=ERROR"))
	require.Regexp(t, `service=cloudstatebench.Echo command=Unary error=boom stack=.*action_test\.boom`, r.log.String())
}

// P-100: the metadata of the command comes in as that of gRPC and with its types; what
// the handler sets goes out with the reply, and nothing is echoed.
func TestUnary_CarriesMetadata(t *testing.T) {
	t.Parallel()
	text := func(k, v string) *protocol.MetadataEntry {
		return &protocol.MetadataEntry{Key: k, Value: &protocol.MetadataEntry_StringValue{StringValue: v}}
	}
	incoming := make(chan metadata.MD, 1)
	r := serve(t, &echo{unary: func(ctx context.Context, in *echopb.EchoRequest) (*echopb.EchoReply, error) {
		md, _ := metadata.FromIncomingContext(ctx)
		incoming <- md
		if in.GetText() == "quiet" {
			return &echopb.EchoReply{}, nil
		}
		reply := &echopb.EchoReply{Text: entity.MetadataOf(ctx).Get("x-user")}
		return reply, errors.Join(
			grpc.SetHeader(ctx, metadata.Pairs("a", "1")),
			grpc.SendHeader(ctx, metadata.Pairs("b-bin", "\xff")),
		)
	}})
	command := call(t, "Unary", "x")
	command.Metadata = &protocol.Metadata{Entries: []*protocol.MetadataEntry{
		text("X-User", "jo"), text("x-user", "anne"),
		{Key: "blob", Value: &protocol.MetadataEntry_BytesValue{BytesValue: []byte{0xff}}},
	}}
	want := replyOf(t, "jo", 0)
	want.GetReply().Metadata = &protocol.Metadata{Entries: []*protocol.MetadataEntry{
		text("a", "1"), {Key: "b-bin", Value: &protocol.MetadataEntry_BytesValue{BytesValue: []byte{0xff}}},
	}}
	requireEqual(t, want, r.unary(t, command))
	require.Equal(t, metadata.Pairs("x-user", "jo", "x-user", "anne", "blob-bin", "\xff"), <-incoming)

	command = call(t, "Unary", "quiet")
	ctx := metadata.AppendToOutgoingContext(t.Context(), "of-the-stream", "itself") // is the proxy's, not the client's
	out, err := r.HandleUnary(ctx, command)
	require.NoError(t, err)
	requireEqual(t, replyOf(t, "", 0), out)
	require.Empty(t, <-incoming)
}

// What is asked for after the handler has returned is refused, because it would be lost.
func TestUnary_RefusesEffectsAfterItsEnd(t *testing.T) {
	t.Parallel()
	kept := make(chan context.Context, 1)
	r := serve(t, &echo{unary: func(ctx context.Context, _ *echopb.EchoRequest) (*echopb.EchoReply, error) {
		kept <- ctx
		return &echopb.EchoReply{}, nil
	}})
	requireEqual(t, replyOf(t, "", 0), r.unary(t, call(t, "Unary", "x")))
	ctx := <-kept
	require.ErrorContains(t, effect(ctx, "late"), "the command has ended; ask for it before the handler returns")
	_, err := forward(ctx, "late")
	require.ErrorContains(t, err, "the command has ended")
}

// P-101: when the proxy cancels a call, its handler knows.
func TestUnary_EndsWithItsClient(t *testing.T) {
	t.Parallel()
	started, ended := make(chan struct{}), make(chan error, 1)
	r := serve(t, &echo{unary: func(ctx context.Context, _ *echopb.EchoRequest) (*echopb.EchoReply, error) {
		close(started)
		<-ctx.Done()
		ended <- ctx.Err()
		return nil, ctx.Err()
	}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		<-started
		cancel()
	}()
	_, err := r.HandleUnary(ctx, call(t, "Unary", "x"))
	require.Equal(t, codes.Canceled, status.Code(err))
	require.ErrorIs(t, <-ended, context.Canceled)
}

// The memory of responses is used again, but never that of one that is still to be sent.
func TestUnary_KeepsManyCallsApart(t *testing.T) {
	t.Parallel()
	r := serve(t, &echo{unary: func(_ context.Context, in *echopb.EchoRequest) (*echopb.EchoReply, error) {
		return &echopb.EchoReply{Text: in.GetText()}, nil
	}})
	results := make(chan error)
	const callers = 8
	for caller := range callers {
		go func() {
			var err error
			for i := range 20 {
				text := strings.Repeat(string(rune('a'+caller)), 1+i*i*400)
				out, callErr := r.HandleUnary(t.Context(), &actionpb.ActionCommand{ServiceName: echoService, Name: "Unary", Payload: mustPack(request(text))})
				var reply echopb.EchoReply
				if err = errors.Join(err, callErr, out.GetReply().GetPayload().UnmarshalTo(&reply)); reply.GetText() != text {
					err = errors.Join(err, errors.New("another text"))
				}
			}
			results <- err
		}()
	}
	for range callers {
		require.NoError(t, <-results)
	}
}

// mustPack is pack for goroutines.
func mustPack(m *echopb.EchoRequest) *anypb.Any {
	a, err := anypb.New(m)
	if err != nil {
		panic(err) //nolint:forbidigo // a test message can be encoded
	}
	return a
}
