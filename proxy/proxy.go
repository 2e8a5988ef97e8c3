package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloudstate-go/cloudstate/proxy/cluster"
	"github.com/cloudstate-go/cloudstate/proxy/internal/meter"
	"github.com/cloudstate-go/cloudstate/proxy/internal/spec"
	"github.com/cloudstate-go/cloudstate/proxy/observe"
	"github.com/cloudstate-go/cloudstate/proxy/store"
	"github.com/cloudstate-go/cloudstate/proxy/store/memory"
)

// What the zero values of settings stand for.
const (
	defaultAddr               = "127.0.0.1:9000"
	defaultPassivationTimeout = 30 * time.Second
	defaultRelayTimeout       = time.Minute
	defaultGracePeriod        = 10 * time.Second
	defaultMaxMessageSize     = 12 << 20
	defaultReadTimeout        = time.Minute
	defaultWriteTimeout       = 30 * time.Second
)

// A Proxy serves the components of one user function to clients.
//
// Fields must not be changed once it runs. Apart from UserFunction, the zero value of
// each is ready for use. A proxy runs once.
type Proxy struct {
	// UserFunction has the components: Dial or Embed. Required.
	UserFunction UserFunction

	// Addr is where Run listens for clients. Empty means 127.0.0.1:9000.
	Addr string

	// Journal keeps the events of event sourced entities. Nil means in memory. It is
	// not closed by the proxy.
	Journal store.Journal

	// Values keeps the states of value entities. Nil means Journal, if it does that, and in
	// memory if it does not. It is not closed by the proxy.
	Values store.Values

	// Replicas keeps CRDT entities when the proxy stops. They are read when it starts, and a
	// change is kept before its command is answered. It must not be that of another proxy,
	// and is not closed by this one. Nil means that they are lost with the last proxy of the
	// cluster, as they are with the reference proxy.
	//
	// A proxy that starts again is another node: it has its CRDTs, but votes as if it never
	// had, because the streams of its clients ended with its former life.
	Replicas store.Replicas

	// Descriptors keeps what the user function says of itself, so that tools can show what is
	// stored when it does not run. Nil means Journal, if it does that; if it does not, they
	// are not kept. It is not closed by the proxy.
	Descriptors store.Descriptors

	// Eventing says how methods get events, and where their replies are published. It works
	// with a Journal that has what it needs, as that in memory has.
	Eventing Eventing

	// Cluster connects the proxy with others, which replicate CRDT entities among each
	// other. It is joined once the user function has been discovered, and left when the
	// proxy stops. Nil means that there are no others.
	Cluster cluster.Transport

	// Logger gets a record for each fault, and for start and stop. Nil
	// means slog.Default().
	Logger *slog.Logger

	// PassivationTimeout is how long an entity stays in memory without a command,
	// where its service does not say. Zero means 30 seconds.
	PassivationTimeout time.Duration

	// RelayTimeout is how long a client waits for an entity, in the entity's queue and
	// for its answer; then it gets DEADLINE_EXCEEDED. The entity is not told. It
	// also limits how long a method may take for an event, see Eventing. Zero means one minute.
	RelayTimeout time.Duration

	// GracePeriod is how long calls and entities may take to finish when the proxy
	// stops; what goes on longer is aborted. Zero means 10 seconds.
	GracePeriod time.Duration

	// MaxMessageSize limits the messages of clients and of the user function, and what
	// clients send over HTTP, in bytes. Zero means 12 MiB.
	MaxMessageSize int

	// StreamBuffer limits what waits in the proxy for a client that reads a stream of a CRDT
	// entity more slowly than it is written, in bytes; each message counts for 256 more than
	// its size. Beyond that, the client's stream ends with RESOURCE_EXHAUSTED, and the user
	// function is told that the client has gone. Streams of actions need no limit: their
	// handlers wait for their clients. Zero means as much as MaxMessageSize.
	StreamBuffer int

	// HTTP has the settings for clients that do not speak gRPC.
	HTTP HTTP

	// SkipVersionCheck accepts user functions of any protocol version.
	SkipVersionCheck bool

	// EntityMetadata passes the headers of a call on to entities, as the metadata of
	// the command. The reference proxy never does.
	EntityMetadata bool

	// OnFault is called with everything that the user function or the store did wrong:
	// what is reported to the user function, entities that crash, stores that
	// cannot be read. It is called concurrently, and must return soon. Nil means nobody
	// listens.
	OnFault func(Fault)

	// Observe is called once for each service of the user function when it has been
	// discovered. What it returns is called with what happens to the components of the
	// service, for metrics; nil if nobody wants to know. Nil means nobody listens.
	Observe func(observe.Service) observe.Observer

	once    sync.Once
	ready   chan struct{}
	started atomic.Bool
	running atomic.Pointer[running]
}

