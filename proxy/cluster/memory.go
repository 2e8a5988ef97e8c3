package cluster

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// A Fault is what a [Memory] does to one message. The zero value delivers it at once.
type Fault struct {
	// Drop loses the message.
	Drop bool
	// Delay delivers it later, and so perhaps after messages that were sent later.
	Delay time.Duration
	// Copies is how often it is delivered in addition.
	Copies int
}

// A Memory is a network in memory, which can be partitioned. The zero value is ready for
// use, and perfect.
type Memory struct {
	// Fault decides what happens to each message. It is called concurrently, and must not
	// be changed once there is a member. Nil means nothing does.
	Fault func(from, to string, message []byte) Fault

	mu      sync.Mutex
	joined  int
	members map[string]*memoryMember
	group   map[string]int // which side of a partition a member is on; 0 if it is not mentioned
}

var _ Transport = (*Memory)(nil)

// A memoryMember gets its messages one at a time, in a goroutine that ends with it.
type memoryMember struct {
	id      string
	network *Memory
	receive func(from string, message []byte)
	ready   chan struct{} // gets a value when there is something to do
	done    sync.WaitGroup

	mu     sync.Mutex
	inbox  []envelope // sorted by time
	closed bool
}

type envelope struct {
	from    string
	message []byte
	at      time.Time
}

// Join adds a member. The names are node-1, node-2 and so on. Another Memory uses them again,
// so CRDTs that are kept in a store belong to one Memory.
func (n *Memory) Join(receive func(from string, message []byte)) (Member, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.joined++
	m := &memoryMember{id: fmt.Sprintf("node-%d", n.joined), network: n, receive: receive, ready: make(chan struct{}, 1)}
	if n.members == nil {
		n.members = map[string]*memoryMember{}
	}
	n.members[m.id] = m
	m.done.Go(m.run)
	return m, nil
}

// Partition splits the network: members reach only those of their group. Those that are
// in no group are together in one more. It replaces a partition that there is.
func (n *Memory) Partition(groups ...[]string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.group = map[string]int{}
	for i, group := range groups {
		for _, id := range group {
			n.group[id] = i + 1
		}
	}
}

// Heal ends a partition. What was sent during it stays lost.
func (n *Memory) Heal() {
	n.Partition()
}

// Send delivers a message to a member, if it can be reached.
func (m *memoryMember) Send(to string, message []byte) {
	n := m.network
	n.mu.Lock()
	target := n.members[to]
	if n.group[m.id] != n.group[to] {
		target = nil
	}
	n.mu.Unlock()
	if target == nil {
		return
	}
	var fault Fault
	if n.Fault != nil {
		fault = n.Fault(m.id, to, message)
	}
	if fault.Drop {
		return
	}
	for range 1 + fault.Copies {
		target.deliver(envelope{from: m.id, message: slices.Clone(message), at: time.Now().Add(fault.Delay)})
	}
}

func (m *memoryMember) ID() string { return m.id }

func (m *memoryMember) Peers() []string {
	m.network.mu.Lock()
	defer m.network.mu.Unlock()
	peers := slices.Sorted(maps.Keys(m.network.members))
	return slices.DeleteFunc(peers, func(id string) bool { return id == m.id })
}

// Leave removes the member, and waits for the message that it is handling.
func (m *memoryMember) Leave() {
	m.network.mu.Lock()
	delete(m.network.members, m.id)
	m.network.mu.Unlock()
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.signal()
	m.done.Wait()
}

func (m *memoryMember) deliver(e envelope) {
	m.mu.Lock()
	i, _ := slices.BinarySearchFunc(m.inbox, e, func(a, b envelope) int {
		return cmp.Or(a.at.Compare(b.at), -1) // after those of the same time
	})
	m.inbox = slices.Insert(m.inbox, i, e)
	m.mu.Unlock()
	m.signal()
}

func (m *memoryMember) signal() {
	select {
	case m.ready <- struct{}{}:
	default:
	}
}

// run passes on messages when it is time for them.
func (m *memoryMember) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		m.mu.Lock()
		if m.closed {
			m.mu.Unlock()
			return
		}
		var due *envelope
		if len(m.inbox) > 0 {
			if wait := time.Until(m.inbox[0].at); wait > 0 {
				timer.Reset(wait)
			} else {
				first := m.inbox[0]
				due, m.inbox = &first, m.inbox[1:]
			}
		}
		m.mu.Unlock()
		if due != nil {
			m.receive(due.from, due.message)
			continue
		}
		select {
		case <-m.ready:
		case <-timer.C:
		}
	}
}
