package testkit

import (
	"fmt"
	"sync"
)

// A Law is what holds for every correct entity, whatever it is for. The kit checks the laws
// after each command, and fails the test if one is broken.
//
// What breaks a law gets lost sooner or later, because the state in memory is dropped when an
// entity is passivated, the service restarts or another node takes over. To find out, the kit
// makes further instances of an entity, which are never sent a command: New, event handlers
// and the functions of a snapshot run more often than in production.
//
// All fields of an entity are taken for state, exported or not, and so is what they refer to.
// Those that are not, such as caches, have a tag:
//
//	prices map[string]int64 `cloudstate:"-"`
//
// Functions, channels, and what all instances share, such as a client that New gives to each
// of them, are no state without being told.
type Law int

// The laws.
const (
	// LawReplay says that the state in memory of an event sourced entity is the one that its
	// journal leads to. So only event handlers change it, they depend on nothing but their
	// events, a command without an event changes nothing, and one that fails leaves no trace.
	LawReplay Law = iota + 1
	// LawSnapshot says that to restore a snapshot leads to the state that it was taken of.
	LawSnapshot
	// LawPayload says that what is stored decodes to what was encoded.
	LawPayload
	// LawBase says that a Base is used only while its entity handles a command.
	LawBase
	// LawState says that all that a value entity keeps is in the state that it stores.
	LawState
	// LawUpdate says that a command of a value entity which changes the state in place updates
	// it, unless it fails. Otherwise the change is undone, which is seldom what is meant.
	LawUpdate
	// LawReplica says that the value of a CRDT entity is what the proxy believes it is, and what
	// other nodes can have.
	LawReplica
	// LawReply says that the reply of a command of an entity depends on nothing but the command
	// and what is stored, and so is the same when both are. What is stored may be the result of
	// chance. Only [Fuzz] checks it, as commands have to be repeated for that.
	LawReply
)

// String returns the name of the law.
func (l Law) String() string {
	switch l {
	case LawReplay:
		return "LawReplay"
	case LawSnapshot:
		return "LawSnapshot"
	case LawPayload:
		return "LawPayload"
	case LawBase:
		return "LawBase"
	case LawState:
		return "LawState"
	case LawUpdate:
		return "LawUpdate"
	case LawReplica:
		return "LawReplica"
	case LawReply:
		return "LawReply"
	default:
		return fmt.Sprintf("Law(%d)", int(l))
	}
}

// A violation is a law that was broken.
type violation struct {
	law Law
	// place is the entity, such as shopping-cart "u1".
	place string
	// found says what is wrong, what gets lost, and what to do.
	found string
}

func (v violation) String() string {
	return fmt.Sprintf("%s: %s (testkit.%s)", v.place, v.found, v.law)
}

// laws are those that are in force.
type laws struct {
	mu   sync.Mutex
	off  map[Law]bool
	none bool // is in force
}

// WithoutLaws switches laws off from the next command on, all of them if none is named, and
// returns the kit. In benchmarks they always are.
func (k *Kit) WithoutLaws(off ...Law) *Kit {
	k.laws.mu.Lock()
	defer k.laws.mu.Unlock()
	k.laws.none = k.laws.none || len(off) == 0
	if k.laws.off == nil {
		k.laws.off = map[Law]bool{}
	}
	for _, law := range off {
		k.laws.off[law] = true
	}
	return k
}

// inForce says whether a law is.
func (l *laws) inForce(law Law) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.none && !l.off[law]
}

// violated fails the test because a law was broken, if it is in force.
func (k *Kit) violated(v violation) {
	k.tb.Helper()
	if k.laws.inForce(v.law) {
		k.tb.Errorf("testkit: %s", v)
	}
}
