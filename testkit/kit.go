package testkit

import (
	"context"
	"errors"
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
	"github.com/cloudstate-go/cloudstate/internal/component"
	"github.com/cloudstate-go/cloudstate/proxy"
	"github.com/cloudstate-go/cloudstate/proxy/store"
	"github.com/cloudstate-go/cloudstate/proxy/store/memory"
)

const (
	// bufferSize is that of the connection between the test and the proxy, in bytes.
	bufferSize = 1 << 20
	// startTimeout is how long a proxy may take to discover its service.
	startTimeout = 10 * time.Second
	// passivateTimeout is how long an entity may take to leave memory.
	passivateTimeout = 10 * time.Second
)

// A Kit is a service with its proxy, both running until the test ends. It is a connection
// for generated clients.
//
// Entities are named by the persistence id of their declaration, and their own id. A Kit is
// safe for concurrent use. Use [New] to make one.
type Kit struct {
	tb        testing.TB
	conn      *grpc.ClientConn
	proxy     *proxy.Proxy
	journal   *journal
	values    store.Values
	entities  map[string][]*component.Declaration // by persistence id
	stubs     []*Stub
	outcomes  outcomes
	laws      laws
	injected  injected
	consumers []store.Consumer // of events
	positions positions        // of these
	handlers  sync.WaitGroup   // of streams, which may go on when these are broken

	mu     sync.Mutex
	faults []string // not yet returned by Faults
	// activations counts how often entities were brought into memory.
	activations map[store.Key]int
	// links are what is open between proxy and service, with the entity, if it has one.
	links map[*link]store.Key
}

var _ grpc.ClientConnInterface = (*Kit)(nil)

// New starts a service with these components and a proxy for it, and stops both when the
// test ends. It fails the test at once if the components are not valid, when a [Law] is
// broken, and at its end if the proxy has found faults that [Kit.Faults] has not returned.
//
// In a benchmark, the kit does not look at what commands do, because that would be measured.
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
	k := &Kit{tb: tb, entities: map[string][]*component.Declaration{}, activations: map[store.Key]int{}, links: map[*link]store.Key{}}
	for _, c := range service.Components {
		if s, ok := c.(*Stub); ok {
			k.stubs = append(k.stubs, s)
		}
		d := c.Declare()
		k.consumers = append(k.consumers, consumersOf(d)...)
		if d.Kind.Keyed {
			k.entities[d.PersistenceID] = append(k.entities[d.PersistenceID], d)
		}
	}
	if err := k.checkStubs(); err != nil {
		tb.Fatalf("testkit: %v", err)
	}
	stored := memory.New()
	k.proxy = &proxy.Proxy{
		UserFunction: proxy.Embed(k.observed(service)),
		Logger:       slog.New(slog.DiscardHandler), // it would log faults, which fail the test anyway
		Journal:      stored,
		Values:       stored,
		OnFault:      k.addFault,
	}
	for _, c := range configure {
		c(k.proxy)
	}
	keepEventing(k.proxy)
	k.positions.Consumers = k.proxy.Eventing.Consumers
	if k.positions.Consumers != nil {
		k.proxy.Eventing.Consumers = &k.positions
	}
	k.journal, k.values = newJournal(k.proxy.Journal), k.proxy.Values
	k.proxy.Journal, k.proxy.Values = newFaultyJournal(k.journal, &k.injected), &faultyValues{k.values, &k.injected}
	k.run()
	return k
}

// checkStubs returns what is wrong with what the stubs were told.
func (k *Kit) checkStubs() error {
	mistakes := make([]error, 0, len(k.stubs))
	for _, s := range k.stubs {
		mistakes = append(mistakes, s.check())
	}
	return errors.Join(mistakes...)
}

// observed returns a service of which the kit sees what it does, and that logs to the test.
func (k *Kit) observed(service *cloudstate.Service) *cloudstate.Service {
	s := *service
	if s.Logger == nil {
		s.Logger = slog.New(slog.NewTextHandler(testLog{k.tb}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
	if !k.observes() {
		return &s
	}
	s.ServerOptions = append(slices.Clip(s.ServerOptions), grpc.ChainStreamInterceptor(k.watchStream), grpc.ChainUnaryInterceptor(k.watchCall))
	return &s
}

// observes says whether the kit sees what commands do. In a benchmark it would be measured.
func (k *Kit) observes() bool {
	_, benchmark := k.tb.(*testing.B)
	return !benchmark
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
		k.handlers.Wait()
		for _, fault := range k.injected.rest() {
			k.tb.Errorf("testkit: the fault %s was injected, but has not happened: there was no occasion", fault)
		}
		if err := k.checkStubs(); err != nil {
			k.tb.Errorf("testkit: %v", err)
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

// context returns the context of what the test asks for. It does not end when the test does,
// because its cleanups may ask for something.
func (k *Kit) context() context.Context { return context.WithoutCancel(k.tb.Context()) }

// Passivate drops an entity from memory, after the commands that it has been sent, and
// returns when it is gone. Its next command brings it back from what is stored. An entity
// that is not in memory stays so. The test fails at once if it takes more than 10 seconds,
// because a handler does not return or, of a CRDT entity, a stream is open.
func (k *Kit) Passivate(persistenceID, id string) {
	k.tb.Helper()
	k.require(persistenceID, "")
	ctx, cancel := context.WithTimeout(k.context(), passivateTimeout)
	defer cancel()
	if err := k.proxy.Passivate(ctx, persistenceID, id); err != nil {
		k.tb.Fatalf("testkit: passivate %s %q: %v; has a handler not returned, or is a stream open?", persistenceID, id, err)
	}
}

// Activations returns how often an entity was brought into memory.
func (k *Kit) Activations(persistenceID, id string) int {
	k.tb.Helper()
	k.requireObserves()
	k.require(persistenceID, "")
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.activations[store.Key{Type: persistenceID, ID: id}]
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
	if k.injected.explains(fault) || errors.Is(fault.Err, proxy.ErrWriteConsistency) {
		return // what the test has asked for, by a partition as well
	}
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

// require returns the entity type with a persistence id and, unless that is empty, a kind. It
// fails the test at once if there is none.
func (k *Kit) require(persistenceID, entityType string) *component.Declaration {
	k.tb.Helper()
	types := k.entities[persistenceID]
	if types == nil {
		k.tb.Fatalf("testkit: no component has the persistence id %q; there is %s", persistenceID, strings.Join(slices.Sorted(maps.Keys(k.entities)), ", "))
	}
	kinds := make([]string, 0, len(types))
	for _, d := range types {
		if entityType == "" || d.Kind.EntityType == entityType {
			return d
		}
		kinds = append(kinds, d.Kind.EntityType)
	}
	k.tb.Fatalf("testkit: %q is a %s, want a %s", persistenceID, strings.Join(kinds, ", "), entityType)
	return nil
}
