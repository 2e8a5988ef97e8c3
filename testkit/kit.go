package testkit

import (
	"context"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/cloudstate-go/cloudstate"
	"github.com/cloudstate-go/cloudstate/proxy"
	"github.com/cloudstate-go/cloudstate/proxy/store"
	"github.com/cloudstate-go/cloudstate/proxy/store/memory"
)

const (
	// bufferSize is that of the connection between the test and the proxy, in bytes.
	bufferSize = 1 << 20
	// startTimeout is how long a proxy may take to discover its service.
	startTimeout = 10 * time.Second
)

// A Kit is a service with its proxy, both running until the test ends. It is a connection
// for generated clients.
//
// A Kit is safe for concurrent use. Use [New] to make one.
type Kit struct {
	tb      testing.TB
	conn    *grpc.ClientConn
	proxy   *proxy.Proxy
	journal *journal
	values  store.Values
	// entityTypes are those of the components by persistence id, to notice a misspelled one.
	entityTypes map[string][]string

	mu     sync.Mutex
	faults []string // not yet returned by Faults
}

var _ grpc.ClientConnInterface = (*Kit)(nil)

// New starts a service with these components and a proxy for it, and stops both when the
// test ends. It fails the test at once if the components are not valid, and at its end if
// the proxy has found faults that [Kit.Faults] has not returned.
func New(tb testing.TB, components ...cloudstate.Component) *Kit {
	tb.Helper()
	return Start(tb, &cloudstate.Service{Components: components})
}

// Start is New for a service with settings of its own, such as interceptors. A service
// without a logger logs warnings and errors to the test.
//
// Each configure may change settings of the proxy, such as its timeouts.
func Start(tb testing.TB, service *cloudstate.Service, configure ...func(*proxy.Proxy)) *Kit {
	tb.Helper()
	if err := service.Validate(); err != nil {
		tb.Fatalf("testkit: %v", err)
	}
	if service.Logger == nil {
		logged := *service
		logged.Logger = slog.New(slog.NewTextHandler(testLog{tb}, &slog.HandlerOptions{Level: slog.LevelWarn}))
		service = &logged
	}
	stored := memory.New()
	k := &Kit{tb: tb, journal: newJournal(stored), values: stored, entityTypes: map[string][]string{}}
	for _, c := range service.Components {
		if d := c.Declare(); d.Kind.Keyed {
			k.entityTypes[d.PersistenceID] = append(k.entityTypes[d.PersistenceID], d.Kind.EntityType)
		}
	}
	k.proxy = &proxy.Proxy{
		UserFunction: proxy.Embed(service),
		Logger:       slog.New(slog.DiscardHandler), // it would log faults, which fail the test anyway
		Journal:      k.journal,
		Values:       k.values,
		OnFault:      k.addFault,
	}
	for _, c := range configure {
		c(k.proxy)
	}
	k.run()
	return k
}

// run serves the proxy over memory until the test ends, and waits until it is ready.
func (k *Kit) run() {
	k.tb.Helper()
	lis := bufconn.Listen(bufferSize)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- k.proxy.Serve(ctx, lis) }()

	conn, err := grpc.NewClient("passthrough:testkit",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		cancel()
		k.tb.Fatalf("testkit: %v", err)
	}
	k.conn = conn
	k.tb.Cleanup(func() {
		k.tb.Helper()
		if err := conn.Close(); err != nil {
			k.tb.Errorf("testkit: close the connection: %v", err)
		}
		cancel()
		if err := <-served; err != nil {
			k.tb.Errorf("testkit: the proxy: %v", err)
		}
		for _, fault := range k.Faults() {
			k.tb.Errorf("testkit: the proxy found a fault of the service, which the test has not asked for with Faults: %s", fault)
		}
	})
	select {
	case <-k.proxy.Ready():
	case err := <-served:
		served <- nil
		k.tb.Fatalf("testkit: the proxy does not start: %v", err)
	case <-time.After(startTimeout):
		k.tb.Fatalf("testkit: the proxy was not ready within %v; does an interceptor among the ServerOptions refuse discovery?", startTimeout)
	}
}

// Invoke calls a unary method. Generated clients call it.
func (k *Kit) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	return k.conn.Invoke(ctx, method, args, reply, opts...)
}

// NewStream begins a streamed call. Generated clients call it.
func (k *Kit) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	return k.conn.NewStream(ctx, desc, method, opts...)
}

// Passivate drops an entity from memory, after the commands that it has been sent, and
// returns when it is gone. Its next command brings it back from what is stored. An entity
// that is not in memory stays so.
func (k *Kit) Passivate(persistenceID, id string) {
	k.tb.Helper()
	k.requirePersistenceID(persistenceID, "")
	if err := k.proxy.Passivate(k.tb.Context(), persistenceID, id); err != nil {
		k.tb.Fatalf("testkit: passivate %s %q: %v", persistenceID, id, err)
	}
}

// Faults returns what the proxy has found wrong with the service since the last call:
// entities that panicked, replies that break the protocol, events that cannot be replayed. An
// action that panics only fails its call, and is logged.
// A test that provokes a fault calls it, because a fault that nobody asked for fails the
// test when it ends.
func (k *Kit) Faults() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	faults := k.faults
	k.faults = nil
	return faults
}

func (k *Kit) addFault(fault proxy.Fault) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.faults = append(k.faults, fault.String())
}

// testLog writes the log to the test, with stacks as they are and not on one line.
type testLog struct{ tb testing.TB }

var unescape = strings.NewReplacer(`\n`, "\n", `\t`, "\t")

func (l testLog) Write(p []byte) (int, error) {
	l.tb.Log(unescape.Replace(strings.TrimSuffix(string(p), "\n")))
	return len(p), nil
}

// requirePersistenceID fails the test at once if no component has this persistence id, and,
// unless that is empty, this entity type.
func (k *Kit) requirePersistenceID(id, entityType string) {
	k.tb.Helper()
	switch types := k.entityTypes[id]; {
	case types == nil:
		k.tb.Fatalf("testkit: no component has the persistence id %q; there is %s", id, strings.Join(slices.Sorted(maps.Keys(k.entityTypes)), ", "))
	case entityType != "" && !slices.Contains(types, entityType):
		k.tb.Fatalf("testkit: %q is a %s, want a %s", id, strings.Join(types, ", "), entityType)
	}
}
