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

// listen returns a listener whose connections are known.
func (c *connections) listen(listener net.Listener) net.Listener {
	return &knownListener{Listener: listener, connections: c}
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

type knownListener struct {
	net.Listener

	connections *connections
}

// Accept waits for a connection and gets to know it.
func (l *knownListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.connections.add(conn), nil
}

type connection struct {
	net.Conn

	connections *connections
}

// Close closes the connection, of which nobody needs to know any more.
func (c *connection) Close() error {
	c.connections.remove(c)
	return c.Conn.Close()
}
