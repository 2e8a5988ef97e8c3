package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/proxy/internal/actions"
	"github.com/cloudstate-go/cloudstate/proxy/internal/crdts"
	"github.com/cloudstate-go/cloudstate/proxy/internal/entities"
	"github.com/cloudstate-go/cloudstate/proxy/internal/events"
	"github.com/cloudstate-go/cloudstate/proxy/internal/frontend"
	"github.com/cloudstate-go/cloudstate/proxy/internal/replication"
	"github.com/cloudstate-go/cloudstate/proxy/internal/routing"
	"github.com/cloudstate-go/cloudstate/proxy/internal/spec"
	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// modulePath is that of the module which this package belongs to.
const modulePath = "github.com/cloudstate-go/cloudstate"

// running is what exists from discovery on.
type running struct {
	spec     *spec.Spec
	router   *routing.Router
	entities map[string]stateful // by entity type
	crdts    *crdts.Entities     // one of them
	node     *replication.Node   // of the cluster
	actions  *actions.Actions

	stores    eventStores
	consumers *events.Consumers
}

// stateful are the entities of one kind.
type stateful interface {
	routing.Kind
	Passivate(ctx context.Context, service *spec.Service, id string) error
	Close()
}

// A session is one call of Serve. Its parts start from the bottom of the list, and
// end from its top.
type session struct {
	proxy    *Proxy
	logger   *slog.Logger
	frontend *frontend.Server
	running  *running // nil before discovery
	reporter *routing.Reporter
	link     *link
	journal  store.Journal
	stores   eventStores

	background sync.WaitGroup // front end, and reporter
}

func (p *Proxy) newSession(ctx context.Context) (*session, error) {
	s := &session{proxy: p, logger: p.logger(), journal: p.journal()}
	var err error
	if s.stores, err = p.eventStores(s.journal); err != nil {
		return nil, err
	}
	config := frontend.Config{
		Handler: p.handle,
		Logger:  s.logger,
		OnFault: func(method *spec.Method, err error) {
			s.reporter.Report(ctx, routing.Fault{Service: method.Service.Name, Command: method.Name, Err: err})
		},
		MaxMessageSize: p.maxMessageSize(),
		ReadTimeout:    positive(p.HTTP.ReadTimeout, defaultReadTimeout),
		WriteTimeout:   positive(p.HTTP.WriteTimeout, defaultWriteTimeout),
		Origins:        p.HTTP.Origins,
	}
	link, err := p.UserFunction.connect(ctx, config)
	if err != nil {
		return nil, err
	}
	s.link = link
	s.reporter = routing.NewReporter(s.logger, func(fault routing.Fault) { p.fault(Fault(fault)) }, protocol.NewEntityDiscoveryClient(link.conn))
	s.frontend = frontend.New(config)
	return s, nil
}

// serve runs the session until the context ends, or something fails.
func (s *session) serve(ctx context.Context, lis net.Listener) error {
	// life ends when there is no time left for anything; work ends when the proxy has
	// to stop, for whatever reason.
	life, abort := context.WithCancel(context.WithoutCancel(ctx))
	defer abort()
	work, stop := context.WithCancelCause(ctx)
	defer stop(nil)

	s.background.Go(func() { s.reporter.Run(life) })
	s.background.Go(func() {
		if err := s.frontend.Serve(lis); err != nil {
			stop(fmt.Errorf("proxy: serve clients: %w", err))
		}
	})
	s.background.Go(func() {
		select {
		case err := <-s.link.ended:
			stop(err)
		case <-work.Done():
		}
	})
	err := s.open(work, life)
	if err == nil {
		close(s.proxy.readiness())
		s.running.consumers.Start()
		s.logger.LogAttrs(ctx, slog.LevelInfo, "proxy serves", slog.String("addr", lis.Addr().String()))
		<-work.Done()
	}
	if cause := context.Cause(work); cause != nil { // it is why, or more than, open failed
		err = cause
	}
	if ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
		err = nil // that is how a proxy is stopped
	}
	s.logger.LogAttrs(ctx, slog.LevelInfo, "proxy stops")
	stop(nil)
	return errors.Join(err, s.close(ctx, abort))
}

