package entities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// The outcome of an append is asked for again after a pause that grows.
const (
	minResolvePause = 10 * time.Millisecond
	maxResolvePause = time.Second
)

// commit stores the events of a reply, with its snapshot. Any error means that the
// activation cannot go on: it does not know the journal any more.
func (r *runner) commit(ctx context.Context, a *activation, reply *eventsourcedpb.EventSourcedReply) error {
	request := store.Append{
		Key:      r.key(),
		Expected: a.head,
		Events:   make([][]byte, len(reply.GetEvents())),
		OpID:     store.OpID(uuid.New()),
	}
	for i, event := range reply.GetEvents() {
		data, err := proto.Marshal(event)
		if err != nil {
			return fmt.Errorf("encode event %d: %w", i+1, err)
		}
		request.Events[i] = data
	}
	if reply.GetSnapshot() != nil {
		data, err := proto.Marshal(reply.GetSnapshot())
		if err != nil {
			return fmt.Errorf("encode the snapshot: %w", err)
		}
		request.Snapshot = data
	}
	ctx, cancel := context.WithTimeout(ctx, r.entities.config.RelayTimeout)
	defer cancel()
	head, err := r.entities.config.Journal.Append(ctx, request)
	if errors.Is(err, store.ErrUnknown) {
		head, err = r.resolve(ctx, request, err)
	}
	if err != nil {
		return fmt.Errorf("store %d events: %w", len(request.Events), err)
	}
	a.head = head
	return nil
}

// resolve finds out whether an append with an unknown outcome was stored. It asks
// until the journal knows, or the context ends.
func (r *runner) resolve(ctx context.Context, request store.Append, cause error) (store.Head, error) {
	for pause := minResolvePause; ; pause = min(2*pause, maxResolvePause) {
		head, stored, err := r.entities.config.Journal.Resolve(ctx, request.Key, request.OpID)
		switch {
		case err == nil && stored:
			return head, nil
		case err == nil:
			return store.Head{}, fmt.Errorf("nothing was stored: %w", cause)
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return store.Head{}, fmt.Errorf("the outcome could not be resolved: %w", errors.Join(cause, err))
		}
	}
}
