package interceptor

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

// A feed is a list that grows, with one reader, who waits for what is next.
type feed[E any] struct {
	mu      sync.Mutex
	list    []E
	read    int
	changed chan struct{} // closed when the list has grown; nil if nobody waits
}

func (f *feed[E]) add(e E) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, e)
	if f.changed != nil {
		close(f.changed)
		f.changed = nil
	}
}

// next waits for what the reader has not read yet.
func (f *feed[E]) next(ctx context.Context) (E, error) {
	for {
		e, changed := f.take()
		if changed == nil {
			return e, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			var none E
			return none, fmt.Errorf("nothing came: %w", context.Cause(ctx))
		}
	}
}

// take returns what is next, or else a channel that is closed when there is something.
func (f *feed[E]) take() (e E, changed <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.read < len(f.list) {
		e = f.list[f.read]
		f.read++
		return e, nil
	}
	if f.changed == nil {
		f.changed = make(chan struct{})
	}
	return e, f.changed
}

// rest returns what was not read, and reads it.
func (f *feed[E]) rest() []E {
	f.mu.Lock()
	defer f.mu.Unlock()
	rest := f.list[f.read:]
	f.read = len(f.list)
	return rest
}

// all returns everything, read or not.
func (f *feed[E]) all() []E {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clip(f.list)
}
