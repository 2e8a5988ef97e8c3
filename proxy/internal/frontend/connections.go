package frontend

import (
	"net"
	"sync"
)

// connections are those that clients have opened. A gRPC server waits for the handshake
// of each before it stops, up to two minutes; closing the connection ends the wait.
type connections struct {
	mu     sync.Mutex
	open   map[*connection]struct{}
	closed bool
}

// closeAll closes what is open and what will be opened.
func (c *connections) closeAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for connection := range c.open {
		_ = connection.Conn.Close() // it is only to be gone
	}
	clear(c.open)
}

func (c *connections) add(conn net.Conn) *connection {
	c.mu.Lock()
	defer c.mu.Unlock()
	added := &connection{Conn: conn, connections: c}
	if c.closed {
		_ = conn.Close() // it is only to be gone
		return added
	}
	if c.open == nil {
		c.open = make(map[*connection]struct{})
	}
	c.open[added] = struct{}{}
	return added
}

func (c *connections) remove(gone *connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, gone)
}

type connection struct {
	net.Conn

	connections *connections
	// head is what has been read already, and comes first.
	head []byte
}

// Read reads what was read before, and then from the connection.
func (c *connection) Read(p []byte) (int, error) {
	if len(c.head) > 0 {
		n := copy(p, c.head)
		c.head = c.head[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}

// CloseWrite says that nothing more will be written, so that a client can still read the
// answer to a request that was not read to its end.
func (c *connection) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Close closes the connection, of which nobody needs to know any more.
func (c *connection) Close() error {
	c.connections.remove(c)
	return c.Conn.Close()
}
