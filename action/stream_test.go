package action_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/action"
	"github.com/cloudstate-go/cloudstate/benchmarks/userfunction/echopb"
	"github.com/cloudstate-go/cloudstate/entity"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/actionpb"
)

type (
	inStream   = grpc.ClientStreamingServer[echopb.EchoRequest, echopb.EchoReply]
	outStream  = grpc.ServerStreamingServer[echopb.EchoReply]
	bidiStream = grpc.BidiStreamingServer[echopb.EchoRequest, echopb.EchoReply]
)

// each calls f with every request, until there are no more.
func each(recv func() (*echopb.EchoRequest, error), f func(*echopb.EchoRequest) error) error {
	for {
		in, err := recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := f(in); err != nil {
			return err
		}
	}
}

// P-093: one response after the half-close, with the effects of all inputs in order.
func TestStreamedIn_AnswersOnceAfterItsLastRequest(t *testing.T) {
	t.Parallel()
	collect := func(stream inStream) (string, error) {
		var texts []string
		err := each(stream.Recv, func(in *echopb.EchoRequest) error {
			texts = append(texts, in.GetText())
			return effect(stream.Context(), in.GetText())
		})
		return strings.Join(texts, ""), err
	}
	tests := map[string]struct {
		handler func(stream inStream, text string) error
		want    *actionpb.ActionResponse // without its effects
	}{
		"P-093 reply": {
			func(stream inStream, text string) error { return stream.SendAndClose(&echopb.EchoReply{Text: text}) },
			replyOf(t, "abc", 0),
		},
		"P-093 nothing":           {func(inStream, string) error { return nil }, &actionpb.ActionResponse{}},
		"nothing, by sending nil": {func(stream inStream, _ string) error { return stream.SendAndClose(nil) }, &actionpb.ActionResponse{}},
		"P-092 failure":           {func(inStream, string) error { return errors.New("no") }, failureOf(&protocol.Failure{Description: "no"})},
		"the end of the requests": {func(stream inStream, _ string) error { _, err := stream.Recv(); return err }, failureOf(&protocol.Failure{Description: "EOF"})},
		"reply, but then an error": {func(stream inStream, _ string) error {
			return errors.Join(stream.SendAndClose(&echopb.EchoReply{}), errors.New("no"))
		}, failureOf(&protocol.Failure{Description: "no"})},
		"forward": {
			func(stream inStream, text string) error { _, err := forward(stream.Context(), text); return err },
			forwardOf(t, "abc"),
		},
		"forward, and what its client returns is sent": {
			func(stream inStream, text string) error {
				reply, err := forward(stream.Context(), text)
				return errors.Join(err, stream.SendAndClose(reply))
			},
			forwardOf(t, "abc"),
		},
		"forward and reply": {
			func(stream inStream, text string) error {
				_, err := forward(stream.Context(), text)
				return errors.Join(err, stream.SendAndClose(&echopb.EchoReply{}))
			},
			failureOf(&protocol.Failure{
				Description:    "Both a reply was returned, and a forward message was sent, choose one or the other.",
				GrpcStatusCode: uint32(codes.Internal),
			}),
		},
		"two replies": {
			func(stream inStream, _ string) error {
				return cmpErr(stream.SendMsg(&echopb.EchoReply{}), stream.SendMsg(&echopb.EchoReply{}))
			},
			failureOf(&protocol.Failure{
				Description:    "/cloudstatebench.Echo/StreamedIn: the handler has replied twice; the method has one reply",
				GrpcStatusCode: uint32(codes.Internal),
			}),
		},
		"a failure as element": {
			func(stream inStream, _ string) error { return action.SendFailure(stream, errors.New("no")) },
			failureOf(&protocol.Failure{
				Description:    "action.SendFailure: the stream is not one of an action that streams its replies; return the error instead",
				GrpcStatusCode: uint32(codes.FailedPrecondition),
			}),
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := serve(t, &echo{streamedIn: func(stream inStream) error {
				text, err := collect(stream)
				if err != nil {
					return err
				}
				return tt.handler(stream, text)
			}})
			tt.want.SideEffects = []*protocol.SideEffect{effectOf(t, "a"), effectOf(t, "b"), effectOf(t, "c")}
			requireEqual(t, tt.want, r.in(t, header("StreamedIn"), element(t, "a"), element(t, "b"), element(t, "c")))
		})
	}
}

