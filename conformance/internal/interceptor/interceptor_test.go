package interceptor_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/conformance/internal/interceptor"
	model "github.com/cloudstate-go/cloudstate/conformance/modelpb/eventsourcedmodel"
	"github.com/cloudstate-go/cloudstate/conformance/models"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
)

const service = "cloudstate.tck.model.EventSourcedTckModel"

// serve serves something over memory until the test ends, and returns a connection to it.
func serve(t *testing.T, server interface {
	Serve(ctx context.Context, lis net.Listener) error
},
) *grpc.ClientConn {
	t.Helper()
	lis := bufconn.Listen(1 << 20)
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, lis) }()
	conn, err := grpc.NewClient("passthrough:///memory", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }))
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, conn.Close())
		stop()
		require.NoError(t, <-served)
	})
	return conn
}

// start returns an interceptor before the models, and a connection as a proxy has it.
func start(t *testing.T) (*interceptor.Interceptor, *grpc.ClientConn) {
	t.Helper()
	service := models.Service()
	service.Logger = slog.New(slog.DiscardHandler)
	i := interceptor.New(serve(t, service))
	return i, serve(t, i)
}

func open(t *testing.T, conn *grpc.ClientConn) eventsourcedpb.EventSourced_HandleClient {
	t.Helper()
	stream, err := eventsourcedpb.NewEventSourcedClient(conn).Handle(t.Context())
	require.NoError(t, err)
	require.NoError(t, stream.Send(&eventsourcedpb.EventSourcedStreamIn{Message: &eventsourcedpb.EventSourcedStreamIn_Init{
		Init: &eventsourcedpb.EventSourcedInit{ServiceName: service, EntityId: "e"},
	}}))
	return stream
}

func emit(t *testing.T) *eventsourcedpb.EventSourcedStreamIn {
	t.Helper()
	payload, err := anypb.New(&model.Request{Id: "e", Actions: []*model.RequestAction{
		{Action: &model.RequestAction_Emit{Emit: &model.Emit{Value: "A"}}},
	}})
	require.NoError(t, err)
	return &eventsourcedpb.EventSourcedStreamIn{Message: &eventsourcedpb.EventSourcedStreamIn_Command{
		Command: &protocol.Command{EntityId: "e", Id: 1, Name: "Process", Payload: payload},
	}}
}

func TestInterceptor_RelaysAndRecords(t *testing.T) {
	t.Parallel()
	i, conn := start(t)
	observed := 0
	i.Observe = func(*interceptor.Stream, interceptor.Side, interceptor.Event) { observed++ }
	stream := open(t, conn)
	require.NoError(t, stream.Send(emit(t)))
	reply, err := stream.Recv()
	require.NoError(t, err)
	require.Len(t, reply.GetReply().GetEvents(), 1)
	require.NoError(t, stream.CloseSend())
	_, err = stream.Recv()
	require.Error(t, err)

	recorded, err := i.Accept(t.Context(), interceptor.Entity(service, "e"))
	require.NoError(t, err)
	<-recorded.Over()
	first, err := recorded.Next(t.Context())
	require.NoError(t, err)
	in, ok := first.Message.(*eventsourcedpb.EventSourcedStreamIn)
	require.True(t, ok)
	require.IsType(t, &eventsourcedpb.EventSourcedStreamIn_Init{}, in.GetMessage())
	require.Len(t, recorded.Unread(), 2)
	answer, err := recorded.Answer(t.Context())
	require.NoError(t, err)
	require.True(t, proto.Equal(reply, answer.Message))
	end, err := recorded.Answer(t.Context())
	require.NoError(t, err)
	require.Nil(t, end.Message)
	require.NoError(t, end.Err)
	require.Equal(t, 5, observed)
	require.Contains(t, recorded.String(), "user function: #")
	require.Empty(t, i.Unaccepted())
	require.Zero(t, i.Silent())
}

func TestInterceptor_LetsTestsAnswer(t *testing.T) {
	t.Parallel()
	i, conn := start(t)
	stop := i.Script(interceptor.Entity(service, "e"))
	stream := open(t, conn)
	recorded, err := i.Accept(t.Context(), interceptor.Entity(service, "e"))
	require.NoError(t, err)
	require.NoError(t, recorded.Send(&eventsourcedpb.EventSourcedStreamOut{}))
	recorded.End(status.Error(codes.DataLoss, "lost"))
	got, err := stream.Recv()
	require.NoError(t, err)
	require.Nil(t, got.GetMessage())
	_, err = stream.Recv()
	require.Equal(t, codes.DataLoss, status.Code(err))
	<-recorded.Over()
	require.ErrorContains(t, recorded.Cancelled(t.Context()), "not cancelled")

	stop()
	stream = open(t, conn)
	require.NoError(t, stream.Send(emit(t)))
	_, err = stream.Recv()
	require.NoError(t, err)
}

