package crdt

import (
	"fmt"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/internal/component"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// observe lets a probe look into the activation. All that is different then is in places that
// only mistakes reach.
func (a *activation) observe(p *component.Probe) {
	a.guard.probe = p
	p.Activation = inspection{a}
}

// inspection is what a probe can do with an activation.
type inspection struct{ *activation }

var _ component.CRDT = inspection{}

// Instance implements [component.Activation].
func (i inspection) Instance() any { return i.instance }

// State implements [component.CRDT].
func (i inspection) State() *crdtpb.CrdtDelta { return i.data.state() }

// Inspect implements [component.CRDT].
func (i inspection) Inspect(visit func(held, serialized any, err error)) { i.data.inspect(visit) }

// misused panics because a value or a Base was used at the wrong time.
func (g *guard) misused(text string) {
	if g.probe != nil {
		g.probe.Misused(text)
	}
	panic(text) //nolint:forbidigo // a mistake in the program that cannot be returned
}

// An inspector gets an element as it is held, and what its serialized form decodes to.
type inspector = func(held, serialized any, err error)

func (n *node) inspect(inspector) {}

// inspectElement compares an element with its serialized form.
func inspectElement[T any](codec *elementCodec[T], i id, held T, visit inspector) {
	serialized, err := codec.codec.Decode(&anypb.Any{TypeUrl: i.url, Value: []byte(i.value)})
	visit(held, serialized, err)
}

func (t *table[K, V]) inspect(visit inspector) {
	for it := range t.all() {
		inspectElement(t.codec, it.id, it.key, visit)
	}
}

func (m *ORMap[K, V]) inspect(visit inspector) {
	for it := range m.all() {
		inspectElement(m.codec, it.id, it.key, visit)
		it.value.inspect(visit)
	}
}

func (r *LWWRegister[T]) inspect(visit inspector) {
	inspectElement(r.codec, r.id, r.value, visit)
}

// EncodeData implements [component.DataEncoder].
func (t *entityType) EncodeData(id string, value any) (*crdtpb.CrdtDelta, error) {
	if delta, ok := value.(*crdtpb.CrdtDelta); ok {
		return delta, nil
	}
	d, ok := value.(Data)
	if !ok {
		return nil, fmt.Errorf("it is a %T, want a value of package crdt", value)
	}
	if err := checkData(d); err != nil {
		return nil, err
	}
	want := t.create(id).entityBase().value()
	if got := fmt.Sprintf("%T", d); got != fmt.Sprintf("%T", want) {
		return nil, fmt.Errorf("it is a %s, but the entity has a %T", got, want)
	}
	return d.delta(), nil
}
