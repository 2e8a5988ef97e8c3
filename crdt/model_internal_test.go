package crdt

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// A model is a value in the most simple-minded form: it has the value as the proxy knows it,
// the value as it is now, and finds the delta by comparing all of both.
type model interface {
	// change does what the function change does to a value.
	change(s *script)
	// take returns the delta, and nil if there is nothing to send.
	take() *crdtpb.CrdtDelta
	// empty returns the delta of an untouched value, as the entry of a map has it.
	empty() *crdtpb.CrdtDelta
	state() *crdtpb.CrdtDelta
}

func newModel(letter string) model {
	switch letter {
	case "c":
		return &gcounterModel{}
	case "p":
		return &pncounterModel{}
	case "g":
		return &gsetModel{known: map[string]bool{}, now: map[string]bool{}}
	case "s":
		return &orsetModel{known: map[string]bool{}, now: map[string]bool{}}
	case "r":
		return &registerModel{pending: written("", crdtpb.CrdtClock_DEFAULT, 0)}
	case "f":
		return &flagModel{}
	case "v":
		return &voteModel{}
	default:
		return &ormapModel{known: map[string]model{}, now: map[string]model{}}
	}
}

type gcounterModel struct{ known, now uint64 }

func (m *gcounterModel) change(s *script)         { m.now += uint64(s.next(4)) }
func (m *gcounterModel) empty() *crdtpb.CrdtDelta { return gcounterDelta(0) }
func (m *gcounterModel) state() *crdtpb.CrdtDelta { return gcounterDelta(m.now) }

func (m *gcounterModel) take() *crdtpb.CrdtDelta {
	known := m.known
	m.known = m.now
	if known == m.now {
		return nil
	}
	return gcounterDelta(m.now - known)
}

type pncounterModel struct{ known, now int64 }

func (m *pncounterModel) empty() *crdtpb.CrdtDelta { return pncounterDelta(0) }
func (m *pncounterModel) state() *crdtpb.CrdtDelta { return pncounterDelta(m.now) }

func (m *pncounterModel) change(s *script) {
	m.now += int64(s.next(8))
	m.now -= int64(s.next(8))
}

func (m *pncounterModel) take() *crdtpb.CrdtDelta {
	known := m.known
	m.known = m.now
	if known == m.now {
		return nil
	}
	return pncounterDelta(m.now - known)
}

type gsetModel struct{ known, now map[string]bool }

func (m *gsetModel) change(s *script)         { m.now[s.letter()] = true }
func (m *gsetModel) empty() *crdtpb.CrdtDelta { return gsetDelta(nil) }
func (m *gsetModel) state() *crdtpb.CrdtDelta { return gsetDelta(strsOf(m.now, nil)) }

func (m *gsetModel) take() *crdtpb.CrdtDelta {
	added := strsOf(m.now, m.known)
	m.known = maps.Clone(m.now)
	if len(added) == 0 {
		return nil
	}
	return gsetDelta(added)
}

// strsOf returns the strings that are in a and not in b, in their order.
func strsOf[V any](a, b map[string]V) []*anypb.Any {
	var found []string
	for _, s := range slices.Sorted(maps.Keys(a)) {
		if _, ok := b[s]; !ok {
			found = append(found, s)
		}
	}
	return strs(found...)
}

type orsetModel struct {
	known, now map[string]bool
	cleared    bool
}

func (m *orsetModel) empty() *crdtpb.CrdtDelta { return orsetDelta(&crdtpb.ORSetDelta{}) }

func (m *orsetModel) state() *crdtpb.CrdtDelta {
	return orsetDelta(&crdtpb.ORSetDelta{Added: strsOf(m.now, nil)})
}

func (m *orsetModel) change(s *script) {
	switch s.next(8) {
	case 0:
		m.cleared = m.cleared || len(m.now) > 0
		clear(m.now)
	case 1, 2, 3:
		letter := s.letter()
		if m.now[letter] && len(m.now) == 1 { // the last one goes by clearing
			m.cleared = true
		}
		delete(m.now, letter)
	default:
		m.now[s.letter()] = true
	}
}

func (m *orsetModel) take() *crdtpb.CrdtDelta {
	known, cleared := m.known, m.cleared
	m.known, m.cleared = maps.Clone(m.now), false
	if cleared {
		return orsetDelta(&crdtpb.ORSetDelta{Cleared: true, Added: strsOf(m.now, nil)})
	}
	if maps.Equal(known, m.now) {
		return nil
	}
	return orsetDelta(&crdtpb.ORSetDelta{Removed: strsOf(known, m.now), Added: strsOf(m.now, known)})
}

type registerModel struct {
	value   string
	pending *crdtpb.CrdtDelta
}