// open discovers the user function and opens the front end for its services.
func (s *session) open(work, life context.Context) error {
	discovered, err := spec.Discover(work, protocol.NewEntityDiscoveryClient(s.link.conn), spec.Config{
		Options: spec.Options{
			SkipVersionCheck: s.proxy.SkipVersionCheck,
			NoTopics:         s.stores.broker == nil,
			NoEventLog:       s.stores.log == nil,
		},
		ProxyVersion: version(),
		Logger:       s.logger,
	})
	if err != nil {
		if work.Err() == nil {
			s.proxy.fault(Fault{Err: err})
		}
		return fmt.Errorf("proxy: %w", err)
	}
	s.keep(work, discovered.Answer)
	s.proxy.observe(discovered)
	node := replication.NewNode(life, replication.Config{
		Transport: s.proxy.Cluster,
		Replicas:  s.proxy.Replicas,
		Warn:      s.garbled,
		Fault:     func(err error) { s.reporter.Report(life, routing.Fault{Err: err}) },
	})
	if err := node.Join(work); err != nil {
		node.Close()
		return fmt.Errorf("proxy: %w", err)
	}
	router := routing.New(discovered, s.reporter)
	config := entities.Config{
		UserFunction:       s.link.conn,
		Journal:            s.journal,
		Values:             s.proxy.values(s.journal),
		PassivationTimeout: positive(s.proxy.PassivationTimeout, defaultPassivationTimeout),
		RelayTimeout:       positive(s.proxy.RelayTimeout, defaultRelayTimeout),
		Complete:           router.Complete,
		Report:             s.reporter.Report,
		Metadata:           s.proxy.EntityMetadata,
	}
	replicated := crdts.New(life, crdts.Config{
		UserFunction:       s.link.conn,
		Node:               node,
		PassivationTimeout: config.PassivationTimeout,
		RelayTimeout:       config.RelayTimeout,
		StreamBuffer:       positive(s.proxy.StreamBuffer, s.proxy.maxMessageSize()),
		Complete:           router.Complete,
		Report:             s.reporter.Report,
		Tell:               s.reporter.Tell,
		Metadata:           s.proxy.EntityMetadata,
	})
	s.running = &running{
		spec:   discovered,
		router: router,
		entities: map[string]stateful{
			spec.EventSourced: entities.NewEventSourced(life, config),
			spec.ValueEntity:  entities.NewValueEntities(life, config),
			spec.CRDT:         replicated,
		},
		crdts:   replicated,
		node:    node,
		actions: actions.New(life, actions.Config{UserFunction: s.link.conn, Report: s.reporter.Report}),
		stores:  s.stores,
	}
	s.openEventing(life, config.RelayTimeout)
	for entityType, runners := range s.running.entities {
		router.Register(entityType, runners)
	}
	router.Register(spec.Action, s.running.actions)
	s.proxy.running.Store(s.running)
	s.link.loopback.publish(discovered)
	s.frontend.Publish(discovered)
	return nil
}

// keep keeps what the user function says of itself. Only tools miss it if that fails.
func (s *session) keep(ctx context.Context, answer *protocol.EntitySpec) {
	descriptors := s.proxy.descriptors(s.journal)
	if descriptors == nil {
		return
	}
	encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(answer)
	if err == nil {
		err = descriptors.SaveDescriptors(ctx, encoded)
	}
	if err != nil {
		s.logger.LogAttrs(ctx, slog.LevelWarn, "the descriptors of the user function were not kept; tools cannot show what is stored", slog.Any("error", err))
	}
}

// close ends the session: first what clients see, last the user function. After the
// grace period it aborts whatever still goes on.
func (s *session) close(ctx context.Context, abort context.CancelFunc) error {
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), positive(s.proxy.GracePeriod, defaultGracePeriod))
	defer cancel()
	defer context.AfterFunc(grace, abort)()

	if s.running != nil {
		s.running.consumers.Stop()
		s.running.crdts.Drain() // the front end waits for the streams of clients
	}
	s.frontend.Shutdown(grace)
	if s.running != nil {
		s.running.consumers.Wait()
		if err := s.running.router.Wait(grace); err != nil {
			s.logger.LogAttrs(ctx, slog.LevelWarn, "calls were aborted at the end of the grace period")
		}
		s.running.closeEntities()
		// What comes from the last commands of entities is for actions, or refused.
		_ = s.running.router.Wait(grace)
	}
	s.link.loopback.shutdown(grace) // not before the last call that may need it
	if s.running != nil {
		_ = s.running.router.Wait(context.WithoutCancel(ctx))
		s.running.actions.Close()
		s.running.node.Close()
	}
	s.reporter.Close()
	s.background.Wait()
	return s.link.close()
}

// closeEntities lets all entities leave memory, whatever their kind, at once: they may
// wait for each other.
func (r *running) closeEntities() {
	var closing sync.WaitGroup
	for _, runners := range r.entities {
		closing.Go(runners.Close)
	}
	closing.Wait()
}

// garbled logs what is wrong with a message of another proxy.
func (s *session) garbled(err error) {
	s.logger.LogAttrs(context.Background(), slog.LevelWarn, "a message of another proxy was ignored", slog.Any("error", err))
}

// version returns the version of this module in the program, or "".
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, module := range append(info.Deps, &info.Main) {
		if module.Path == modulePath {
			return module.Version
		}
	}
	return ""
}
