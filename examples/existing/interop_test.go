package existing_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/interop"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/cloudstate-go/cloudstate/action"
	"github.com/cloudstate-go/cloudstate/testkit"
)

// client serves the server of gRPC's interoperability tests, as grpc-go has it, as an action.
func client(t *testing.T) pb.TestServiceClient {
	t.Helper()
	return pb.NewTestServiceClient(testkit.New(t, &action.Action{
		Service: &pb.TestService_ServiceDesc,
		Server:  interop.NewTestServer(),
	}))
}

// The tests by which gRPC implementations prove that they work together pass. They end
// the program if they fail.
func TestInterop_PassesTheTestsOfGRPC(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(context.Context, pb.TestServiceClient){
		"empty unary":                 func(ctx context.Context, tc pb.TestServiceClient) { interop.DoEmptyUnaryCall(ctx, tc) },
		"large unary":                 func(ctx context.Context, tc pb.TestServiceClient) { interop.DoLargeUnaryCall(ctx, tc) },
		"client streaming":            func(ctx context.Context, tc pb.TestServiceClient) { interop.DoClientStreaming(ctx, tc) },
		"server streaming":            func(ctx context.Context, tc pb.TestServiceClient) { interop.DoServerStreaming(ctx, tc) },
		"ping pong":                   func(ctx context.Context, tc pb.TestServiceClient) { interop.DoPingPong(ctx, tc) },
		"empty stream":                func(ctx context.Context, tc pb.TestServiceClient) { interop.DoEmptyStream(ctx, tc) },
		"timeout on sleeping server":  func(ctx context.Context, tc pb.TestServiceClient) { interop.DoTimeoutOnSleepingServer(ctx, tc) },
		"cancel after begin":          func(ctx context.Context, tc pb.TestServiceClient) { interop.DoCancelAfterBegin(ctx, tc) },
		"cancel after first response": func(ctx context.Context, tc pb.TestServiceClient) { interop.DoCancelAfterFirstResponse(ctx, tc) },
		"status code and message":     func(ctx context.Context, tc pb.TestServiceClient) { interop.DoStatusCodeAndMessage(ctx, tc) },
		"special status message":      func(ctx context.Context, tc pb.TestServiceClient) { interop.DoSpecialStatusMessage(ctx, tc) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t.Context(), client(t))
		})
	}
}

// What the service does not implement, it says.
func TestInterop_SaysWhatIsNotImplemented(t *testing.T) {
	t.Parallel()
	_, err := client(t).UnimplementedCall(t.Context(), &pb.Empty{})
	require.Equal(t, codes.Unimplemented, status.Code(err))
}
