package valueentity

import (
	"bytes"
	"fmt"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/entity"
	"github.com/cloudstate-go/cloudstate/internal/component"
)

// memory is the state of an activation, as it is stored and as handlers see it.
type memory[V any] struct {
	codec *entity.Codec[V]

	// What handlers see.
	value  V
	exists bool

	// What is stored: enough to undo whatever a command does.
	stored       anypb.Any
	storedExists bool
	canonical    bool // stored is as the codec encodes it, and not as somebody else did

	// The command in progress.
	running bool
	touched bool // the handler may have changed value
	created bool // value is an empty one, made because there is none
	change  change

	probe *component.Probe // nil in production
}

func (m *memory[V]) load(stored *anypb.Any) error {
	m.stored.TypeUrl = stored.GetTypeUrl()
	m.stored.Value = append([]byte(nil), stored.GetValue()...)
	m.storedExists = true
	return m.restore()
}

// restore makes the state what is stored.
func (m *memory[V]) restore() error {
	var none V
	m.value, m.exists = none, false
	if !m.storedExists {
		return nil
	}
	value, err := m.codec.Decode(&m.stored)
	if err != nil {
		return fmt.Errorf("read the state: %w", err)
	}
	m.value, m.exists = value, true
	return nil
}

func (m *memory[V]) begin() {
	m.running, m.touched, m.created, m.change = true, false, false, unchanged
}

// get returns the same value to a handler that asks several times.
func (m *memory[V]) get() V {
	m.touched = true
	if !m.exists && !m.created {
		m.value, m.created = m.codec.New(), true
	}
	return m.value
}

func (m *memory[V]) update(state V) {
	m.value, m.exists, m.change = state, true, updated
}

func (m *memory[V]) remove() {
	var none V
	m.value, m.exists, m.created, m.change = none, false, false, deleted
}

func (m *memory[V]) end() { m.running = false }

func (m *memory[V]) commit(values []byte) ([]byte, change, error) {
	begin := len(values)
	switch m.change {
	case updated:
		var err error
		if values, err = m.codec.Append(values, m.value); err != nil {
			return nil, unchanged, fmt.Errorf("update the state: %w", err)
		}
		m.stored.TypeUrl, m.stored.Value = m.codec.TypeURL(), append(m.stored.Value[:0], values[begin:]...)
		m.storedExists, m.canonical = true, true
	case deleted:
		m.storedExists = false
	case unchanged:
		scratch, err := m.forget(values)
		if err != nil {
			return nil, unchanged, err
		}
		values = scratch[:begin] // with the memory that it has
	}
	return values, m.change, nil
}

// forget undoes what a handler has changed in place without calling Update. Otherwise the
// change would be there until the entity is passivated, and be lost then. To compare what
// the value encodes to is cheaper than to decode it again each time. It returns scratch,
// which it may have extended.
func (m *memory[V]) forget(scratch []byte) ([]byte, error) {
	if !m.exists {
		m.observeCreated()
	}
	if !m.touched || !m.exists {
		return scratch, nil
	}
	begin := len(scratch)
	if m.canonical { // otherwise it is as somebody else has encoded it
		encoded, err := m.codec.Append(scratch, m.value)
		if err == nil && bytes.Equal(encoded[begin:], m.stored.GetValue()) {
			return encoded, nil
		}
	}
	changed := m.value
	if err := m.restore(); err != nil {
		return scratch, err
	}
	if m.canonical {
		if m.probe != nil {
			m.probe.Discarded(changed, m.value)
		}
		return scratch, nil
	}
	encoded, err := m.codec.Append(scratch, m.value)
	if err != nil {
		return nil, fmt.Errorf("read the state: %w", err)
	}
	m.stored.TypeUrl, m.stored.Value, m.canonical = m.codec.TypeURL(), bytes.Clone(encoded[begin:]), true
	return encoded, nil
}

func (m *memory[V]) rollback() error {
	if !m.touched && m.change == unchanged {
		return nil
	}
	return m.restore()
}
