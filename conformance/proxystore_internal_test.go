package conformance

import (
	"context"
	"errors"
	"sync"

	"github.com/cloudstate-go/cloudstate/proxy/store"
	"github.com/cloudstate-go/cloudstate/proxy/store/memory"
)

// A disturbedStore is a store in memory whose writes can be disturbed.
type disturbedStore struct {
	*memory.Store

	mu      sync.Mutex
	pending map[store.Key]func(context.Context) error // before the next write
}

func newDisturbedStore() *disturbedStore {
	return &disturbedStore{Store: memory.New(), pending: map[store.Key]func(context.Context) error{}}
}

func (d *disturbedStore) next(persistenceID, entityID string, do func(context.Context) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pending[store.Key{Type: persistenceID, ID: entityID}] = do
}

// FailNext implements Store.
func (d *disturbedStore) FailNext(persistenceID, entityID string) {
	d.next(persistenceID, entityID, func(context.Context) error { return errors.New("the suite wants this write to fail") })
}

// HoldNext implements Store.
func (d *disturbedStore) HoldNext(persistenceID, entityID string) (<-chan struct{}, func()) {
	waits, released := make(chan struct{}), make(chan struct{})
	d.next(persistenceID, entityID, func(ctx context.Context) error {
		close(waits)
		select {
		case <-released:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	return waits, func() { close(released) }
}

// disturb does what was asked for before a write.
func (d *disturbedStore) disturb(ctx context.Context, key store.Key) error {
	d.mu.Lock()
	do := d.pending[key]
	delete(d.pending, key)
	d.mu.Unlock()
	if do == nil {
		return nil
	}
	return do(ctx)
}

// Append implements store.Journal.
func (d *disturbedStore) Append(ctx context.Context, a store.Append) (store.Head, error) {
	if err := d.disturb(ctx, a.Key); err != nil {
		return store.Head{}, err
	}
	return d.Store.Append(ctx, a)
}

// Put implements store.Values.
func (d *disturbedStore) Put(ctx context.Context, w store.Write, value []byte) (store.Version, error) {
	if err := d.disturb(ctx, w.Key); err != nil {
		return 0, err
	}
	return d.Store.Put(ctx, w, value)
}

// Delete implements store.Values.
func (d *disturbedStore) Delete(ctx context.Context, w store.Write) (store.Version, error) {
	if err := d.disturb(ctx, w.Key); err != nil {
		return 0, err
	}
	return d.Store.Delete(ctx, w)
}
