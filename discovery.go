package cloudstate

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate/internal/component"
	"github.com/cloudstate-go/cloudstate/protocol"
)

// What discovery says of this library.
const (
	libraryName    = "cloudstate-go"
	libraryVersion = "0.1.0"
)

// discovery answers the proxy's question for what a service serves (protocol section 2).
type discovery struct {
	protocol.UnsafeEntityDiscoveryServer

	logger *slog.Logger
	spec   *protocol.EntitySpec // always the same, and never changed
}

func newDiscovery(s *Service, declarations []*component.Declaration, files *descriptorpb.FileDescriptorSet) (*discovery, error) {
	serialized, err := proto.MarshalOptions{Deterministic: true}.Marshal(files)
	if err != nil {
		return nil, fmt.Errorf("service: encode the descriptors: %w", err)
	}
	spec := &protocol.EntitySpec{
		Proto: serialized,
		ServiceInfo: &protocol.ServiceInfo{
			ServiceName:           s.Name,
			ServiceVersion:        s.Version,
			ServiceRuntime:        fmt.Sprintf("%s %s/%s", runtime.Version(), runtime.GOOS, runtime.GOARCH),
			SupportLibraryName:    libraryName,
			SupportLibraryVersion: libraryVersion,
			ProtocolMajorVersion:  protocol.MajorVersion,
			ProtocolMinorVersion:  protocol.MinorVersion,
		},
	}
	for _, d := range declarations {
		spec.Entities = append(spec.Entities, entitySpec(d))
	}
	return &discovery{logger: s.logger(), spec: spec}, nil
}

func entitySpec(d *component.Declaration) *protocol.Entity {
	e := &protocol.Entity{
		EntityType:    d.Kind.EntityType,
		ServiceName:   d.Service.ServiceName,
		PersistenceId: d.PersistenceID,
	}
	if d.PassivateAfter > 0 {
		e.PassivationStrategy = &protocol.EntityPassivationStrategy{
			Strategy: &protocol.EntityPassivationStrategy_Timeout{
				Timeout: &protocol.TimeoutPassivationStrategy{Timeout: d.PassivateAfter.Milliseconds()},
			},
		}
	}
	return e
}

// Discover returns the same spec to every caller. What the proxy lacks is its affair: it
// refuses the spec itself and says why.
func (d *discovery) Discover(ctx context.Context, proxy *protocol.ProxyInfo) (*protocol.EntitySpec, error) {
	d.logger.LogAttrs(ctx, slog.LevelInfo, "discovered by a proxy",
		slog.String("proxy", proxy.GetProxyName()), slog.String("version", proxy.GetProxyVersion()))
	if proxy.GetProtocolMajorVersion() != protocol.MajorVersion || proxy.GetProtocolMinorVersion() != protocol.MinorVersion {
		d.logger.LogAttrs(ctx, slog.LevelWarn, "the proxy speaks another version of the protocol",
			slog.String("proxy", proxy.GetProxyName()),
			slog.String("found", fmt.Sprintf("%d.%d", proxy.GetProtocolMajorVersion(), proxy.GetProtocolMinorVersion())),
			slog.String("want", fmt.Sprintf("%d.%d", protocol.MajorVersion, protocol.MinorVersion)))
	}
	for _, e := range d.spec.GetEntities() {
		if !slices.Contains(proxy.GetSupportedEntityTypes(), e.GetEntityType()) {
			d.logger.LogAttrs(ctx, slog.LevelError, "the proxy does not support this kind of entity",
				slog.String("service", e.GetServiceName()), slog.String("kind", e.GetEntityType()),
				slog.String("supported", strings.Join(proxy.GetSupportedEntityTypes(), ", ")))
		}
	}
	return d.spec, nil
}

// ReportError logs what the proxy has found wrong with this service.
func (d *discovery) ReportError(ctx context.Context, e *protocol.UserFunctionError) (*emptypb.Empty, error) {
	attrs := []slog.Attr{slog.String("error", e.GetMessage())}
	if hint := hintFor(e.GetMessage()); hint != "" {
		attrs = append(attrs, slog.String("hint", hint))
	}
	d.logger.LogAttrs(ctx, slog.LevelError, "the proxy reports an error of this service", attrs...)
	return &emptypb.Empty{}, nil
}
