package testkit

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// An Outcome is what a command of an entity, or a call of an action, did: what the service has
// told the proxy. It must not be changed.
type Outcome struct {
	// Method is the full name of the method, which generated code has as a constant, such as
	// pb.ShoppingCart_AddItem_FullMethodName.
	Method string
	// EntityID is the entity; empty for an action.
	EntityID string
	// Request is what the command was called with: the last one if it streams requests.
	Request proto.Message
	// Metadata came with it. Nil for none; a proxy gives none to entities, unless it is told to.
	Metadata metadata.MD

	// Replies are what the client gets: one, none, or those of a stream so far.
	Replies []proto.Message
	// Header is the metadata of the first reply. Nil for none.
	Header metadata.MD
	// Err is why the command failed, as a gRPC status. Nil if it has not.
	Err error
	// Fault is why the command cost its entity its place in memory. Empty if it has not. Then
	// there is no Err, as clients do not see it.
	Fault string
	// Forward is to whom the command was handed on. Nil if it was not.
	Forward *Call
	// SideEffects are what is done after it.
	SideEffects []Call

	// Events are those of an event sourced entity, as they are stored.
	Events []*anypb.Any
	// Snapshot is stored together with them. Nil for none.
	Snapshot *anypb.Any
	// State is the new state of a value entity, as it is stored. Nil if there is none.
	State *anypb.Any
	// Deleted says that the state of a value entity, or a CRDT, was deleted.
	Deleted bool
	// Delta is what was changed in a CRDT. Nil for nothing.
	Delta *crdtpb.CrdtDelta
	// WriteConsistency is how many nodes must have the delta.
	WriteConsistency crdtpb.CrdtWriteConsistency

	// Cancelled says that this is the last turn of a streamed command, whose client has gone.
	// What it did before is an outcome of its own.
	Cancelled bool

	tb         testing.TB
	place      string                               // for messages
	returned   bool                                 // by Await
	encodeData func(any) (*crdtpb.CrdtDelta, error) // of CRDT entities
}

// reply adds what a reply has for the client.
func (o *Outcome) reply(action *protocol.ClientAction, effects []*protocol.SideEffect) {
	switch a := action.GetAction().(type) {
	case *protocol.ClientAction_Reply:
		if len(o.Replies) == 0 {
			o.Header = header(a.Reply.GetMetadata())
		}
		o.Replies = append(o.Replies, message(a.Reply.GetPayload()))
	case *protocol.ClientAction_Forward:
		c := newCall(a.Forward.GetServiceName(), a.Forward.GetCommandName(), a.Forward.GetPayload(), a.Forward.GetMetadata())
		o.Forward = &c
	case *protocol.ClientAction_Failure:
		o.fail(a.Failure)
	}
	for _, e := range effects {
		c := newCall(e.GetServiceName(), e.GetCommandName(), e.GetPayload(), e.GetMetadata())
		c.Synchronous = e.GetSynchronous()
		o.SideEffects = append(o.SideEffects, c)
	}
}

func (o *Outcome) fail(failure *protocol.Failure) {
	code := codes.Code(failure.GetGrpcStatusCode())
	if code == codes.OK {
		code = codes.Unknown
	}
	o.Err = status.Error(code, failure.GetDescription())
}

// command returns the simple name of the method.
func (o *Outcome) command() string {
	return o.Method[strings.LastIndexByte(o.Method, '/')+1:]
}

// outcomes are all that there were, in the order in which the commands were answered.
type outcomes struct {
	mu      sync.Mutex
	all     []*Outcome
	changed chan struct{} // closed at the next change; nil if nobody waits
}

// add adds an outcome.
func (o *outcomes) add(outcome *Outcome) {
	o.change(func() { o.all = append(o.all, outcome) })
}

// change changes an outcome that was added, because its stream goes on.
func (o *outcomes) change(change func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	change()
	if o.changed != nil {
		close(o.changed)
		o.changed = nil
	}
}

// maxSummary is how many outcomes a summary lists.
const maxSummary = 20