// cmpErr returns the first error.
func cmpErr(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// P-093: without any request.
func TestStreamedIn_MayHaveNoRequests(t *testing.T) {
	t.Parallel()
	r := serve(t, &echo{streamedIn: func(stream inStream) error {
		return each(stream.Recv, func(*echopb.EchoRequest) error { return errors.New("there is none") })
	}})
	requireEqual(t, &actionpb.ActionResponse{}, r.in(t, header("StreamedIn")))
}

// An early reply ends the call, although the proxy has more to send.
func TestStreamedIn_MayReplyEarly(t *testing.T) {
	t.Parallel()
	r := serve(t, &echo{streamedIn: func(stream inStream) error {
		in, err := stream.Recv()
		return errors.Join(err, stream.SendAndClose(&echopb.EchoReply{Text: in.GetText()}))
	}})
	stream, err := r.HandleStreamedIn(t.Context())
	require.NoError(t, err)
	require.NoError(t, stream.Send(header("StreamedIn")))
	require.NoError(t, stream.Send(element(t, "a")))
	out := &actionpb.ActionResponse{}
	require.NoError(t, stream.RecvMsg(out))
	requireEqual(t, replyOf(t, "a", 0), out)
}

// P-094, P-096: replies, forwards, failures and empty ones, each with its own effects; what
// is left of these goes with the last; the stream ends with OK.
func TestStreamedOut_SendsElementsInOrder(t *testing.T) {
	t.Parallel()
	r := serve(t, &echo{streamedOut: func(in *echopb.EchoRequest, stream outStream) error {
		ctx := stream.Context()
		reply := &echopb.EchoReply{Text: in.GetText()}
		return errors.Join(
			stream.Send(reply),
			effect(ctx, "1"), effect(ctx, "2"), stream.Send(reply),
			action.SendFailure(stream, status.Error(codes.NotFound, "first")),
			effect(ctx, "3"), action.SendFailure(stream, errors.New("second")),
			effect(ctx, "4"), stream.Send(nil),
			effect(ctx, "5"), second(forward(ctx, "f")),
			stream.Send(reply),
			effect(ctx, "6"),
		)
	}})
	requireAll(t, []*actionpb.ActionResponse{
		replyOf(t, "x", 0),
		replyOf(t, "x", 0, effectOf(t, "1"), effectOf(t, "2")),
		failureOf(&protocol.Failure{Description: "first", GrpcStatusCode: uint32(codes.NotFound)}),
		failureOf(&protocol.Failure{Description: "second"}, effectOf(t, "3")),
		{SideEffects: []*protocol.SideEffect{effectOf(t, "4")}},
		forwardOf(t, "f", effectOf(t, "5")),
		replyOf(t, "x", 0),
		{SideEffects: []*protocol.SideEffect{effectOf(t, "6")}},
	}, r.out(t, call(t, "StreamedOut", "x")))
}

func second[A any](_ A, err error) error { return err }

// How a stream of replies ends: with OK of the protocol, whatever the handler did.
func TestStreamedOut_EndsWithOK(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		handler func(stream outStream) error
		want    []*actionpb.ActionResponse
	}{
		"nothing": {func(outStream) error { return nil }, nil},
		"an error after a reply, with the effects that are left": {
			func(stream outStream) error {
				return cmpErr(stream.Send(&echopb.EchoReply{}), effect(stream.Context(), "1"), status.Error(codes.Aborted, "no"))
			},
			[]*actionpb.ActionResponse{replyOf(t, "", 0), failureOf(&protocol.Failure{Description: "no", GrpcStatusCode: uint32(codes.Aborted)}, effectOf(t, "1"))},
		},
		"a panic after a reply": {
			func(stream outStream) error { defer boom(); return stream.Send(&echopb.EchoReply{}) },
			[]*actionpb.ActionResponse{replyOf(t, "", 0), failureOf(&protocol.Failure{Description: "Unexpected action failure"})},
		},
		"an effect that cannot be made, and is ignored": {
			func(stream outStream) error {
				ctx := stream.Context()
				_ = entity.SideEffect(ctx).Invoke(ctx, "/no.Such/Thing", request("x"), nil)
				return stream.Send(&echopb.EchoReply{})
			},
			[]*actionpb.ActionResponse{replyOf(t, "", 0), failureOf(&protocol.Failure{
				Description:    `side effect to /no.Such/Thing: service "no.Such" is not among the Components of this Service, which are cloudstatebench.Echo`,
				GrpcStatusCode: uint32(codes.Internal),
			})},
		},
		"a failure without an error": {
			func(stream outStream) error { return action.SendFailure(stream, nil) },
			[]*actionpb.ActionResponse{failureOf(&protocol.Failure{Description: "action.SendFailure: the error is nil, so there is no failure to send"})},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := serve(t, &echo{streamedOut: func(_ *echopb.EchoRequest, stream outStream) error { return tt.handler(stream) }})
			requireAll(t, tt.want, r.out(t, call(t, "StreamedOut", "x")))
		})
	}
}

