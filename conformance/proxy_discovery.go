package conformance

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/cloudstate-go/cloudstate/protocol"
)

// proxyDiscoveryChecks are those of how a proxy finds out what to serve.
var proxyDiscoveryChecks = checks[*rig]{
	"P-001": {"what the proxy says of itself": checkProxyInfo},
	"P-010": {
		"version 0.1":     refusesSpec(version(0, 1), incompatible("0.1")),
		"version 0.3":     refusesSpec(version(0, 3), incompatible("0.3")),
		"version 1.2":     refusesSpec(version(1, 2), incompatible("1.2")),
		"no service info": refusesSpec(withoutInfo, incompatible("0.0")),
	},
	"P-011": {"version 1.2": checkSkippedVersionCheck},
	"P-012": {
		"no entities":          refusesSpec(withoutEntities, "No entities were reported by the discover call!"),
		"an unknown service":   refusesSpec(withUnknownService, "Service [no.Such] not found in descriptors!"),
		"a missing dependency": refusesSpec(withFiles(chain("a.proto", "b.proto", "missing.proto")...), "Descriptor dependency [missing.proto] not found, dependency path: [b.proto] -> [a.proto]"),
		"files that import each other": refusesSpec(withFiles(chain("a.proto", "b.proto", "a.proto")...),
			"Circular dependency detected in entity spec descriptor: [a.proto] -> [b.proto] -> [a.proto]"),
		"an unsupported entity type": checkUnsupportedType,
	},
	"P-013": {
		"dependents before dependencies": acceptsSpec(reversed),
		"another order":                  acceptsSpec(rotated),
	},
	"P-014": refusedMethods(),
	"P-016": {
		"the connection breaks": checkRefusedConnection,
		"the call fails":        checkRefusedDiscovery,
	},
	"P-017": {"discovery takes its time": checkReadiness},
}

func checkProxyInfo(t *trial, r *rig) {
	ctx, cancel := r.limit(t.Context())
	defer cancel()
	info, err := r.Discovery(ctx)
	require.NoError(t, err, "discover has not been called")
	require.EqualValues(t, protocolMajorVersion, info.GetProtocolMajorVersion(), "major version of the protocol")
	require.EqualValues(t, protocolMinorVersion, info.GetProtocolMinorVersion(), "minor version of the protocol")
	require.ElementsMatch(t, []string{actionType, eventSourcedType, valueEntityType, crdtType}, info.GetSupportedEntityTypes(), "supported entity types")
}

// A respec makes something else of what the models say of themselves.
type respec = func(*protocol.EntitySpec) (*protocol.EntitySpec, error)

// changing returns a respec that changes a copy.
func changing(change func(*protocol.EntitySpec)) respec {
	return func(spec *protocol.EntitySpec) (*protocol.EntitySpec, error) {
		spec = proto.CloneOf(spec)
		change(spec)
		return spec, nil
	}
}

func version(major, minor int32) respec {
	return changing(func(spec *protocol.EntitySpec) {
		spec.ServiceInfo = &protocol.ServiceInfo{ProtocolMajorVersion: major, ProtocolMinorVersion: minor}
	})
}

func incompatible(version string) string {
	return fmt.Sprintf("Incompatible protocol version %s, only 0.2 is supported", version)
}

func withoutInfo(spec *protocol.EntitySpec) (*protocol.EntitySpec, error) {
	return changing(func(spec *protocol.EntitySpec) { spec.ServiceInfo = nil })(spec)
}

func withoutEntities(spec *protocol.EntitySpec) (*protocol.EntitySpec, error) {
	return changing(func(spec *protocol.EntitySpec) { spec.Entities = nil })(spec)
}

func withUnknownService(spec *protocol.EntitySpec) (*protocol.EntitySpec, error) {
	return changing(func(spec *protocol.EntitySpec) {
		spec.Entities = append(spec.Entities, &protocol.Entity{EntityType: actionType, ServiceName: "no.Such"})
	})(spec)
}

// files changes the descriptor set.
func files(change func(*descriptorpb.FileDescriptorSet)) respec {
	return func(spec *protocol.EntitySpec) (*protocol.EntitySpec, error) {
		set := &descriptorpb.FileDescriptorSet{}
		if err := proto.Unmarshal(spec.GetProto(), set); err != nil { //nolint:forbidigo // descriptors have no type URL
			return nil, fmt.Errorf("the descriptors of the models: %w", err)
		}
		change(set)
		spec = proto.CloneOf(spec)
		spec.Proto = encode(set)
		return spec, nil
	}
}

// withFiles puts other files in the place of all.
func withFiles(other ...*descriptorpb.FileDescriptorProto) respec {
	return files(func(set *descriptorpb.FileDescriptorSet) { set.File = other })
}

// chain returns files of which each imports the next. The last one is not among them.
func chain(names ...string) []*descriptorpb.FileDescriptorProto {
	all := make([]*descriptorpb.FileDescriptorProto, 0, len(names))
	for i, name := range names[:len(names)-1] {
		all = append(all, &descriptorpb.FileDescriptorProto{Name: new(name), Syntax: new("proto3"), Dependency: []string{names[i+1]}})
	}
	return all
}

func reversed(spec *protocol.EntitySpec) (*protocol.EntitySpec, error) {
	return files(func(set *descriptorpb.FileDescriptorSet) { slices.Reverse(set.GetFile()) })(spec)
}

func rotated(spec *protocol.EntitySpec) (*protocol.EntitySpec, error) {
	return files(func(set *descriptorpb.FileDescriptorSet) {
		half := len(set.GetFile()) / 2
		set.File = slices.Concat(set.GetFile()[half:], set.GetFile()[:half])
	})(spec)
}