// summary lists what has been called, for messages.
func (o *outcomes) summary() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.all) == 0 {
		return "no calls at all"
	}
	counts := map[string]int{}
	for _, outcome := range o.all {
		counts[strings.TrimSpace(fmt.Sprintf("%s %s", outcome.Method, outcome.EntityID))]++
	}
	var b strings.Builder
	for i, call := range slices.Sorted(maps.Keys(counts)) {
		if i == maxSummary {
			b.WriteString(", and others")
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%d of %s", counts[call], call)
	}
	return b.String()
}

// find returns copies of the outcomes that match.
func (o *outcomes) find(match func(*Outcome) bool) []*Outcome {
	o.mu.Lock()
	defer o.mu.Unlock()
	var found []*Outcome
	for _, outcome := range o.all {
		if match(outcome) {
			found = append(found, outcome.copy())
		}
	}
	return found
}

// next returns a copy of the first outcome of a method that it has not yet returned, or a
// channel that is closed when there may be one.
func (o *outcomes) next(method string) (*Outcome, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, outcome := range o.all {
		if outcome.Method == method && !outcome.returned {
			outcome.returned = true
			return outcome.copy(), nil
		}
	}
	if o.changed == nil {
		o.changed = make(chan struct{})
	}
	return nil, o.changed
}

// copy returns a copy that does not change when a stream goes on.
func (o *Outcome) copy() *Outcome {
	c := *o
	c.Replies, c.SideEffects = slices.Clone(o.Replies), slices.Clone(o.SideEffects)
	return &c
}

// Outcomes returns what the commands of an entity did, in order.
func (k *Kit) Outcomes(persistenceID, id string) []*Outcome {
	k.tb.Helper()
	k.requireObserves()
	k.require(persistenceID, "")
	services := map[string]bool{}
	for _, d := range k.entities[persistenceID] {
		services[d.Service.ServiceName] = true
	}
	return k.outcomes.find(func(o *Outcome) bool { return o.EntityID == id && services[serviceOf(o.Method)] })
}

// serviceOf returns the service of a full method name.
func serviceOf(method string) string {
	service, _, _ := strings.Cut(strings.TrimPrefix(method, "/"), "/")
	return service
}

// Last returns what the last command of an entity did. It fails the test at once if there was
// none.
func (k *Kit) Last(persistenceID, id string) *Outcome {
	k.tb.Helper()
	return last(k, k.Outcomes(persistenceID, id), "%s %q has had no command", persistenceID, id)
}

// OutcomesOf returns what the calls of a method did, in order, whatever they were for. The
// name is one of the constants of generated code, such as
// pb.ShoppingCart_AddItem_FullMethodName.
func (k *Kit) OutcomesOf(method string) []*Outcome {
	k.tb.Helper()
	k.requireObserves()
	return k.outcomes.find(func(o *Outcome) bool { return o.Method == method })
}

// LastOf returns what the last call of a method did. It fails the test at once if there was
// none.
func (k *Kit) LastOf(method string) *Outcome {
	k.tb.Helper()
	return last(k, k.OutcomesOf(method), "%s has not been called", method)
}

func last(k *Kit, found []*Outcome, problem string, args ...any) *Outcome {
	k.tb.Helper()
	if len(found) == 0 {
		k.tb.Fatalf("testkit: "+problem+"; there were %s", append(args, k.outcomes.summary())...)
		return nil
	}
	return found[len(found)-1]
}

// awaitTimeout is how long Await waits.
const awaitTimeout = 10 * time.Second

// Await returns what a call of a method did that may still be on its way, such as one by a
// side effect: the first that Await has not yet returned. It fails the test at once if there
// is none within 10 seconds.
func (k *Kit) Await(method string) *Outcome {
	k.tb.Helper()
	k.requireObserves()
	deadline := time.NewTimer(awaitTimeout)
	defer deadline.Stop()
	for {
		outcome, changed := k.outcomes.next(method)
		if changed == nil {
			return outcome
		}
		select {
		case <-changed:
		case <-deadline.C:
			k.tb.Fatalf("testkit: %s has not been called within %v; there were %s", method, awaitTimeout, k.outcomes.summary())
			return nil
		}
	}
}

// requireObserves fails a benchmark at once.
func (k *Kit) requireObserves() {
	k.tb.Helper()
	if !k.observes() {
		k.tb.Fatalf("testkit: in a benchmark, the kit does not look at what commands do; measure in the benchmark, and look in a test")
	}
}
