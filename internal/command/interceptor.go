package command

import (
	"context"

	"google.golang.org/grpc"
)

// Chain returns one interceptor that runs all of them, the first outermost, and nil
// for none.
func Chain(interceptors []grpc.UnaryServerInterceptor) grpc.UnaryServerInterceptor {
	switch len(interceptors) {
	case 0:
		return nil
	case 1:
		return interceptors[0]
	}
	first, rest := interceptors[0], Chain(interceptors[1:])
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		return first(ctx, req, info, func(ctx context.Context, req any) (any, error) {
			return rest(ctx, req, info, handler)
		})
	}
}

// ChainStream returns one interceptor that runs all of them, the first outermost, and nil
// for none.
func ChainStream(interceptors []grpc.StreamServerInterceptor) grpc.StreamServerInterceptor {
	switch len(interceptors) {
	case 0:
		return nil
	case 1:
		return interceptors[0]
	}
	first, rest := interceptors[0], ChainStream(interceptors[1:])
	return func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		return first(srv, stream, info, func(srv any, stream grpc.ServerStream) error {
			return rest(srv, stream, info, handler)
		})
	}
}