// P-095: responses interleave with inputs, and the stream ends after the half-close.
func TestStreamed_AnswersWhileItReceives(t *testing.T) {
	t.Parallel()
	r := serve(t, &echo{streamed: func(stream bidiStream) error {
		err := each(stream.Recv, func(in *echopb.EchoRequest) error {
			if in.GetText() == "bad" {
				return action.SendFailure(stream, errors.New("bad"))
			}
			return errors.Join(effect(stream.Context(), in.GetText()), stream.Send(&echopb.EchoReply{Text: in.GetText()}))
		})
		return errors.Join(err, stream.Send(&echopb.EchoReply{Text: "bye"}))
	}})
	stream := r.bidi(t, header("Streamed"))
	for i := range 3 {
		text := fmt.Sprint(i)
		require.NoError(t, stream.Send(element(t, text)))
		out, err := stream.Recv()
		require.NoError(t, err)
		requireEqual(t, replyOf(t, text, 0, effectOf(t, text)), out)
	}
	require.NoError(t, stream.Send(element(t, "bad")))
	out, err := stream.Recv()
	require.NoError(t, err)
	requireEqual(t, failureOf(&protocol.Failure{Description: "bad"}), out)
	require.NoError(t, stream.Send(element(t, "good")))
	require.NoError(t, stream.CloseSend())
	requireAll(t, []*actionpb.ActionResponse{replyOf(t, "good", 0, effectOf(t, "good")), replyOf(t, "bye", 0)}, drain(t, stream))
}

// P-100: of the replies only the first has metadata, even if the handler sets more later.
func TestStreamed_SendsMetadataWithTheFirstReply(t *testing.T) {
	t.Parallel()
	r := serve(t, &echo{streamedOut: func(_ *echopb.EchoRequest, stream outStream) error {
		err := errors.Join(stream.SetHeader(metadata.Pairs("a", "1")), grpc.SetHeader(stream.Context(), metadata.Pairs("b", "2")))
		stream.SetTrailer(metadata.Pairs("t", "is not in the protocol"))
		err = errors.Join(err, stream.Send(nil) /* is no reply */, stream.Send(&echopb.EchoReply{}))
		if stream.SendHeader(metadata.Pairs("c", "3")) == nil {
			err = errors.Join(err, errors.New("a header was accepted after the first reply"))
		}
		return errors.Join(err, stream.Send(&echopb.EchoReply{}))
	}})
	first := replyOf(t, "", 0)
	first.GetReply().Metadata = &protocol.Metadata{Entries: []*protocol.MetadataEntry{
		{Key: "a", Value: &protocol.MetadataEntry_StringValue{StringValue: "1"}},
		{Key: "b", Value: &protocol.MetadataEntry_StringValue{StringValue: "2"}},
	}}
	requireAll(t, []*actionpb.ActionResponse{{}, first, replyOf(t, "", 0)}, r.out(t, call(t, "StreamedOut", "x")))
}

// P-100: metadata may come with the header and with later messages, as that of events does.
func TestStreamed_ReceivesTheMetadataOfEachRequest(t *testing.T) {
	t.Parallel()
	with := func(c *actionpb.ActionCommand, value string) *actionpb.ActionCommand {
		c.Metadata = &protocol.Metadata{}
		if value != "" {
			c.Metadata.Entries = []*protocol.MetadataEntry{{Key: "Who", Value: &protocol.MetadataEntry_StringValue{StringValue: value}}}
		}
		return c
	}
	r := serve(t, &echo{streamed: func(stream bidiStream) error {
		first := entity.MetadataOf(stream.Context()).Get("who")
		md, _ := metadata.FromIncomingContext(stream.Context())
		if err := stream.Send(&echopb.EchoReply{Text: first + strings.Join(md.Get("who"), "")}); err != nil {
			return err
		}
		return each(stream.Recv, func(*echopb.EchoRequest) error {
			return stream.Send(&echopb.EchoReply{Text: entity.MetadataOf(stream.Context()).Get("who")})
		})
	}})
	stream := r.bidi(t, with(header("Streamed"), "h"), with(element(t, ""), ""), with(element(t, ""), "1"), element(t, ""), with(element(t, ""), "2"))
	require.NoError(t, stream.CloseSend())
	requireAll(t, []*actionpb.ActionResponse{
		replyOf(t, "hh", 0), replyOf(t, "h", 0), replyOf(t, "1", 0), replyOf(t, "1", 0), replyOf(t, "2", 0),
	}, drain(t, stream))
}

