package replication

import (
	"context"
	"fmt"
	"time"

	"github.com/cloudstate-go/cloudstate/proxy/internal/replica"
	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// How the store is used.
const (
	// keepTimeout limits one attempt to keep something.
	keepTimeout = 5 * time.Second
	// What could not be kept is tried again after a pause that grows.
	minKeepPause = 100 * time.Millisecond
	maxKeepPause = 30 * time.Second
	// fewParts is how many bytes of parts need not be replaced by a whole, however small that
	// is.
	fewParts = 4 << 10
)

// kept is what the store has of an entity, and what it should have. The lock of the entity
// protects it.
type kept struct {
	store store.Replicas // nil for none

	parts   [][]byte          // to add
	all     bool              // to replace what is there, instead
	waiting []func(err error) // called when this has been done
	busy    bool              // a goroutine does it

	whole int // the size of the last whole that was kept
	added int // the size of the parts since
}

// load reads all that is kept.
func (n *Node) load(ctx context.Context) error {
	if n.config.Replicas == nil {
		return nil
	}
	for part, err := range n.config.Replicas.Parts(ctx) {
		if err != nil {
			return fmt.Errorf("load the CRDTs: %w", err)
		}
		state, err := replica.Decode(part.Data)
		if err != nil {
			return fmt.Errorf("load the CRDT of %v: %w", part.Key, err)
		}
		e := n.Entity(part.Key)
		e.state.Merge(state)
		e.kept.added += len(part.Data)
		n.summary.changed(e)
		n.Release(e)
	}
	return nil
}

// save has an encoded change kept. The result is nil if there is no store, and else gets nil
// or an error.
func (c Change) save(encoded []byte) <-chan error {
	e := c.entity
	if e.kept.store == nil {
		return nil
	}
	saved := make(chan error, 1)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.keep(c.state, encoded, func(err error) { saved <- err })
	return saved
}

// whenSaved calls done when all that has changed is kept, or could not be. It does not wait.
func (e *Entity) whenSaved(done func(error)) {
	e.mu.Lock()
	if e.kept.busy {
		e.kept.waiting = append(e.kept.waiting, done)
		done = nil
	}
	e.mu.Unlock()
	if done != nil {
		done(nil)
	}
}

// keep has what was merged kept, and done called with the outcome, unless it is nil. The
// caller holds the lock.
func (e *Entity) keep(merged *replica.State, encoded []byte, done func(error)) {
	k := &e.kept
	if k.store == nil {
		return
	}
	if merged.IsPart() {
		k.parts = append(k.parts, encoded)
	} else {
		k.all = true
	}
	if done != nil {
		k.waiting = append(k.waiting, done)
	}
	if !k.busy {
		k.busy = true
		e.node.saving.Go(e.keepAll)
	}
}

// keepAll keeps what there is to keep until that is nothing. What comes while the store is at
// work is kept together.
func (e *Entity) keepAll() {
	for pause := minKeepPause; ; {
		write, waiting := e.next()
		if write == nil {
			return
		}
		ctx, cancel := context.WithTimeout(e.node.ctx, keepTimeout)
		err := write(ctx)
		cancel()
		for _, done := range waiting {
			done(err)
		}
		if err == nil {
			pause = minKeepPause
			continue
		}
		e.node.config.Fault(fmt.Errorf("keep the CRDT of %v: %w", e.key, err))
		e.mu.Lock()
		e.kept.all = true // nobody knows what is there
		e.mu.Unlock()
		if !e.node.pause(pause) {
			e.giveUp(err)
			return
		}
		pause = min(2*pause, maxKeepPause)
	}
}

// next returns what to do next, and who waits for that; nil if there is nothing.
func (e *Entity) next() (write func(context.Context) error, waiting []func(error)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	k := &e.kept
	parts := k.parts
	waiting, k.waiting, k.parts = k.waiting, nil, nil
	size := 0
	for _, part := range parts {
		size += len(part)
	}
	switch {
	case k.all || k.added+size > max(k.whole, fewParts):
		whole := e.state.Encode()
		k.all, k.whole, k.added = false, len(whole), 0
		return func(ctx context.Context) error { return k.store.ReplaceParts(ctx, e.key, whole) }, waiting
	case len(parts) > 0:
		k.added += size
		return func(ctx context.Context) error { return k.store.AddParts(ctx, e.key, parts...) }, waiting
	case len(waiting) > 0: // for what has just been kept
		return func(context.Context) error { return nil }, waiting
	default:
		k.busy = false
		return nil, nil
	}
}

// giveUp answers those who wait for a store that has failed, when the node is closed.
func (e *Entity) giveUp(err error) {
	e.mu.Lock()
	waiting := e.kept.waiting
	e.kept.waiting, e.kept.busy = nil, false
	e.mu.Unlock()
	for _, done := range waiting {
		done(err)
	}
}

// pause waits, and returns false if the node is closed before or meanwhile.
func (n *Node) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-n.closed:
		return false
	}
}
