package storetest

import (
	"errors"
	"slices"
	"sync"
)

// A Fault is something that goes wrong in a store.
type Fault int

// The faults that a [Faulty], [FaultyValues] or [FaultyReplicas] can inject.
const (
	// FailAppend lets an append fail; nothing is stored.
	FailAppend Fault = iota + 1
	// ConflictAppend lets an append fail with a *store.ConflictError, as if another
	// writer had been faster; nothing is stored.
	ConflictAppend
	// FailWrite lets a Put or Delete fail; nothing is stored.
	FailWrite
	// ConflictWrite lets a Put or Delete fail with a *store.VersionError, as if another
	// writer had been faster; nothing is stored.
	ConflictWrite
	// UnknownStored stores an append, a write or parts of a CRDT, but says that the outcome is
	// unknown.
	UnknownStored
	// UnknownNotStored does not store an append or a write, and says that the outcome is
	// unknown.
	UnknownNotStored
	// FailResolve lets a Resolve or ResolveWrite fail, so that it has to be asked again.
	FailResolve
	// FailLoad lets a load fail before its first record or part.
	FailLoad
	// FailLoadLate lets a load fail after its last record or part.
	FailLoadLate
	// FailGet lets a Get fail.
	FailGet
	// FailSave lets parts of a CRDT not be kept, neither added nor replaced.
	FailSave
)

// ErrInjected is matched by every error that is made up here, except for conflicts.
var ErrInjected = errors.New("injected fault")

// Faults are those that have been asked for. They may be used concurrently.
type Faults struct {
	mu     sync.Mutex
	faults []Fault
}

// Inject lets faults happen, each once. Those that concern the same method happen
// in the given order, one per call.
func (f *Faults) Inject(faults ...Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = append(f.faults, faults...)
}

// Pending returns the faults that have not happened yet.
func (f *Faults) Pending() []Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.faults)
}

// take removes and returns the first fault that is one of kinds, or zero.
func (f *Faults) take(kinds ...Fault) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.faults, func(fault Fault) bool { return slices.Contains(kinds, fault) })
	if i < 0 {
		return 0
	}
	fault := f.faults[i]
	f.faults = slices.Delete(f.faults, i, i+1)
	return fault
}
