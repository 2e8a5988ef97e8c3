package guide_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	pb "google.golang.org/grpc/examples/route_guide/routeguide"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/cloudstate-go/cloudstate/action"
	"github.com/cloudstate-go/cloudstate/examples/existing/guide"
	"github.com/cloudstate-go/cloudstate/testkit"
)

func point(latitude, longitude int32) *pb.Point {
	return &pb.Point{Latitude: latitude, Longitude: longitude}
}

func newServer() *guide.Server {
	return guide.NewServer(
		&pb.Feature{Name: "a hill", Location: point(1, 1)},
		&pb.Feature{Name: "a lake", Location: point(2, 2)},
		&pb.Feature{Name: "a town", Location: point(9, 9)},
	)
}

// asAction serves the guide as a Cloudstate action, behind a proxy.
func asAction(t *testing.T) grpc.ClientConnInterface {
	t.Helper()
	return testkit.New(t, &action.Action{Service: &pb.RouteGuide_ServiceDesc, Server: newServer()})
}

// asServer serves it as gRPC does.
func asServer(t *testing.T) grpc.ClientConnInterface {
	t.Helper()
	server := grpc.NewServer()
	pb.RegisterRouteGuideServer(server, newServer())
	lis := bufconn.Listen(1 << 16)
	served := make(chan error, 1)
	go func() { served <- server.Serve(lis) }()
	conn, err := grpc.NewClient("passthrough:memory",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() {
		server.Stop()
		require.NoError(t, errors.Join(<-served, conn.Close()))
	})
	return conn
}

// each runs a test with the service in both forms.
func each(t *testing.T, test func(t *testing.T, client pb.RouteGuideClient)) {
	t.Helper()
	for name, connect := range map[string]func(*testing.T) grpc.ClientConnInterface{"as an action": asAction, "as a gRPC server": asServer} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, pb.NewRouteGuideClient(connect(t)))
		})
	}
}

// all returns what a stream has until its end.
func all[M any](t *testing.T, stream grpc.ServerStreamingClient[M]) []*M {
	t.Helper()
	var received []*M
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return received
		}
		require.NoError(t, err)
		received = append(received, m)
	}
}

func TestGuide_AnswersUnaryCalls(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, client pb.RouteGuideClient) {
		t.Helper()
		var header metadata.MD
		feature, err := client.GetFeature(t.Context(), point(2, 2), grpc.Header(&header))
		require.NoError(t, err)
		require.Equal(t, "a lake", feature.GetName())
		require.Equal(t, []string{"found"}, header.Get("guide"))

		_, err = client.GetFeature(t.Context(), point(7, 7))
		require.Equal(t, codes.NotFound, status.Code(err))
		require.Equal(t, "there is nothing at 7, 7", status.Convert(err).Message())
	})
}

func TestGuide_StreamsReplies(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, client pb.RouteGuideClient) {
		t.Helper()
		stream, err := client.ListFeatures(t.Context(), &pb.Rectangle{Lo: point(0, 0), Hi: point(5, 5)})
		require.NoError(t, err)
		features := all(t, stream)
		require.Len(t, features, 2)
		require.Equal(t, "a hill", features[0].GetName())
		require.Equal(t, "a lake", features[1].GetName())
	})
}

func TestGuide_TakesStreamsOfRequests(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, client pb.RouteGuideClient) {
		t.Helper()
		stream, err := client.RecordRoute(t.Context())
		require.NoError(t, err)
		for i := range int32(5) {
			require.NoError(t, stream.Send(point(i, i)))
		}
		summary, err := stream.CloseAndRecv()
		require.NoError(t, err)
		require.Equal(t, int32(5), summary.GetPointCount())
		require.Equal(t, int32(2), summary.GetFeatureCount())
	})
}

func TestGuide_Chats(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, client pb.RouteGuideClient) {
		t.Helper()
		stream, err := client.RouteChat(t.Context())
		require.NoError(t, err)
		for i, text := range []string{"first", "second"} {
			require.NoError(t, stream.Send(&pb.RouteNote{Location: point(1, 1), Message: text}))
			for range i + 1 {
				note, err := stream.Recv()
				require.NoError(t, err)
				require.Contains(t, "first second", note.GetMessage())
			}
		}
		require.NoError(t, stream.CloseSend())
		require.Empty(t, all[pb.RouteNote](t, stream))
	})
}

// The service is what it says: written without knowledge of this library.
func TestGuide_DoesNotKnowCloudstate(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	require.NoError(t, err)
	require.Contains(t, string(out), "google.golang.org/grpc/examples/route_guide/routeguide")
	for dep := range strings.Lines(string(out)) {
		if strings.HasPrefix(dep, "github.com/cloudstate-go/") {
			require.Equal(t, "github.com/cloudstate-go/cloudstate/examples/existing/guide", strings.TrimSpace(dep))
		}
	}
}
