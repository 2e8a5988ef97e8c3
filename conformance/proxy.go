package conformance

import (
	"context"
	"net"
	"net/http"
	"testing"
	"time"

	"google.golang.org/grpc"
)

// A Proxy is a proxy to be checked: how it is started, and how long it may take.
type Proxy struct {
	// Start starts a proxy, and does not wait until it is ready. It is called for several
	// proxies at the same time, each with settings of its own.
	//
	// An error that matches errors.ErrUnsupported says that the settings are not possible,
	// or that there can be no further proxy; it makes what needs that not applicable. The
	// first proxy is one without any special setting. Required.
	Start func(ctx context.Context, settings ProxySettings) (*RunningProxy, error)

	// StartCluster starts one proxy for each user function, which replicate CRDT entities
	// among each other. Nil means that there are no clusters.
	StartCluster func(ctx context.Context, userFunctions []Server) ([]*RunningProxy, error)

	// Models is a connection to a user function that has the models of the official kit. Nil
	// means those of package models.
	Models grpc.ClientConnInterface

	// Timeout is how long the proxy may take for a message. Zero means 3 seconds, as in the
	// official kit.
	Timeout time.Duration

	// Skip are assertions that are not checked, by their ids, with the reasons that the report
	// then gives. Optional.
	Skip map[string]string
}

// A Server is something that can be served, such as the user function that a proxy gets in
// this suite.
type Server interface {
	// Serve serves on lis, which it closes, until the context ends.
	Serve(ctx context.Context, lis net.Listener) error
}

// ProxySettings are those of a proxy that is to be started.
type ProxySettings struct {
	// UserFunction is to be served where the proxy looks for its user function, from before it
	// starts until after it has stopped.
	UserFunction Server
	// SkipVersionCheck lets the proxy accept a user function of any protocol version.
	SkipVersionCheck bool
}

// A RunningProxy is a proxy that has been started.
type RunningProxy struct {
	// Conn is a connection of a client. Required.
	Conn grpc.ClientConnInterface

	// Stop stops the proxy as an operator would, who gives it time to finish, and then what
	// was started with it. It returns when that has ended. A proxy that could not start
	// because of its user function is no error. Required.
	Stop func() error

	// Ready waits until the proxy says that it is ready. Nil means that it does not say so;
	// then the suite asks for its services again and again.
	Ready func(context.Context) error

	// HTTP sends a request to the proxy, of which URL has only path and query. Nil means that
	// the proxy has no HTTP.
	HTTP func(*http.Request) (*http.Response, error)

	// EventLogs says that methods get the events of event sourced entities.
	EventLogs bool

	// Topics says that replies can be published to topics, and that methods get what is
	// published.
	Topics bool

	// Store lets the suite disturb the store of the proxy. Nil means that nobody can.
	Store Store
}

// A Store lets the suite disturb the store of a proxy, which has no other way to see what is
// stored when. Its methods may be called concurrently.
type Store interface {
	// FailNext lets the next write for an entity fail, without that anything is stored.
	FailNext(persistenceID, entityID string)
	// HoldNext lets the next write for an entity wait. The channel is closed when it does;
	// release lets it go on.
	HoldNext(persistenceID, entityID string) (waits <-chan struct{}, release func())
}

// TestProxy checks the proxy's side of the protocol, with a subtest for each assertion, in
// which each scenario has one. A scenario is skipped, with the reason, if the proxy does not
// have what it needs. At last, everything that the proxy has said is looked at once more. The
// report is logged at the end.
//
// It stops the proxies that it has started.
func TestProxy(t *testing.T, target Proxy) {
	t.Helper()
	b, err := newBench(t.Context(), target)
	if err != nil {
		t.Fatalf("conformance: %v", err)
	}
	report := proxySuite.without(target.Skip).test(t, b.main)
	t.Cleanup(func() { // when the subtests have ended, and before the report is logged
		for _, failed := range b.finish(report) {
			t.Error(failed)
		}
	})
}

// CheckProxy is TestProxy without go test. The error says why no check could be made.
func CheckProxy(ctx context.Context, target Proxy) (*Report, error) {
	b, err := newBench(ctx, target)
	if err != nil {
		return nil, err
	}
	report := proxySuite.without(target.Skip).check(ctx, b.main)
	b.finish(report)
	return report, nil
}
