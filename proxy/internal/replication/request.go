package replication

import (
	"context"
	"fmt"
	"time"
)

// A request is a message that waits for answers. The lock of the node protects it.
type request struct {
	open   map[string]bool // peers that have not answered
	needed int
	done   chan struct{} // closed when enough have
}

// ask sends a message to peers, and what again returns where no answer comes, until as many
// as are needed have answered, or the context ends.
func (n *Node) ask(ctx context.Context, m *message, again func() *message, peers []string, needed int) error {
	if needed == 0 {
		return nil
	}
	r := &request{open: make(map[string]bool, len(peers)), needed: needed, done: make(chan struct{})}
	for _, peer := range peers {
		r.open[peer] = true
	}
	n.mu.Lock()
	n.last++
	id := n.last
	n.requests[id] = r
	n.mu.Unlock()
	defer func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.requests, id)
	}()
	resend := time.NewTicker(resendEvery)
	defer resend.Stop()
	for ; ; m = again() {
		numbered := *m
		numbered.request = id
		n.send(n.unanswered(r), &numbered)
		select {
		case <-r.done:
			return nil
		case <-resend.C:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d other nodes have not answered, want %d answers: %w", len(n.unanswered(r)), len(peers), needed, context.Cause(ctx))
		}
	}
}

// unanswered returns the peers that have not answered a request.
func (n *Node) unanswered(r *request) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	peers := make([]string, 0, len(r.open))
	for peer := range r.open {
		peers = append(peers, peer)
	}
	return peers
}

// answered notes an answer.
func (n *Node) answered(id uint64, from string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	r := n.requests[id]
	if r == nil || !r.open[from] {
		return
	}
	delete(r.open, from)
	r.needed--
	if r.needed == 0 {
		close(r.done)
	}
}
