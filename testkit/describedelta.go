package testkit

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// describeDelta returns a delta as text, one change a line, such that two deltas with the same
// text do the same to values that are the same. Of votes, it has only that of the node itself.
func describeDelta(delta *crdtpb.CrdtDelta) string {
	var lines []string
	switch d := delta.GetDelta().(type) {
	case nil:
		return nothing
	case *crdtpb.CrdtDelta_Gcounter:
		return fmt.Sprintf("GCounter %+d", d.Gcounter.GetIncrement())
	case *crdtpb.CrdtDelta_Pncounter:
		return fmt.Sprintf("PNCounter %+d", d.Pncounter.GetChange())
	case *crdtpb.CrdtDelta_Flag:
		return fmt.Sprintf("Flag %t", d.Flag.GetValue())
	case *crdtpb.CrdtDelta_Vote:
		return fmt.Sprintf("Vote %t", d.Vote.GetSelfVote())
	case *crdtpb.CrdtDelta_Lwwregister:
		text := "LWWRegister = " + elementOf(d.Lwwregister.GetValue()).String()
		if clock := d.Lwwregister.GetClock(); clock != crdtpb.CrdtClock_DEFAULT {
			text += fmt.Sprintf(" (%s %d)", clock, d.Lwwregister.GetCustomClockValue())
		}
		return text
	case *crdtpb.CrdtDelta_Gset:
		lines = append([]string{"GSet"}, elementLines("add ", d.Gset.GetAdded())...)
	case *crdtpb.CrdtDelta_Orset:
		lines = append([]string{"ORSet"}, removalLines(d.Orset.GetCleared(), d.Orset.GetRemoved())...)
		lines = append(lines, elementLines("add ", d.Orset.GetAdded())...)
	case *crdtpb.CrdtDelta_Ormap:
		lines = append([]string{"ORMap"}, removalLines(d.Ormap.GetCleared(), d.Ormap.GetRemoved())...)
		lines = append(lines, entryLines("update ", d.Ormap.GetUpdated())...)
		lines = append(lines, entryLines("add ", d.Ormap.GetAdded())...)
	}
	return strings.Join(lines, "\n  ")
}

func removalLines(cleared bool, removed []*anypb.Any) []string {
	lines := elementLines("remove ", removed)
	if cleared {
		lines = append([]string{"clear"}, lines...)
	}
	return lines
}

func elementLines(what string, elements []*anypb.Any) []string {
	lines := make([]string, 0, len(elements))
	for _, e := range elements {
		lines = append(lines, what+elementOf(e).String())
	}
	return lines
}

func entryLines(what string, entries []*crdtpb.ORMapEntryDelta) []string {
	lines := make([]string, 0, len(entries))
	for _, e := range entries {
		nested := strings.ReplaceAll(describeDelta(e.GetDelta()), "\n", "\n  ")
		lines = append(lines, what+elementOf(e.GetKey()).String()+": "+nested)
	}
	return lines
}