// A Fault is something that the user function or the store did wrong.
type Fault struct {
	// Service is the full name of the service that is concerned; empty if it is the
	// whole user function.
	Service string
	// EntityID is the entity, where one is concerned.
	EntityID string
	// Command is the simple name of the command, where one is concerned.
	Command string
	// Err says what happened. Never nil.
	Err error
}

// String says where, and what.
func (f Fault) String() string {
	where := f.Service
	if f.EntityID != "" {
		where += fmt.Sprintf(" %q", f.EntityID)
	}
	if f.Command != "" {
		where += ": " + f.Command
	}
	if where == "" {
		return f.Err.Error()
	}
	return where + ": " + f.Err.Error()
}

// Run listens on Addr and serves until the context ends. See [Proxy.Serve].
func (p *Proxy) Run(ctx context.Context) error {
	addr := p.Addr
	if addr == "" {
		addr = defaultAddr
	}
	var config net.ListenConfig
	lis, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("proxy: listen for clients: %w; the field Addr, %q, sets where", err, addr)
	}
	return p.Serve(ctx, lis)
}

// Serve serves clients that connect to lis until the context ends. It closes lis.
//
// Until the user function has been discovered, clients get UNAVAILABLE; a user function
// that cannot be reached is asked again, without end. When the context ends, new calls
// are refused, the ones that run get the grace period to finish, entities leave memory,
// an embedded user function is stopped, and Serve returns nil. Nothing of it goes on
// after that.
//
// Serve returns an error if it cannot start; if the user function cannot be served,
// after having told it so (dialled and embedded alike: a changed user function needs
// a new proxy); and if the listener or an embedded user function fails.
func (p *Proxy) Serve(ctx context.Context, lis net.Listener) error {
	err := p.startable()
	if err != nil {
		return errors.Join(err, lis.Close())
	}
	s, err := p.newSession(ctx)
	if err != nil {
		return errors.Join(err, lis.Close())
	}
	return s.serve(ctx, lis)
}

// startable returns why the proxy cannot run. After the first call it cannot.
func (p *Proxy) startable() error {
	if p.UserFunction == nil {
		return errors.New("proxy: UserFunction is nil, want what Dial or Embed returns")
	}
	if err := p.HTTP.check(); err != nil {
		return err
	}
	if !p.started.CompareAndSwap(false, true) {
		return errors.New("proxy: Serve or Run was called before, and a proxy runs once; make another one")
	}
	return nil
}

// Ready returns a channel that is closed when the proxy serves its clients: the user
// function has been discovered, and the front end accepts connections.
func (p *Proxy) Ready() <-chan struct{} {
	return p.readiness()
}

func (p *Proxy) readiness() chan struct{} {
	p.once.Do(func() { p.ready = make(chan struct{}) })
	return p.ready
}

