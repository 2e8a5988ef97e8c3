package frontend

import (
	"context"
	"log/slog"
	"runtime/debug"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/cloudstate-go/cloudstate/proxy/internal/spec"
)

// Why no call is carried out.
var (
	errDraining     = status.Error(codes.Unavailable, "the proxy is shutting down; call another instance")
	errUndiscovered = status.Error(codes.Unavailable, "the proxy does not know the services of its user function yet; try again later")
)

// route gets every call over gRPC except those of reflection and health.
func (s *Server) route(_ any, stream grpc.ServerStream) error {
	method, err := s.find(stream)
	if err != nil {
		return err
	}
	return s.run(stream.Context(), &call{wire: &grpcWire{stream: stream}, method: method})
}

// run carries out a call, and returns its status.
func (s *Server) run(ctx context.Context, c *call) error {
	if err := c.begin(); err != nil {
		return err
	}
	if err := s.handle(ctx, c); err != nil {
		return err
	}
	return c.end()
}

// find returns the method that is called.
func (s *Server) find(stream grpc.ServerStream) (*spec.Method, error) {
	current := s.state.Load()
	if current.draining {
		return nil, errDraining
	}
	if current.spec == nil {
		return nil, errUndiscovered
	}
	path, _ := grpc.MethodFromServerStream(stream)
	method := current.spec.MethodByPath(path)
	if method == nil {
		return nil, unknown(current.spec, path)
	}
	for _, contentType := range metadata.ValueFromIncomingContext(stream.Context(), "content-type") {
		if !isProtobuf(contentType) {
			return nil, status.Errorf(codes.Unimplemented, "content type %q is not supported; send application/grpc or application/grpc+proto", contentType)
		}
	}
	return method, nil
}

// unknown says what of a path is unknown (P-184).
func unknown(published *spec.Spec, path string) error {
	service, method := path, ""
	if slash := strings.LastIndexByte(path, '/'); slash > 0 {
		service, method = path[1:slash], path[slash+1:]
	}
	if published.Service(service) == nil {
		return status.Errorf(codes.Unimplemented, "unknown service %s", service)
	}
	return status.Errorf(codes.Unimplemented, "unknown method %s of service %s", method, service)
}

// isProtobuf reports whether messages are protobuf (protocol section 8.1). What gRPC has
// let through begins with "application/grpc".
func isProtobuf(contentType string) bool {
	subtype, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	switch strings.TrimSpace(strings.TrimPrefix(subtype, "application/grpc")) {
	case "", "+proto":
		return true
	default:
		return false
	}
}

// handle calls the handler and survives its panics.
func (s *Server) handle(ctx context.Context, c *call) (err error) {
	defer func() {
		if r := recover(); r != nil {
			s.config.Logger.LogAttrs(ctx, slog.LevelError, "the handler of a call panicked",
				slog.String("method", c.method.Path()), slog.Any("panic", r), slog.String("stack", string(debug.Stack())))
			err = status.Error(codes.Internal, "the proxy failed to handle the call")
		}
	}()
	return s.config.Handler(c)
}
