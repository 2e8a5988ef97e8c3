package testkit

import (
	"fmt"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/internal/component"
	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// fullReplays is the number of events up to which the journal is replayed from its beginning
// after each command. Longer ones are replayed whenever they have doubled, and a replica is
// kept up meanwhile.
const fullReplays = 64

// journalLaws checks one activation of an event sourced entity.
type journalLaws struct {
	kit   *Kit
	key   store.Key
	live  component.EventSourced
	place string

	replica component.EventSourced // what the journal leads to
	next    int64                  // number of events at which the journal is replayed again
	broken  map[Law]bool           // so that whatever follows would break them as well
}

func newJournalLaws(k *Kit, key store.Key, live component.EventSourced) *journalLaws {
	return &journalLaws{kit: k, key: key, place: key.String(), live: live, broken: map[Law]bool{}}
}

// checks says whether a law is to be checked.
func (l *journalLaws) checks(law Law) bool { return !l.broken[law] && l.kit.laws.inForce(law) }

// giveUp lets nothing be checked any more.
func (l *journalLaws) giveUp() { l.broken[LawReplay], l.broken[LawSnapshot] = true, true }

// recovered checks an entity that was brought into memory, before its first command.
func (l *journalLaws) recovered() {
	if !l.checks(LawReplay) && !l.checks(LawSnapshot) {
		l.giveUp() // as there is nothing to compare with
		return
	}
	known, _ := l.kit.journal.history(l.key)
	if l.live.Sequence() != known.before+int64(len(known.events)) {
		l.giveUp() // on a store that does not return everything
		return
	}
	if !l.replay(known, nil) {
		return
	}
	d := diff(l.live.Instance(), l.replica.Instance())
	switch {
	case d == nil:
	case l.nondeterministic(known, nil):
	default:
		l.reportf(LawSnapshot, "it was recovered from its snapshot, and %s is %s, but %s in a replay of all events. "+
			"What the events before the snapshot have led to is lost in part. Let the snapshot have the whole state, and restore all of it. %s",
			d.path, d.left, d.right, noStateHint)
		l.giveUp()
	}
}

// answered checks an entity that has handled a command, before its answer is sent.
func (l *journalLaws) answered(command string, events []*anypb.Any, failed bool) {
	if !l.checks(LawReplay) && !l.checks(LawSnapshot) {
		return
	}
	known, _ := l.kit.journal.history(l.key)
	if !l.follow(known, events) {
		return
	}
	if l.checks(LawReplay) {
		l.compare(command, known, events, failed)
	}
	if l.checks(LawSnapshot) {
		l.snapshot(command)
	}
}

// compare compares the state in memory with the one that the journal leads to.
func (l *journalLaws) compare(command string, known history, events []*anypb.Any, failed bool) {
	d := diff(l.live.Instance(), l.replica.Instance())
	switch {
	case d == nil:
	case l.nondeterministic(known, events):
	case failed:
		l.reportf(LawReplay, "%s failed, but left a trace: %s is %s in memory, but %s in a replay of the journal. "+
			"Later commands see what never happened, until the entity leaves memory. Check before changing anything, and change the state in event handlers only. %s",
			command, d.path, d.left, d.right, noStateHint)
	case len(events) == 0:
		l.reportf(LawReplay, "%s changed the state without an event: %s is %s in memory, but %s in a replay of the journal. "+
			"The change is lost when the entity leaves memory. Emit an event, and change the state in its handler. %s",
			command, d.path, d.left, d.right, noStateHint)
	default:
		l.reportf(LawReplay, "after %s, %s is %s in memory, but %s in a replay of the journal. "+
			"The difference is lost when the entity leaves memory. Either the state was changed outside of an event handler, "+
			"or an event was changed after it was emitted, and the state shares a part with it, or a handler depends on more than its event, such as the clock. "+
			"Change the state in event handlers only, and let them copy what somebody else may change. %s",
			command, d.path, d.left, d.right, noStateHint)
	}
}

// left checks an entity that has left memory.
func (l *journalLaws) left() {
	if !l.checks(LawReplay) {
		return
	}
	known, _ := l.kit.journal.history(l.key)
	if l.live.Sequence() != known.before+int64(len(known.events)) {
		return // its last events were not stored, which somebody else has noticed
	}
	if !l.replay(known, nil) {
		return
	}
	if d := diff(l.live.Instance(), l.replica.Instance()); d != nil && !l.nondeterministic(known, nil) {
		l.reportf(LawReplay, "when it left memory, %s was %s, but is %s in a replay of the journal, so the difference is lost. "+
			"Either it was changed after the last command, or New or an event handler depends on more than the event, such as the clock. "+
			"Change the state in event handlers only, and put into the event what they need to know. %s",
			d.path, d.left, d.right, noStateHint)
	}
}

const noStateHint = "A field that is no state has the tag `cloudstate:\"-\"`."

// follow brings the replica up to events that are about to be stored.
func (l *journalLaws) follow(known history, events []*anypb.Any) bool {
	if l.replica.Sequence()+int64(len(events)) >= l.next {
		return l.replay(known, events)
	}
	return l.apply(l.replica, events)
}

// replay makes the replica anew, from the beginning of the journal.
func (l *journalLaws) replay(known history, events []*anypb.Any) bool {
	l.replica = l.another(known, events)
	if l.replica == nil {
		return false
	}
	if at := l.replica.Sequence(); at > fullReplays {
		l.next = 2 * at
	}
	return true
}

// another returns a further activation with the state that the journal leads to, or nil if the
// journal cannot be replayed.
func (l *journalLaws) another(known history, events []*anypb.Any) component.EventSourced {
	other, err := l.live.Another(known.snapshot, known.before)
	if err != nil {
		l.reportf(LawReplay, "it cannot be activated again: %v. It is lost once it has left memory.", err)
		l.giveUp()
		return nil
	}
	shared := sharedMaps(l.live.Instance(), other.Instance())
	before := fingerprints(shared)
	if !l.apply(other, known.events) || !l.apply(other, events) {
		return nil
	}
	for i, after := range fingerprints(shared) {
		if after != before[i] {
			l.reportf(LawReplay, "%s is one map that all instances share, and an event handler changes it. "+
				"So a replay of the journal, or another entity, changes the state of this one. Let New make a new map each time.", shared[i].path)
			l.giveUp()
			return nil
		}
	}
	return other
}

// fingerprints returns texts that differ when maps do.
func fingerprints(maps []part) []string {
	texts := make([]string, 0, len(maps))
	for _, m := range maps {
		texts = append(texts, fmt.Sprintf("%+v", m.value))
	}
	return texts
}

func (l *journalLaws) apply(to component.EventSourced, events []*anypb.Any) bool {
	for _, event := range events {
		if err := to.Replay(event); err != nil {
			l.reportf(LawReplay, "event %d cannot be replayed: %v. The entity is lost once it has left memory.", to.Sequence()+1, err)
			l.giveUp()
			return false
		}
	}
	return true
}

// nondeterministic reports it if another replay of the journal leads to another state.
func (l *journalLaws) nondeterministic(known history, events []*anypb.Any) bool {
	first, second := l.another(known, events), l.another(known, events)
	if first == nil || second == nil {
		return true
	}
	d := diff(first.Instance(), second.Instance())
	if d == nil {
		return false
	}
	l.reportf(LawReplay, "its journal was replayed twice, and %s was %s, and then %s. "+
		"What commands have seen is lost when the entity leaves memory. New, an event handler or the restoring of a snapshot depends on something else than the event: "+
		"the clock, a random number, the order of a map, a variable of the package. Find out such a value in the command handler, and put it into the event. %s",
		d.path, d.left, d.right, noStateHint)
	return true
}

// snapshot checks that a snapshot has the whole state. It is taken of the replica, because to
// take it might change what it is taken of.
func (l *journalLaws) snapshot(command string) {
	snapshot, err := l.replica.TakeSnapshot()
	if err != nil {
		l.reportf(LawSnapshot, "after %s, no snapshot can be taken: %v. The next one that is due fails its command.", command, err)
		return
	}
	if snapshot == nil {
		return
	}
	restored, err := l.live.Another(snapshot, l.replica.Sequence())
	if err != nil {
		l.reportf(LawSnapshot, "after %s, a snapshot was taken, but cannot be restored: %v. The entity is lost after the next snapshot.", command, err)
		return
	}
	if d := diff(l.replica.Instance(), restored.Instance()); d != nil {
		l.reportf(LawSnapshot, "after %s, a snapshot was taken and restored, and %s was %s, and then %s. "+
			"It is lost when the entity leaves memory after a snapshot. Let the snapshot have the whole state, and restore all of it. %s",
			command, d.path, d.left, d.right, noStateHint)
		return
	}
	if !l.checks(LawReplay) {
		return
	}
	if d := diff(l.live.Instance(), l.replica.Instance()); d != nil {
		l.reportf(LawSnapshot, "after %s, to take a snapshot changed the state: %s was %s, and is %s then. Let it copy what it changes.",
			command, d.path, d.left, d.right)
	}
}

// reportf reports a violation, of each law once.
func (l *journalLaws) reportf(law Law, format string, args ...any) {
	l.kit.tb.Helper()
	l.broken[law] = true
	l.kit.violated(violation{law: law, place: l.place, found: fmt.Sprintf(format, args...)})
}