// P-099, section 3.2: what a service does not have is a failure; then the stream ends.
func TestStreamed_RefusesWhatItDoesNotHave(t *testing.T) {
	t.Parallel()
	r := serve(t, &echo{
		streamed:    func(stream bidiStream) error { return second(stream.Recv()) },
		streamedOut: func(*echopb.EchoRequest, outStream) error { return nil },
	})
	broken := &actionpb.ActionCommand{ServiceName: echoService, Name: "Streamed", Payload: &anypb.Any{TypeUrl: pack(t, request("")).GetTypeUrl(), Value: []byte{0x0a, 9}}}
	tests := map[string]struct {
		messages []*actionpb.ActionCommand
		want     string
	}{
		"no header":               {nil, "Cloudstate protocol failure: expected command message with service name and command name, but got empty stream"},
		"P-099 unknown service":   {[]*actionpb.ActionCommand{{ServiceName: "no.Such"}}, "Unknown service: no.Such"},
		"P-099 unknown command":   {[]*actionpb.ActionCommand{header("Nope")}, "Unknown command Nope on service cloudstatebench.Echo"},
		"a header without a name": {[]*actionpb.ActionCommand{element(t, "x")}, "Unknown service: "},
		"a unary command":         {[]*actionpb.ActionCommand{header("Unary")}, "Command Unary on service cloudstatebench.Echo was called with streamed requests true and streamed replies true"},
		"another kind of stream":  {[]*actionpb.ActionCommand{header("StreamedIn")}, "Command StreamedIn on service"},
		"an element of no type":   {[]*actionpb.ActionCommand{header("Streamed"), {}}, `/cloudstatebench.Echo/Streamed: the payload is a ""`},
		"payload of another type": {[]*actionpb.ActionCommand{header("Streamed"), {Payload: pack(t, &echopb.EchoReply{})}}, "the payload is a"},
		"payload that is broken":  {[]*actionpb.ActionCommand{broken}, "decode the payload as cloudstatebench.EchoRequest"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stream := r.bidi(t, tt.messages...)
			require.NoError(t, stream.CloseSend())
			all := drain(t, stream)
			require.Len(t, all, 1)
			require.Contains(t, all[0].GetFailure().GetDescription(), tt.want)
			require.Zero(t, all[0].GetFailure().GetCommandId())
		})
	}
	t.Run("streamed out without a payload", func(t *testing.T) {
		t.Parallel()
		all := r.out(t, header("StreamedOut"))
		require.Len(t, all, 1)
		require.Contains(t, all[0].GetFailure().GetDescription(), `/cloudstatebench.Echo/StreamedOut: the payload is a "", want`)
	})
}

// Requests may also be received without generated code: the single one of a streamed-out
// call comes once.
func TestStreamedOut_HasOneRequest(t *testing.T) {
	t.Parallel()
	r := serve(t, &echo{streamedOut: func(_ *echopb.EchoRequest, stream outStream) error {
		if err := stream.RecvMsg(&echopb.EchoRequest{}); !errors.Is(err, io.EOF) {
			return fmt.Errorf("received %w", err)
		}
		return nil
	}})
	require.Empty(t, r.out(t, call(t, "StreamedOut", "x")))
}

// SendFailure is for the streams of actions.
func TestSendFailure_RefusesOtherStreams(t *testing.T) {
	t.Parallel()
	err := action.SendFailure(foreign{}, errors.New("x"))
	require.Equal(t, codes.FailedPrecondition, status.Code(err))
}

// foreign is a stream that is not one of this library.
type foreign struct{ grpc.ServerStream }

func (foreign) Context() context.Context { return context.Background() }