// Passivate lets an entity leave memory, and waits until it has: commands that it
// already has are finished first, later ones activate it again. It does nothing if the
// entity is not active. A CRDT entity stays, and gets further commands, while a stream of
// it is open. If services of different kinds share the persistence id, it concerns the
// entities of all. The error says that no service has that persistence id, or that the
// context has ended.
func (p *Proxy) Passivate(ctx context.Context, persistenceID, id string) error {
	running := p.running.Load()
	if running == nil {
		return nil
	}
	found := false
	for _, service := range running.spec.Services {
		runners := running.entities[service.EntityType]
		if runners == nil || service.PersistenceID != persistenceID {
			continue
		}
		found = true
		if err := runners.Passivate(ctx, service, id); err != nil {
			return err
		}
	}
	if !found {
		return fmt.Errorf("proxy: passivate %s %q: no service of entities has that persistence id", persistenceID, id)
	}
	return nil
}

// A Replication is what a proxy knows of the CRDTs of its cluster.
type Replication struct {
	// Node is the name of the proxy in its cluster.
	Node string
	// Fingerprints has a hash of the state of every CRDT that is known, by entity. Proxies
	// that have the same ones have the same states.
	Fingerprints map[Replica][16]byte
	// Settled says that the user function has been told of all of it, and that no command
	// of a CRDT entity is under way.
	Settled bool
}

// A Replica names a CRDT entity.
type Replica struct {
	// PersistenceID is that of its service.
	PersistenceID string
	// ID is the entity.
	ID string
}

// Replication returns how far replication has come, for operators and tests. It is empty
// before the proxy is ready.
func (p *Proxy) Replication() Replication {
	running := p.running.Load()
	if running == nil {
		return Replication{}
	}
	prints := map[Replica][16]byte{}
	for key, sum := range running.node.Fingerprints() {
		prints[Replica{PersistenceID: key.Type, ID: key.ID}] = sum
	}
	// After the fingerprints: what arrives in between is not settled.
	return Replication{Node: running.node.ID(), Fingerprints: prints, Settled: running.crdts.Settled()}
}

// Exchange lets all other proxies of the cluster compare their CRDTs with those of this one,
// and exchange what is missing on either side, which they do from time to time anyway. It
// does not wait, and does nothing before the proxy is ready.
func (p *Proxy) Exchange() {
	if running := p.running.Load(); running != nil {
		running.node.Exchange()
	}
}

// The settings, with their defaults.

func (p *Proxy) journal() store.Journal {
	if p.Journal == nil {
		return memory.New()
	}
	return p.Journal
}

func (p *Proxy) values(journal store.Journal) store.Values {
	if p.Values != nil {
		return p.Values
	}
	if values, ok := journal.(store.Values); ok {
		return values
	}
	return memory.New()
}

// descriptors returns nil if nothing keeps them.
func (p *Proxy) descriptors(journal store.Journal) store.Descriptors {
	if p.Descriptors != nil {
		return p.Descriptors
	}
	descriptors, _ := journal.(store.Descriptors)
	return descriptors
}

func (p *Proxy) maxMessageSize() int { return positive(p.MaxMessageSize, defaultMaxMessageSize) }

func (p *Proxy) logger() *slog.Logger {
	if p.Logger == nil {
		return slog.Default() //nolint:forbidigo // the documented default
	}
	return p.Logger
}

func (p *Proxy) fault(fault Fault) {
	if p.OnFault != nil {
		p.OnFault(fault)
	}
}

// observe lets the services of the user function be observed.
func (p *Proxy) observe(discovered *spec.Spec) {
	if p.Observe == nil {
		return
	}
	kinds := map[string]observe.Kind{
		spec.EventSourced: observe.EventSourced,
		spec.ValueEntity:  observe.ValueEntity,
		spec.CRDT:         observe.CRDT,
		spec.Action:       observe.Action,
	}
	for _, service := range discovered.Services {
		service.Meter = meter.Meter(p.Observe(observe.Service{
			Kind: kinds[service.EntityType], Name: service.Name, PersistenceID: service.PersistenceID,
		}))
	}
}

// positive returns the value of a setting, or its default if it is not set.
func positive[T int | time.Duration](value, byDefault T) T {
	if value > 0 {
		return value
	}
	return byDefault
}