func (m *registerModel) empty() *crdtpb.CrdtDelta { return m.state() }
func (m *registerModel) state() *crdtpb.CrdtDelta {
	return written(m.value, crdtpb.CrdtClock_DEFAULT, 0)
}

func (m *registerModel) change(s *script) {
	m.value = s.letter()
	clock, custom := crdtpb.CrdtClock(s.next(4)), int64(s.next(64))
	if clock != crdtpb.CrdtClock_CUSTOM && clock != crdtpb.CrdtClock_CUSTOM_AUTO_INCREMENT {
		custom = 0
	}
	m.pending = written(m.value, clock, custom)
}

func (m *registerModel) take() *crdtpb.CrdtDelta {
	pending := m.pending
	m.pending = nil
	return pending
}

type flagModel struct{ known, now bool }

func (m *flagModel) change(*script)           { m.now = true }
func (m *flagModel) empty() *crdtpb.CrdtDelta { return flagDelta(false) }
func (m *flagModel) state() *crdtpb.CrdtDelta { return flagDelta(m.now) }

func (m *flagModel) take() *crdtpb.CrdtDelta {
	known := m.known
	m.known = m.now
	if known == m.now {
		return nil
	}
	return flagDelta(true)
}

type voteModel struct{ known, now bool }

func (m *voteModel) change(s *script)         { m.now = s.next(2) == 1 }
func (m *voteModel) empty() *crdtpb.CrdtDelta { return voteDelta(&crdtpb.VoteDelta{SelfVote: m.now}) }

func (m *voteModel) state() *crdtpb.CrdtDelta {
	d := &crdtpb.VoteDelta{SelfVote: m.now, TotalVoters: 1}
	if m.now {
		d.VotesFor = 1
	}
	return voteDelta(d)
}

func (m *voteModel) take() *crdtpb.CrdtDelta {
	known := m.known
	m.known = m.now
	if known == m.now {
		return nil
	}
	return voteDelta(&crdtpb.VoteDelta{SelfVote: m.now})
}

// ormapModel tells entries apart by the identity of their values: a new one is another entry.
type ormapModel struct {
	known, now map[string]model
	cleared    bool
}

func (m *ormapModel) empty() *crdtpb.CrdtDelta { return ormapDelta(&crdtpb.ORMapDelta{}) }

func (m *ormapModel) state() *crdtpb.CrdtDelta {
	d := &crdtpb.ORMapDelta{}
	for _, key := range slices.Sorted(maps.Keys(m.now)) {
		d.Added = append(d.Added, at(key, m.now[key].state()))
	}
	return ormapDelta(d)
}

func (m *ormapModel) change(s *script) {
	switch op := s.next(8); op {
	case 0:
		if len(m.now) > 0 || len(m.known) > 0 && !m.cleared {
			m.cleared = true
		}
		clear(m.now)
	case 1, 2:
		delete(m.now, s.letter())
	default:
		letter := s.letter()
		if m.now[letter] == nil {
			m.now[letter] = newModel(letter)
		}
		if op > 3 {
			m.now[letter].change(s)
		}
	}
}

func (m *ormapModel) take() *crdtpb.CrdtDelta {
	d := &crdtpb.ORMapDelta{Cleared: m.cleared}
	for _, key := range slices.Sorted(maps.Keys(m.known)) {
		if m.known[key] != m.now[key] && !m.cleared {
			d.Removed = append(d.Removed, str(key))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(m.now)) {
		delta := m.now[key].take()
		switch {
		case m.known[key] != m.now[key] && delta == nil:
			d.Added = append(d.Added, at(key, m.now[key].empty()))
		case m.known[key] != m.now[key]:
			d.Added = append(d.Added, at(key, delta))
		case delta != nil:
			d.Updated = append(d.Updated, at(key, delta))
		}
	}
	m.known, m.cleared = maps.Clone(m.now), false
	if !d.GetCleared() && len(d.GetRemoved())+len(d.GetUpdated())+len(d.GetAdded()) == 0 {
		return nil
	}
	return ormapDelta(d)
}

// FuzzValues_MatchTheModel does the same to a value and to its model, and compares what they
// hold and what they send (protocol section 5).
func FuzzValues_MatchTheModel(f *testing.F) {
	addScripts(f)
	f.Fuzz(func(t *testing.T, letter string, data []byte) {
		value, want := newValue(letter), newModel(letter)
		s := &script{data: data}
		for !s.done() {
			if s.next(4) == 0 {
				requireDelta(t, want.take(), take(value))
				require.False(t, value.changed())
			}
			again := *s
			change(t, value, s)
			want.change(&again)
			require.Len(t, again.data, len(s.data))
			requireDelta(t, want.state(), value.state())
		}
		requireDelta(t, want.take(), take(value))
	})
}
