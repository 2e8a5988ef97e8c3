package action_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate"
	"github.com/cloudstate-go/cloudstate/action"
	"github.com/cloudstate-go/cloudstate/benchmarks/userfunction/echopb"
	eventpb "github.com/cloudstate-go/cloudstate/conformance/modelpb/eventlogmodel"
	"github.com/cloudstate-go/cloudstate/entity"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/actionpb"
)

// eventMetadata is that of an event of a journal (protocol section 9.3).
func eventMetadata(id string) *protocol.Metadata {
	m := &protocol.Metadata{}
	for _, kv := range [][2]string{
		{"ce-id", id},
		{"ce-source", "shopping-cart"},
		{"ce-specversion", "1.0"},
		{"ce-type", "type.googleapis.com/shop.ItemAdded"},
		{"Content-Type", "application/vnd.cloudstate.protobuf.any"},
		{"ce-subject", "jo"},
	} {
		m.Entries = append(m.Entries, &protocol.MetadataEntry{Key: kv[0], Value: &protocol.MetadataEntry_StringValue{StringValue: kv[1]}})
	}
	return m
}

// view returns the attributes of the event that a handler has got.
func view(ctx context.Context) (string, error) {
	e, err := entity.MetadataOf(ctx).CloudEvent()
	return fmt.Sprintf("%s of %s in %s: %s as %s, version %s", e.ID, e.Subject, e.Source, e.Type, e.DataContentType, e.SpecVersion), err
}

// P-208: handlers of all call kinds see the event that they have got, its subject included.
// With streamed requests its metadata comes with the event.
func TestHandlers_SeeTheCloudEvent(t *testing.T) {
	t.Parallel()
	r := serve(t, &echo{
		unary: func(ctx context.Context, _ *echopb.EchoRequest) (*echopb.EchoReply, error) {
			text, err := view(ctx)
			return &echopb.EchoReply{Text: text}, err
		},
		streamedOut: func(_ *echopb.EchoRequest, stream outStream) error {
			text, err := view(stream.Context())
			if err != nil {
				return err
			}
			return stream.Send(&echopb.EchoReply{Text: text})
		},
		streamedIn: func(stream grpc.ClientStreamingServer[echopb.EchoRequest, echopb.EchoReply]) error {
			if _, err := stream.Recv(); err != nil {
				return err
			}
			text, err := view(stream.Context())
			if err != nil {
				return err
			}
			return stream.SendAndClose(&echopb.EchoReply{Text: text})
		},
		streamed: func(stream bidiStream) error {
			return each(stream.Recv, func(*echopb.EchoRequest) error {
				text, err := view(stream.Context())
				if err != nil {
					return err
				}
				return stream.Send(&echopb.EchoReply{Text: text})
			})
		},
	})
	want := replyOf(t, "17 of jo in shopping-cart: type.googleapis.com/shop.ItemAdded as application/vnd.cloudstate.protobuf.any, version 1.0", 0)
	with := func(c *actionpb.ActionCommand) *actionpb.ActionCommand {
		c.Metadata = eventMetadata("17")
		return c
	}
	requireEqual(t, want, r.unary(t, with(call(t, "Unary", ""))))
	requireAll(t, []*actionpb.ActionResponse{want}, r.out(t, with(call(t, "StreamedOut", ""))))
	requireEqual(t, want, r.in(t, header("StreamedIn"), with(element(t, ""))))
	stream := r.bidi(t, header("Streamed"), with(element(t, "")))
	require.NoError(t, stream.CloseSend())
	requireAll(t, []*actionpb.ActionResponse{want}, drain(t, stream))
}

// taker replies with the type and the value of what it takes.
type taker struct {
	eventpb.UnimplementedEventLogSubscriberModelServer
}

func (taker) ProcessAnyEvent(_ context.Context, event *anypb.Any) (*eventpb.Response, error) {
	return &eventpb.Response{Id: event.GetTypeUrl(), Message: string(event.GetValue())}, nil
}

// P-202, A-42: a method that takes google.protobuf.Any gets an event as it is, and what a
// client has put into its Any.
func TestHandlers_TakeAny(t *testing.T) {
	t.Parallel()
	r := serve(t, &echo{}, func(s *cloudstate.Service) {
		s.Components = append(s.Components, &action.Action{Service: &eventpb.EventLogSubscriberModel_ServiceDesc, Server: taker{}})
	})
	const anyURL = "type.googleapis.com/google.protobuf.Any"
	inAny := func(url, value string) string {
		return string(pack(t, &anypb.Any{TypeUrl: url, Value: []byte(value)}).GetValue())
	}
	for name, tt := range map[string]struct{ url, value, wantURL, wantValue string }{
		"a JSON event":              {"json.cloudstate.io/added", "\x0a\x02{}", "json.cloudstate.io/added", "\x0a\x02{}"},
		"a primitive":               {"p.cloudstate.io/string", "\x0a\x01a", "p.cloudstate.io/string", "\x0a\x01a"},
		"a message nobody knows":    {"example.com/shop.ItemAdded", "a", "example.com/shop.ItemAdded", "a"},
		"an event without a value":  {"type.googleapis.com/shop.ItemAdded", "", "type.googleapis.com/shop.ItemAdded", ""},
		"what a client sends":       {anyURL, inAny("type.googleapis.com/shop.Item", "a"), "type.googleapis.com/shop.Item", "a"},
		"JSON that a client sends":  {anyURL, inAny("json.cloudstate.io/added", "\x0a\x02{}"), "json.cloudstate.io/added", "\x0a\x02{}"},
		"an Any that a client puts": {anyURL, inAny(anyURL, "\x0a\x01a"), anyURL, "\x0a\x01a"},
		"nothing":                   {anyURL, "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := r.unary(t, &actionpb.ActionCommand{
				ServiceName: eventpb.EventLogSubscriberModel_ServiceDesc.ServiceName, Name: "ProcessAnyEvent",
				Payload: &anypb.Any{TypeUrl: tt.url, Value: []byte(tt.value)},
			})
			got := &eventpb.Response{}
			require.NoError(t, out.GetReply().GetPayload().UnmarshalTo(got))
			require.Equal(t, tt.wantURL, got.GetId())
			require.Equal(t, tt.wantValue, got.GetMessage())
		})
	}
}

// Protocol section 9.4: a handler sets the attributes of the event that its reply is published
// as, in the metadata of the reply.
func TestHandlers_SetAttributesOfWhatIsPublished(t *testing.T) {
	t.Parallel()
	r := serve(t, &echo{unary: func(ctx context.Context, _ *echopb.EchoRequest) (*echopb.EchoReply, error) {
		return &echopb.EchoReply{}, grpc.SetHeader(ctx, metadata.Pairs("ce-subject", "jo", "Content-Type", "application/protobuf; proto=shop.Price", "ce-type", "priced"))
	}})
	want := replyOf(t, "", 0)
	want.GetReply().Metadata = &protocol.Metadata{}
	for _, kv := range [][2]string{{"ce-subject", "jo"}, {"ce-type", "priced"}, {"content-type", "application/protobuf; proto=shop.Price"}} {
		want.GetReply().Metadata.Entries = append(want.GetReply().GetMetadata().GetEntries(),
			&protocol.MetadataEntry{Key: kv[0], Value: &protocol.MetadataEntry_StringValue{StringValue: kv[1]}})
	}
	requireEqual(t, want, r.unary(t, call(t, "Unary", "")))
}