func TestInterceptor_EndsWhatItRelays(t *testing.T) {
	t.Parallel()
	i, conn := start(t)
	stream := open(t, conn)
	recorded, err := i.Accept(t.Context(), interceptor.Entity(service, "e"))
	require.NoError(t, err)
	recorded.End(status.Error(codes.DataLoss, "lost"))
	_, err = stream.Recv()
	require.Equal(t, codes.DataLoss, status.Code(err))
}

func TestInterceptor_BreaksAtTheNextMessage(t *testing.T) {
	t.Parallel()
	i, conn := start(t)
	stream := open(t, conn)
	recorded, err := i.Accept(t.Context(), interceptor.Entity(service, "e"))
	require.NoError(t, err)
	_, err = recorded.Next(t.Context())
	require.NoError(t, err)
	recorded.BreakNext(status.Error(codes.DataLoss, "lost"))
	require.NoError(t, stream.Send(emit(t)))
	_, err = stream.Recv()
	require.Equal(t, codes.DataLoss, status.Code(err))
	<-recorded.Over()
	require.Len(t, recorded.Sent(), 2)
}

func TestInterceptor_EndsScriptedStreamsOfEntitiesThatAreHalfClosed(t *testing.T) {
	t.Parallel()
	i, conn := start(t)
	i.Script(interceptor.Entity(service, "e"))
	stream := open(t, conn)
	require.NoError(t, stream.CloseSend())
	_, err := stream.Recv()
	require.ErrorIs(t, err, io.EOF)
}

func TestInterceptor_NoticesCancellation(t *testing.T) {
	t.Parallel()
	for name, scripted := range map[string]bool{"of a scripted stream": true, "of a relayed stream": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i, conn := start(t)
			if scripted {
				i.Script(interceptor.Entity(service, "e"))
			}
			ctx, cancel := context.WithCancel(t.Context())
			stream, err := eventsourcedpb.NewEventSourcedClient(conn).Handle(ctx)
			require.NoError(t, err)
			require.NoError(t, stream.Send(&eventsourcedpb.EventSourcedStreamIn{Message: &eventsourcedpb.EventSourcedStreamIn_Init{
				Init: &eventsourcedpb.EventSourcedInit{ServiceName: service, EntityId: "e"},
			}}))
			recorded, err := i.Accept(t.Context(), interceptor.Entity(service, "e"))
			require.NoError(t, err)
			cancel()
			require.NoError(t, recorded.Cancelled(t.Context()))
		})
	}
}

func TestInterceptor_Discovery(t *testing.T) {
	t.Parallel()
	i, conn := start(t)
	refuse := true
	i.Spec = func(spec *protocol.EntitySpec) (*protocol.EntitySpec, error) {
		if refuse {
			return nil, status.Error(codes.Unavailable, "not yet")
		}
		spec.ServiceInfo = nil
		return spec, nil
	}
	client := protocol.NewEntityDiscoveryClient(conn)
	_, err := client.Discover(t.Context(), &protocol.ProxyInfo{ProxyName: "one"})
	require.Equal(t, codes.Unavailable, status.Code(err))
	refuse = false
	spec, err := client.Discover(t.Context(), &protocol.ProxyInfo{ProxyName: "two"})
	require.NoError(t, err)
	require.Len(t, spec.GetEntities(), 14)
	require.Nil(t, spec.GetServiceInfo())
	for _, name := range []string{"one", "two"} {
		info, err := i.Discovery(t.Context())
		require.NoError(t, err)
		require.Equal(t, name, info.GetProxyName())
	}
	_, err = client.ReportError(t.Context(), &protocol.UserFunctionError{Message: "wrong"})
	require.NoError(t, err)
	report, err := i.Report(t.Context(), func(text string) bool { return text == "wrong" })
	require.NoError(t, err)
	require.Equal(t, "wrong", report)
	require.Empty(t, i.UnreadReports())
}

func TestInterceptor_ExpectationsEnd(t *testing.T) {
	t.Parallel()
	i, _ := start(t)
	why := errors.New("no time")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	_, err := i.Accept(ctx, interceptor.Entity(service, "e"))
	require.ErrorIs(t, err, why)
	_, err = i.Report(ctx, func(string) bool { return true })
	require.ErrorIs(t, err, why)
}
