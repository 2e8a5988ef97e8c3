package testkit

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cloudstate-go/cloudstate/proxy"
)

// A Fault is something that goes wrong on demand, as it may at any time in production. See
// [Kit.Inject].
type Fault int

// The faults.
const (
	// WriteFails lets a write of events or of a state fail. Nothing is stored.
	WriteFails Fault = iota + 1
	// WriteConflicts lets a write fail as if another proxy had been faster. Nothing is stored.
	WriteConflicts
	// WriteUnknown stores what is written, but lets the store say that nobody knows. The proxy
	// has to find out.
	WriteUnknown
	// WriteLost stores nothing, and lets the store say that nobody knows.
	WriteLost
	// ResolveFails lets the store fail when it is asked what has become of a write.
	ResolveFails
	// ReadFails lets the store fail when it is asked for an entity.
	ReadFails
	// ReadIncomplete lets the store leave out the first event of a journal.
	ReadIncomplete
	// ReadStale lets the store leave out the newest events of a journal, those of one command,
	// as a replica would that lags behind.
	ReadStale
	// CommandLost breaks the stream of an entity with a command that it then never gets.
	CommandLost
	// ReplyLost breaks the stream of an entity with a reply that the proxy then never gets,
	// although the command has been handled.
	ReplyLost
)

var faultNames = [...]string{
	WriteFails: "WriteFails", WriteConflicts: "WriteConflicts", WriteUnknown: "WriteUnknown", WriteLost: "WriteLost",
	ResolveFails: "ResolveFails", ReadFails: "ReadFails", ReadIncomplete: "ReadIncomplete", ReadStale: "ReadStale",
	CommandLost: "CommandLost", ReplyLost: "ReplyLost",
}

// String returns the name of the fault.
func (f Fault) String() string {
	if f > 0 && int(f) < len(faultNames) {
		return faultNames[f]
	}
	return fmt.Sprintf("Fault(%d)", int(f))
}

// Inject lets faults happen, each once, as soon as there is an occasion. Those that have the
// same occasions happen in this order. What they lead to is no fault of the service, so
// [Kit.Faults] does not have it. A fault that has not happened when the test ends fails it.
func (k *Kit) Inject(faults ...Fault) {
	k.injected.mu.Lock()
	defer k.injected.mu.Unlock()
	k.injected.pending = append(k.injected.pending, faults...)
}

// injected are faults that have been asked for.
type injected struct {
	mu      sync.Mutex
	pending []Fault
	hit     map[string]bool // services in which one has happened
}

// explains reports whether a fault that the proxy has found is the consequence of one that was
// asked for.
func (i *injected) explains(fault proxy.Fault) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	text := fault.Err.Error()
	if strings.Contains(text, errInjected.Error()) { // it has gone through gRPC, so only its text is left
		if i.hit == nil {
			i.hit = map[string]bool{}
		}
		i.hit[fault.Service] = true
		return true
	}
	// Of an event that has to be delivered again, all that is left is what clients see.
	return i.hit[fault.Service] && strings.HasPrefix(text, "attempt ") && strings.Contains(text, "desc = Unexpected")
}

// take removes and returns the first pending fault that is one of these, or zero.
func (i *injected) take(faults ...Fault) Fault {
	i.mu.Lock()
	defer i.mu.Unlock()
	at := slices.IndexFunc(i.pending, func(f Fault) bool { return slices.Contains(faults, f) })
	if at < 0 {
		return 0
	}
	fault := i.pending[at]
	i.pending = slices.Delete(i.pending, at, at+1)
	return fault
}

// rest returns the faults that have not happened.
func (i *injected) rest() []Fault {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.pending)
}

// errInjected is part of every error that is made up.
var errInjected = errors.New("testkit: a fault that the test has asked for")

// errBroken is how a stream ends that is broken on demand: as when the service restarts.
var errBroken = status.Error(codes.Unavailable, errInjected.Error()+": the stream breaks")
