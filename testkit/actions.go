package testkit

import (
	"context"

	"google.golang.org/grpc"
)

// watchCall is an interceptor of the unary methods of the protocol.
func (k *Kit) watchCall(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	return handler(ctx, req)
}
