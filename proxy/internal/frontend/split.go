package frontend

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// prefaceStart is how HTTP/2 begins, and no request of HTTP/1.1 does.
const prefaceStart = "PRI"

// A split accepts the connections of a listener and passes them on by what their clients
// speak. gRPC keeps its own transport in this way: through that of net/http, a call costs
// three times as much.
type split struct {
	listener    net.Listener
	connections *connections
	// timeout is how long a client may be silent at first.
	timeout time.Duration

	http1, http2 chan net.Conn
	done         context.Context //nolint:containedctx // ends with the listener
	end          context.CancelCauseFunc
}

func newSplit(listener net.Listener, connections *connections, timeout time.Duration) *split {
	s := &split{listener: listener, connections: connections, timeout: timeout, http1: make(chan net.Conn), http2: make(chan net.Conn)}
	s.done, s.end = context.WithCancelCause(context.Background())
	return s
}

// run accepts connections until the listener fails or is closed. Then no connection is left
// that has not been passed on.
func (s *split) run() {
	var sorting sync.WaitGroup
	for {
		conn, err := s.accept()
		if err != nil {
			s.end(err)
			break
		}
		sorting.Go(func() { s.sort(s.connections.add(conn)) })
	}
	sorting.Wait()
}

// accept waits for a connection. Errors that are said to be temporary, such as too many
// open files, are waited for.
func (s *split) accept() (net.Conn, error) {
	for delay := 5 * time.Millisecond; ; delay = min(2*delay, time.Second) {
		conn, err := s.listener.Accept()
		if temporary, ok := errors.AsType[interface {
			error
			Temporary() bool
		}](err); !ok || !temporary.Temporary() {
			return conn, err
		}
		timer := time.NewTimer(delay)
		select {
		case <-timer.C:
		case <-s.done.Done():
			timer.Stop()
			return nil, context.Cause(s.done)
		}
	}
}

// sort passes a connection on as soon as it is known what its client speaks.
func (s *split) sort(conn *connection) {
	stop := context.AfterFunc(s.done, func() { _ = conn.Close() }) // it is only to be gone
	head := make([]byte, len(prefaceStart))
	err := conn.SetReadDeadline(time.Now().Add(s.timeout))
	if err == nil {
		_, err = io.ReadFull(conn, head)
	}
	if err == nil {
		err = conn.SetReadDeadline(time.Time{})
	}
	if !stop() || err != nil {
		_ = conn.Close() // it is only to be gone
		return
	}
	conn.head = head
	to := s.http1
	if string(head) == prefaceStart {
		to = s.http2
	}
	select {
	case to <- conn:
	case <-s.done.Done():
		_ = conn.Close() // it is only to be gone
	}
}

// A half is the listener of one of both servers.
type half struct {
	*split

	from <-chan net.Conn
}

// Accept waits for a connection of a client that speaks the right thing.
func (h half) Accept() (net.Conn, error) {
	select {
	case conn := <-h.from:
		return conn, nil
	case <-h.done.Done():
		return nil, context.Cause(h.done)
	}
}

// Close closes the listener, for both servers.
func (h half) Close() error {
	h.end(net.ErrClosed)
	return h.listener.Close()
}

// Addr returns the address of the listener.
func (h half) Addr() net.Addr { return h.listener.Addr() }
