package testkit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/internal/component"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// golden returns what the entities of a kit have stored, and the replies of commands after the
// last change.
func (k *Kit) golden() (*goldenFile, error) {
	file := &goldenFile{}
	k.mu.Lock()
	keys := slices.SortedFunc(maps.Keys(k.activations), func(a, b store.Key) int {
		return cmp.Or(strings.Compare(a.Type, b.Type), strings.Compare(a.ID, b.ID))
	})
	k.mu.Unlock()
	for _, key := range keys {
		for _, d := range k.entities[key.Type] {
			e, err := k.goldenEntity(key, d)
			if err != nil {
				return nil, fmt.Errorf("record %v: %w", key, err)
			}
			if e != nil {
				file.Entities = append(file.Entities, e)
			}
		}
	}
	all := k.outcomes.find(func(*Outcome) bool { return true })
	for _, o := range slices.Backward(all) {
		if o.stored() != "" || o.Err != nil || o.Fault != "" || len(o.SideEffects) > 0 {
			break
		}
		if !slices.ContainsFunc(file.Entities, o.isOf(k)) || o.Cancelled {
			continue
		}
		request, err := jsonOf(o.Request)
		if err != nil {
			return nil, err
		}
		asked := &goldenReply{Method: strings.TrimPrefix(o.Method, "/"), Request: request}
		if reply := asked.ask(k.context(), k); reply.Failure == "" { // a stream cannot be asked
			file.Replies = append(file.Replies, reply)
		}
	}
	slices.Reverse(file.Replies)
	return file, nil
}

// isOf returns a function that reports whether an outcome is of an entity.
func (o *Outcome) isOf(k *Kit) func(*goldenEntity) bool {
	return func(e *goldenEntity) bool {
		return e.ID == o.EntityID && slices.ContainsFunc(k.entities[e.PersistenceID], func(d *component.Declaration) bool {
			return d.Service.ServiceName == serviceOf(o.Method)
		})
	}
}

// goldenEntity returns what is stored of an entity; nil for nothing.
func (k *Kit) goldenEntity(key store.Key, d *component.Declaration) (*goldenEntity, error) {
	e := &goldenEntity{PersistenceID: key.Type, ID: key.ID}
	var err error
	switch d.Kind.EntityType {
	case eventsourcedpb.EventSourced_ServiceDesc.ServiceName:
		events := k.Events(key.Type, key.ID)
		if len(events) == 0 {
			return nil, nil //nolint:nilnil // as documented
		}
		for _, event := range events {
			stored, err := newGoldenStored(event)
			if err != nil {
				return nil, err
			}
			e.Events = append(e.Events, stored)
		}
		e.Snapshot, err = k.goldenSnapshot(key)
	case crdtpb.Crdt_ServiceDesc.ServiceName:
		value := k.CRDT(key.Type, key.ID)
		if value == nil {
			return nil, nil //nolint:nilnil // as documented
		}
		var packed *anypb.Any
		if packed, err = anypb.New(value); err == nil {
			e.CRDT, err = newGoldenStored(packed)
		}
	default:
		state := k.State(key.Type, key.ID)
		if state == nil {
			return nil, nil //nolint:nilnil // as documented
		}
		e.State, err = newGoldenStored(state)
	}
	return e, err
}

// goldenSnapshot returns a snapshot of an entity that is in memory; nil if it has none.
func (k *Kit) goldenSnapshot(key store.Key) (*goldenStored, error) {
	var live component.EventSourced
	k.mu.Lock()
	for l, of := range k.links {
		if of == key && l.probe != nil {
			live, _ = l.probe.Activation.(component.EventSourced)
		}
	}
	k.mu.Unlock()
	if live == nil {
		return nil, errors.New("it is not in memory; do not let it leave that at the end of the script")
	}
	snapshot, err := live.TakeSnapshot()
	if err != nil {
		return nil, err
	}
	return newGoldenStored(snapshot)
}

// A way is how a file is put in place.
type way string

const (
	withEvents   way = "from its events"
	withSnapshot way = "from its snapshot"
	withState    way = "from its state"
)

// ways returns those that a file has.
func (f *goldenFile) ways() []way {
	var found []way
	for _, e := range f.Entities {
		if len(e.Events) > 0 {
			found = append(found, withEvents)
		}
		if e.Snapshot != nil {
			found = append(found, withSnapshot)
		}
	}
	if len(found) == 0 {
		return []way{withState}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// replay puts what a file has in place, and returns the replies of this version, or what is
// wrong.
func (g *goldens) replay(t *testing.T, file *goldenFile, by way) ([]*goldenReply, string) {
	t.Helper()
	var replies []*goldenReply
	test := &scratchTest{TB: t}
	synctest.Test(t, func(t *testing.T) {
		test.ctx = t.Context()
		test.run(func() {
			kit := New(test, g.components...)
			for _, e := range file.Entities {
				kit.Given(e.given(by))
			}
			for _, r := range file.Replies {
				replies = append(replies, r.ask(t.Context(), kit))
			}
			for _, fault := range kit.Faults() {
				test.Errorf("%s", fault)
			}
		})
	})
	return replies, test.first()
}

// given returns what is stored of an entity, as Given takes it.
func (e *goldenEntity) given(by way) Stored {
	switch {
	case e.CRDT != nil:
		delta := &crdtpb.CrdtDelta{}
		if err := e.CRDT.any().UnmarshalTo(delta); err != nil {
			delta = nil // which encodes to an error
		}
		return Delta(e.PersistenceID, e.ID, delta)
	case e.State != nil:
		return State(e.PersistenceID, e.ID, e.State.any())
	case by == withSnapshot && e.Snapshot != nil:
		return Snapshot(e.PersistenceID, e.ID, int64(len(e.Events)), e.Snapshot.any())
	default:
		events := make([]any, 0, len(e.Events))
		for _, event := range e.Events {
			events = append(events, event.any())
		}
		return Events(e.PersistenceID, e.ID, events...)
	}
}

// ask sends the command of a reply, and returns what it replies now.
func (r *goldenReply) ask(ctx context.Context, kit *Kit) *goldenReply {
	now := &goldenReply{Method: r.Method, Request: r.Request}
	reply, err := r.call(ctx, kit)
	if err == nil {
		now.Reply, err = jsonOf(reply)
	}
	if err != nil {
		now.Failure = fmt.Sprintf("%s: %s", status.Code(err), status.Convert(err).Message())
	}
	return now
}

func (r *goldenReply) call(ctx context.Context, kit *Kit) (proto.Message, error) {
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(strings.Replace(r.Method, "/", ".", 1)))
	if err != nil {
		return nil, err
	}
	method, ok := found.(protoreflect.MethodDescriptor)
	if !ok {
		return nil, fmt.Errorf("%s is no method", r.Method)
	}
	request, err := newMessage(method.Input())
	if err != nil {
		return nil, err
	}
	if err := protojson.Unmarshal(r.Request, request); err != nil { //nolint:forbidigo // a request is nothing stored
		return nil, err
	}
	if method.IsStreamingClient() || method.IsStreamingServer() {
		return nil, fmt.Errorf("%s is streamed", r.Method)
	}
	reply, err := newMessage(method.Output())
	if err != nil {
		return nil, err
	}
	return reply, kit.Invoke(ctx, "/"+r.Method, request, reply)
}
