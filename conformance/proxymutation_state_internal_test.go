package conformance

import (
	"context"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/conformance/internal/relay"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
	"github.com/cloudstate-go/cloudstate/protocol/valueentitypb"
	"github.com/cloudstate-go/cloudstate/proxy"
	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// proxyStateMutations are those of what is stored, and of failures.
var proxyStateMutations = brokenProxies{
	"P-040": {
		"a second init":                 repeated(func(m proto.Message) bool { return initOf(m) != nil }),
		"a snapshot that nobody stored": eachInit(func(i *eventsourcedpb.EventSourcedInit) { i.Snapshot = someSnapshot(1) }),
	},
	"P-041": {
		"an event is missing":            dropped(func(m proto.Message) bool { return eventOf(m).GetSequence() == 2 }),
		"a gap in the numbers":           eachEvent(func(e *eventsourcedpb.EventSourcedEvent) { e.Sequence += e.GetSequence() / 2 }),
		"numbers from 0":                 eachEvent(func(e *eventsourcedpb.EventSourcedEvent) { e.Sequence-- }),
		"out of order":                   swapped(),
		"an event twice":                 repeated(func(m proto.Message) bool { return eventOf(m) != nil }),
		"another payload":                eachEvent(func(e *eventsourcedpb.EventSourcedEvent) { e.Payload.TypeUrl = "x/" + e.GetPayload().GetTypeUrl() }),
		"events after the first command": late(),
	},
	"P-042": {
		"the snapshot is not sent":        eachInit(func(i *eventsourcedpb.EventSourcedInit) { i.Snapshot = nil }),
		"the replay begins before":        replayedBefore(),
		"another number of the snapshot":  eachSnapshot(func(s *eventsourcedpb.EventSourcedSnapshot) { s.SnapshotSequence++ }),
		"another content of the snapshot": eachSnapshot(func(s *eventsourcedpb.EventSourcedSnapshot) { s.Snapshot = es.snapshot("another") }),
		"events after it are missing":     dropped(func(m proto.Message) bool { return eventOf(m) != nil }),
	},
	"P-050": {"there is no restart": eachTaken(func(m proto.Message) {
		if f := clientFailureOf(m); f != nil {
			f.Restart = false
		}
	})},
	"P-051": {"a restart is a crash": {talk: func(proto.Message) lies {
		return lies{out: func(m proto.Message) []proto.Message {
			if f := clientFailureOf(m); f.GetRestart() {
				return []proto.Message{eventSourcedKind.failure(f)}
			}
			return []proto.Message{m}
		}}
	}}},
	"P-054": {"the reply does not wait for the store": {proxy: hasty}},
	"P-055": {"another text": anotherText, "failures are swallowed": swallowed, "another code": failures(func(s *status.Status) error {
		return status.Error(codes.Internal, s.Message())
	})},
	"P-056": {
		"the client gets the description": failures(func(s *status.Status) error {
			return status.Error(s.Code(), strings.Replace(s.Message(), "Unexpected entity failure", "for the log", 1))
		}),
		"those who wait get the same": failures(func(s *status.Status) error {
			return status.Error(s.Code(), strings.Replace(s.Message(), "Entity terminated", "Unexpected entity failure", 1))
		}),
	},
	"P-057": {"another text": anotherText},
	"P-058": {"another text": anotherText, "other ids are accepted": renumbered(func(id int64) int64 { return id })},
	"P-059": {"another text": anotherText},
	"P-061": {"it is stored all the same": storedSnapshot()},
	"P-062": {"a part of it is stored": dropped(func(m proto.Message) bool { return eventOf(m).GetSequence() == 3 }), "it is stored, but the client is told otherwise": {proxy: deceitful}},
	"P-070": {
		"no state":                 eachValueInit(func(i *valueentitypb.ValueEntityInit) { i.State = nil }),
		"the value is lost":        eachValueInit(func(i *valueentitypb.ValueEntityInit) { i.State.Value = nil }),
		"a value for new entities": eachValueInit(func(i *valueentitypb.ValueEntityInit) { i.State.Value = ve.state("") }),
	},
	"P-074": {"the update after the delete is lost": eachValueInit(func(i *valueentitypb.ValueEntityInit) { i.State.Value = nil })},
	"P-075": {"the value is still there": undeleted()},
	"P-077": {"another text": anotherText},
	"P-078": {"the entity stays out of reach": unreachable()},
	"P-079": {"the reply does not wait for the store": {proxy: hasty}, "the value is lost": eachValueInit(func(i *valueentitypb.ValueEntityInit) { i.State.Value = nil })},
}

func initOf(m proto.Message) *eventsourcedpb.EventSourcedInit {
	in, _ := m.(*eventsourcedpb.EventSourcedStreamIn)
	return in.GetInit()
}

func eventOf(m proto.Message) *eventsourcedpb.EventSourcedEvent {
	in, _ := m.(*eventsourcedpb.EventSourcedStreamIn)
	return in.GetEvent()
}

// clientFailureOf returns the failure that a reply has for the client, or nil.
func clientFailureOf(m proto.Message) *protocol.Failure {
	reply := replyOf(m)
	if reply == nil {
		return nil
	}
	return reply.GetClientAction().GetFailure()
}

func eachInit(change func(*eventsourcedpb.EventSourcedInit)) proxyMutation {
	return eachSent(func(m proto.Message) {
		if i := initOf(m); i != nil {
			change(i)
		}
	})
}

func eachSnapshot(change func(*eventsourcedpb.EventSourcedSnapshot)) proxyMutation {
	return eachInit(func(i *eventsourcedpb.EventSourcedInit) {
		if i.GetSnapshot() != nil {
			change(i.GetSnapshot())
		}
	})
}

func eachEvent(change func(*eventsourcedpb.EventSourcedEvent)) proxyMutation {
	return eachSent(func(m proto.Message) {
		if e := eventOf(m); e != nil {
			change(e)
		}
	})
}

func eachValueInit(change func(*valueentitypb.ValueEntityInit)) proxyMutation {
	return eachSent(func(m proto.Message) {
		if in, ok := m.(*valueentitypb.ValueEntityStreamIn); ok && in.GetInit() != nil {
			change(in.GetInit())
		}
	})
}

func someSnapshot(sequence int64) *eventsourcedpb.EventSourcedSnapshot {
	return &eventsourcedpb.EventSourcedSnapshot{SnapshotSequence: sequence, Snapshot: es.snapshot("some")}
}

// swapped changes the order of the first two events.
func swapped() proxyMutation {
	return toUserFunction(func() func(proto.Message) []proto.Message {
		var first proto.Message
		return func(m proto.Message) []proto.Message {
			switch eventOf(m).GetSequence() {
			case 1:
				first = m
				return nil
			case 2:
				return []proto.Message{m, first}
			default:
				return []proto.Message{m}
			}
		}
	})
}

// late sends the last event after the first command.
func late() proxyMutation {
	return toUserFunction(func() func(proto.Message) []proto.Message {
		var last proto.Message
		return func(m proto.Message) []proto.Message {
			switch {
			case eventOf(m) != nil && last == nil:
				last = m
				return nil
			case eventOf(m) != nil:
				before := last
				last = m
				return []proto.Message{before}
			case commandOf(m) != nil && last != nil:
				event := last
				last = nil
				return []proto.Message{m, event}
			default:
				return []proto.Message{m}
			}
		}
	})
}

// replayedBefore replays an event that the snapshot contains.
func replayedBefore() proxyMutation {
	return instead(func(m proto.Message) []proto.Message {
		if snapshot := initOf(m).GetSnapshot(); snapshot != nil {
			return []proto.Message{m, event(snapshot.GetSnapshotSequence(), es.snapshot("E"))}
		}
		return []proto.Message{m}
	})
}

// swallowed lets calls that have failed end well.
var swallowed = failures(func(*status.Status) error { return nil })

// remembering has a memory across the streams of an entity: of something in the messages of the
// user function, which it puts into the first message of the proxy.
func remembering(id func(first proto.Message) string, something func(m proto.Message) *anypb.Any, put func(first proto.Message, something *anypb.Any)) proxyMutation {
	var mu sync.Mutex
	memory := map[string]*anypb.Any{}
	return proxyMutation{talk: func(first proto.Message) lies {
		mu.Lock()
		defer mu.Unlock()
		of := id(first)
		if memory[of] != nil {
			put(first, memory[of])
		}
		return lies{out: func(m proto.Message) []proto.Message {
			if found := something(m); found != nil {
				mu.Lock()
				defer mu.Unlock()
				memory[of] = found
			}
			return []proto.Message{m}
		}}
	}}
}

// storedSnapshot stores snapshots without events.
func storedSnapshot() proxyMutation {
	return remembering(
		func(first proto.Message) string { return initOf(first).GetEntityId() },
		func(m proto.Message) *anypb.Any {
			out, _ := m.(*eventsourcedpb.EventSourcedStreamOut)
			return out.GetReply().GetSnapshot()
		},
		func(first proto.Message, snapshot *anypb.Any) {
			initOf(first).Snapshot = &eventsourcedpb.EventSourcedSnapshot{SnapshotSequence: 1, Snapshot: snapshot}
		})
}

// undeleted keeps values that were deleted.
func undeleted() proxyMutation {
	initOf := func(m proto.Message) *valueentitypb.ValueEntityInit {
		in, _ := m.(*valueentitypb.ValueEntityStreamIn)
		return in.GetInit()
	}
	return remembering(
		func(first proto.Message) string { return initOf(first).GetEntityId() },
		func(m proto.Message) *anypb.Any {
			out, _ := m.(*valueentitypb.ValueEntityStreamOut)
			return out.GetReply().GetStateAction().GetUpdate().GetValue()
		},
		func(first proto.Message, value *anypb.Any) {
			if i := initOf(first); i != nil {
				i.State.Value = value
			}
		})
}

// unreachable refuses another stream for an entity whose stream has broken.
func unreachable() proxyMutation {
	var mu sync.Mutex
	broken := map[string]bool{}
	return proxyMutation{handle: func(_ context.Context, call *relay.Call, to grpc.ClientConnInterface) (bool, error) {
		first, err := call.Peek()
		if err != nil {
			return true, err
		}
		in, ok := first.(*valueentitypb.ValueEntityStreamIn)
		if !ok {
			return false, nil
		}
		id := in.GetInit().GetEntityId()
		mu.Lock()
		refused := broken[id]
		mu.Unlock()
		if refused {
			return true, status.Error(codes.Internal, "the entity is out of reach")
		}
		err = call.Relay(call.Context(), to, relay.Pass, relay.Pass) //nolint:contextcheck // that of the call
		mu.Lock()
		defer mu.Unlock()
		broken[id] = err != nil
		return true, err
	}}
}

// hasty makes the store say that it has stored what it has not.
func hasty(p *proxy.Proxy) {
	keepEventing(p)
	p.Journal, p.Values = &hastyJournal{p.Journal}, &hastyValues{p.Values}
}

type hastyJournal struct{ store.Journal }

// Append appends later.
func (j *hastyJournal) Append(ctx context.Context, a store.Append) (store.Head, error) {
	go func() { _, _ = j.Journal.Append(context.WithoutCancel(ctx), a) }() // ends when the check releases it
	return store.Head{Seq: a.Expected.Seq + uint64(len(a.Events))}, nil
}

type hastyValues struct{ store.Values }

// Put stores later.
func (v *hastyValues) Put(ctx context.Context, w store.Write, value []byte) (store.Version, error) {
	go func() { _, _ = v.Values.Put(context.WithoutCancel(ctx), w, value) }() // ends when the check releases it
	return w.Expected + 1, nil
}

// deceitful makes the store keep what it says that it has not.
func deceitful(p *proxy.Proxy) {
	keepEventing(p)
	p.Journal = &deceitfulJournal{p.Journal}
}

// keepEventing keeps what a journal has for eventing, which one around it does not.
func keepEventing(p *proxy.Proxy) {
	p.Eventing.EventLog, _ = p.Journal.(store.EventLog)
	p.Eventing.Topics, _ = p.Journal.(store.Topics)
	p.Eventing.Consumers, _ = p.Journal.(store.Consumers)
}

type deceitfulJournal struct{ store.Journal }

// Append appends again what was not stored.
func (j *deceitfulJournal) Append(ctx context.Context, a store.Append) (store.Head, error) {
	head, err := j.Journal.Append(ctx, a)
	if err != nil {
		_, _ = j.Journal.Append(ctx, a)
	}
	return head, err
}
