package eventsourced

// Base makes a type an event sourced entity. Embed it as a value:
//
//	type Cart struct {
//		eventsourced.Base
//		...
//	}
//
// Its methods may be called only by the handlers of the entity, while they run.
type Base struct {
	owner owner
}

// Instance is what entity types are that embed [Base].
type Instance interface {
	base() *Base
}

// owner is the activation that a Base belongs to.
type owner interface {
	emit(event any)
	lastSequence() int64
}

func (b *Base) base() *Base { return b }

// Emit records that events have happened: each is encoded, applied to the state by its
// handler, and stored before the reply to the command is sent, all of them or, if the
// command fails, none. What happens to an event after Emit does not reach the journal.
//
// Emit panics outside of a command handler, and if an event cannot be encoded or has no
// handler in the declaration. The entity is then dropped and its command fails, even if
// the panic is recovered.
func (b *Base) Emit(events ...any) {
	if b.owner == nil {
		panic(misuse) //nolint:forbidigo // a mistake in the program that cannot be returned
	}
	for _, e := range events {
		b.owner.emit(e)
	}
}

// Sequence returns the number of the last event of this entity, counted from 1, or 0
// if there is none yet. Events that were just emitted count. In an event handler it is
// the number of the event that is being applied.
func (b *Base) Sequence() int64 {
	if b.owner == nil {
		return 0
	}
	return b.owner.lastSequence()
}

// misuse is what Emit panics with when it is called at the wrong time.
const misuse = "eventsourced: Emit was called outside of a command. Call it in a command handler, before it returns, " +
	"and not in an event handler, a constructor or another goroutine."
