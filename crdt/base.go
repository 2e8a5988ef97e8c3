package crdt

import (
	"context"
	"iter"

	"github.com/cloudstate-go/cloudstate/internal/command"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// Base makes a type a CRDT entity whose value is of type D. Embed it as a value, and let New
// of the declaration set it with [NewBase]:
//
//	type Presence struct {
//		crdt.Base[*crdt.Vote]
//		...
//	}
//
//	New: func(string) *Presence { return &Presence{Base: crdt.NewBase(crdt.NewVote())} },
//
// Its methods may be called only by the handlers of the entity, while they run.
type Base[D Data] struct {
	data       D
	activation *activation
}

// NewBase returns a Base with the value that an entity has before anything is replicated.
func NewBase[D Data](data D) Base[D] { return Base[D]{data: data} }

// WriteConsistency is how many nodes must have a change before its command is answered
// (protocol section 5.10).
type WriteConsistency int

// The write consistencies.
const (
	// Local is the node of this entity. It is what a command has unless it says otherwise.
	Local WriteConsistency = iota
	// Majority is more than half of the nodes.
	Majority
	// All is every node.
	All
)

// Data returns the value of the entity. It may be changed by handlers of unary commands,
// and in the first and the last turn of streamed ones; at any other time a change panics and
// says so.
func (b *Base[D]) Data() D { return b.data }

// Delete deletes the value for good, on all nodes, when the command has succeeded. What the
// command has changed is lost with it, open streams end, and later commands for this entity
// fail.
func (b *Base[D]) Delete() { b.owner().delete() }

// SetWriteConsistency sets how many nodes must have the change of this command before it is
// answered. The next command has [Local] again. If not enough nodes answer within some
// seconds, the client gets a failure.
func (b *Base[D]) SetWriteConsistency(consistency WriteConsistency) {
	b.owner().consistency = crdtpb.CrdtWriteConsistency(consistency) //nolint:gosec // three values
}

// Changes suspends the handler of a streamed command, and yields the value each time that it
// has changed, on this node or on another one. The context is that of the stream of the
// handler:
//
//	func (p *Presence) Connect(user *pb.User, stream grpc.ServerStreamingServer[pb.Status]) error {
//		p.Data().Set(true)                              // first turn: may change the value
//		for vote := range p.Changes(stream.Context()) { // suspended between changes
//			if err := stream.Send(&pb.Status{Online: vote.AtLeastOne()}); err != nil {
//				return err
//			}
//		}
//		p.Data().Set(false)                             // last turn: the client is gone
//		return nil
//	}
//
// The loop ends when the client has gone; what follows it is the last turn, which may change
// the value again. Leaving the loop earlier, or returning from it, ends the client's
// stream, and must not change the value. The handler runs in the turn of its entity: no
// other handler runs at the same time, so values need no locks. Several changes may be
// seen as one.
//
// A first message that is sent before the loop is the reply to the command. If the entity is
// dropped from memory with its stream open, for instance because the service stops, the
// handler does not go on after the loop; its deferred functions run, but must not change the
// value, as nobody would see that.
func (b *Base[D]) Changes(ctx context.Context) iter.Seq[D] {
	s := streamOf(ctx)
	if s == nil {
		panic(notStreamed) //nolint:forbidigo // a mistake in the program that cannot be returned
	}
	return func(yield func(D) bool) {
		for s.suspend() {
			if !yield(b.data) {
				return
			}
		}
	}
}

const (
	misuse = "crdt: a method of Base was called outside of a command. Call it in a command handler, before it returns, " +
		"and not in a constructor or another goroutine."
	notStreamed = "crdt: Changes was called with a context that does not come from a streamed command. Pass on stream.Context() of a handler that streams its replies."
)

// owner returns the activation, which has to be in the middle of a command.
func (b *Base[D]) owner() *activation {
	switch {
	case b.activation == nil:
		panic(misuse) //nolint:forbidigo // a mistake in the program that cannot be returned
	case !b.activation.running:
		b.activation.guard.misused(misuse)
	}
	return b.activation
}

// Instance is what entity types are that embed [Base].
type Instance interface {
	entityBase() entityBase
}

// entityBase is a Base, whatever the type of its value is.
type entityBase interface {
	// value returns the value.
	value() Data
	// bind makes the base part of an activation, or of none. It returns false if it is part
	// of another one.
	bind(a *activation) bool
}

func (b *Base[D]) entityBase() entityBase { return b }

func (b *Base[D]) value() Data { return b.data }

func (b *Base[D]) bind(a *activation) bool {
	if a != nil && b.activation != nil {
		return false
	}
	b.activation = a
	return true
}

// streamOf returns the stream that a context of a handler belongs to, or nil.
func streamOf(ctx context.Context) *watch {
	if c := command.FromContext(ctx); c != nil {
		s, _ := c.Stream.(*watch)
		return s
	}
	return nil
}
