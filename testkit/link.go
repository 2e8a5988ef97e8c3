package testkit

import (
	"context"
	"runtime"

	"github.com/cloudstate-go/cloudstate/internal/component"
	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// A link is a stream, or a call, between the proxy and the service, which may be severed.
type link struct {
	kit   *Kit
	probe *component.Probe // into what it is open for; nil for a call
	cut   context.Context  //nolint:containedctx // it ends when the link is severed
	end   context.CancelFunc
}

// newLink returns a link, which must be closed.
func newLink(k *Kit, probe *component.Probe) *link {
	l := &link{kit: k, probe: probe}
	l.cut, l.end = context.WithCancel(context.Background())
	k.mu.Lock()
	defer k.mu.Unlock()
	k.links[l] = store.Key{}
	return l
}

func (l *link) close() {
	l.kit.mu.Lock()
	defer l.kit.mu.Unlock()
	delete(l.kit.links, l)
}

// activated notes the entity that a link is for.
func (k *Kit) activated(l *link, key store.Key) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.links[l] = key
	k.activations[key]++
}

// sever breaks the link, as if the process of the service had died.
func (l *link) sever() { l.end() }

func (l *link) severed() bool { return l.cut.Err() != nil }

// run runs the handler of a stream or a call until it returns, or the link is severed. Then
// the handler goes on, as nothing can stop it, but nobody hears of it.
func (l *link) run(handle func() error) error {
	type result struct {
		err  error
		exit bool // the handler has called runtime.Goexit
	}
	done := make(chan result, 1)
	l.kit.handlers.Go(func() {
		r := result{exit: true}
		defer func() { done <- r }()
		err := handle()
		r = result{err: err}
	})
	select {
	case r := <-done:
		if r.exit {
			runtime.Goexit()
		}
		return r.err
	case <-l.cut.Done():
		return errBroken
	}
}

// Restart lets the service restart: all that is open between it and the proxy breaks, and
// commands that are under way are lost, and may or may not have been handled. It returns when
// every entity has left memory. The next command brings an entity back from what is stored.
//
// The program goes on, so variables of packages, and what New gives to all instances, are as
// before. Handlers that are running go on as well, but nobody hears of them.
func (k *Kit) Restart() {
	k.tb.Helper()
	k.sever(func(store.Key) bool { return true })
}

// Break breaks the stream of an entity, as Restart does with all. An entity that is not in
// memory has none.
func (k *Kit) Break(persistenceID, id string) {
	k.tb.Helper()
	k.require(persistenceID, "")
	k.sever(func(key store.Key) bool { return key == store.Key{Type: persistenceID, ID: id} })
}

// sever severs links, and waits until the proxy has noticed.
func (k *Kit) sever(match func(store.Key) bool) {
	k.tb.Helper()
	k.requireObserves()
	k.mu.Lock()
	severed := map[store.Key]bool{}
	for l, key := range k.links {
		if match(key) {
			l.sever()
			severed[key] = true
		}
	}
	k.mu.Unlock()
	delete(severed, store.Key{}) // of actions, and of entities that do not exist yet
	for key := range severed {
		k.Passivate(key.Type, key.ID)
	}
}
