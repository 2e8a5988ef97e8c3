package valueentity

import (
	"fmt"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/entity"
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

	// The command in progress.
	running bool
	touched bool // the handler may have changed value
	change  change
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
	m.running, m.touched, m.change = true, false, unchanged
}

func (m *memory[V]) get() V {
	m.touched = true
	if !m.exists {
		return m.codec.New()
	}
	return m.value
}

func (m *memory[V]) update(state V) {
	m.value, m.exists, m.change = state, true, updated
}

func (m *memory[V]) remove() {
	var none V
	m.value, m.exists, m.change = none, false, deleted
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
		m.storedExists = true
	case deleted:
		m.storedExists = false
	case unchanged:
	}
	return values, m.change, nil
}

func (m *memory[V]) rollback() error {
	if !m.touched && m.change == unchanged {
		return nil
	}
	return m.restore()
}