// refusesSpec returns a check that a proxy does not serve a user function that says this of
// itself, and reports why.
func refusesSpec(change respec, report string) func(*trial, *rig) {
	return refusesWith(change, report, func(text string) bool { return text == report })
}

// refusesWith is refusesSpec for a report that matches.
func refusesWith(change respec, report string, match func(string) bool) func(*trial, *rig) {
	return func(t *trial, r *rig) {
		other := r.start(t, change)
		other.requireReportThat(t, report, match)
		call := other.call(t, eventSourcedTwoName, "Call", eventSourcedKind.request("e"), eventSourcedKind.response)
		call.wait()
		if call.err == nil {
			t.Fatalf("a call was answered with %v, want it to fail, because the user function was refused", call.reply)
		}
		require.Empty(t, other.unexpected(), "streams of a user function that was refused")
		require.Empty(t, other.UnreadReports(), "further reports")
	}
}

// acceptsSpec returns a check that a proxy serves a user function that says this of itself.
func acceptsSpec(change respec) func(*trial, *rig) {
	return func(t *trial, r *rig) { r.start(t, change).awaitReady(t).requireService(t) }
}

// requireService requires that calls are answered, and that nothing was reported.
func (r *rig) requireService(t *trial) {
	for _, kind := range []*entityKind{eventSourcedKind, valueEntityKind, crdtKind} {
		e := r.specimen(t, kind, kind.two)
		e.call().requireReply(kind.response)
		e.accept().require(e.init(), e.command(1))
	}
	require.Empty(t, r.UnreadReports(), "reports")
}

func checkSkippedVersionCheck(t *trial, r *rig) {
	other := r.newRig(version(1, 2))
	other.startAs(t, ProxySettings{UserFunction: other, SkipVersionCheck: true})
	other.awaitReady(t).requireService(t)
}

func checkUnsupportedType(t *trial, r *rig) {
	other := r.start(t, changing(func(spec *protocol.EntitySpec) { spec.Entities[0].EntityType = "no.such.Type" }))
	ctx, cancel := r.limit(t.Context())
	defer cancel()
	info, err := other.Discovery(ctx)
	require.NoError(t, err, "discover has not been called")
	report := fmt.Sprintf("Service [%s] has declared an unsupported entity type [no.such.Type]. Supported types are %s",
		r.spec.Load().GetEntities()[0].GetServiceName(), strings.Join(info.GetSupportedEntityTypes(), ","))
	other.requireReportThat(t, report, func(text string) bool { return text == report })
}

// lateServer is a user function that refuses connections at first.
type lateServer struct {
	Server

	refused chan struct{} // closed after the first one
}

// Serve implements Server.
func (l *lateServer) Serve(ctx context.Context, lis net.Listener) error {
	return l.Server.Serve(ctx, &refusingListener{Listener: lis, refused: l.refused})
}

// A refusingListener breaks its first connection.
type refusingListener struct {
	net.Listener

	once    sync.Once
	refused chan struct{}
}

// Accept implements net.Listener.
func (l *refusingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	first := false
	l.once.Do(func() { first = true })
	if !first {
		return conn, nil
	}
	err = conn.Close()
	close(l.refused)
	if err != nil {
		return nil, err
	}
	return l.Accept()
}

// retryTimeout is how long a proxy may wait before it tries again to discover its user
// function, besides the time for a message (protocol section 2.1).
const retryTimeout = 10 * time.Second

// requireRetried requires that the proxy serves its clients after it has tried again.
func (r *rig) requireRetried(t *trial) {
	ctx, cancel := context.WithTimeout(t.Context(), retryTimeout+r.target.Timeout)
	defer cancel()
	if err := r.ready(ctx); err != nil {
		t.Fatalf("the proxy does not become ready: %v; it has reported: %q", err, r.UnreadReports())
	}
	r.requireService(t)
}

func checkRefusedConnection(t *trial, r *rig) {
	other := r.newRig(withProbes)
	late := &lateServer{Server: other, refused: make(chan struct{})}
	other.startAs(t, ProxySettings{UserFunction: late})
	other.awaitClosed(t, late.refused, "a connection")
	other.requireRetried(t)
}

func checkRefusedDiscovery(t *trial, r *rig) {
	var calls atomic.Int64
	other := r.newRig(func(spec *protocol.EntitySpec) (*protocol.EntitySpec, error) {
		if calls.Add(1) == 1 {
			return nil, status.Error(codes.Unavailable, "the user function is not ready yet")
		}
		return spec, nil
	})
	other.startAs(t, ProxySettings{UserFunction: other})
	other.requireRetried(t)
	require.EqualValues(t, 2, calls.Load(), "calls of discover")
}

// checkReadiness holds discovery up.
func checkReadiness(t *trial, r *rig) {
	if r.proxy.Ready == nil {
		t.NotApplicablef("the proxy does not say when it is ready")
	}
	asked, proceed := make(chan struct{}), make(chan struct{})
	once := sync.OnceFunc(func() { close(asked) })
	release := sync.OnceFunc(func() { close(proceed) })
	other := r.newRig(func(spec *protocol.EntitySpec) (*protocol.EntitySpec, error) {
		once()
		<-proceed
		return spec, nil
	})
	other.startAs(t, ProxySettings{UserFunction: other})
	t.Cleanup(release)
	other.awaitClosed(t, asked, "a call of discover")
	r.fence(t)
	ready := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	go func() { ready <- other.proxy.Ready(ctx) }()
	r.fence(t)
	select {
	case err := <-ready:
		t.Fatalf("the proxy says that it is ready (%v), but it has discovered nothing yet", err)
	default:
	}
	release()
	select {
	case err := <-ready:
		require.NoError(t, err, "the proxy does not become ready")
	case <-t.Context().Done():
		t.FailNow()
	}
	other.requireService(t) // at once
}
