package testkit

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

func stringElement(text string) *anypb.Any {
	return &anypb.Any{TypeUrl: "p.cloudstate.io/string", Value: append([]byte{0x0a, byte(len(text))}, text...)}
}

func TestDescribeDelta_HasAllThatADeltaDoes(t *testing.T) {
	t.Parallel()
	counter := &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Gcounter{Gcounter: &crdtpb.GCounterDelta{Increment: 2}}}
	set := &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Gset{Gset: &crdtpb.GSetDelta{Added: []*anypb.Any{stringElement("x")}}}}
	register := func(clock crdtpb.CrdtClock, custom int64) *crdtpb.CrdtDelta {
		return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Lwwregister{Lwwregister: &crdtpb.LWWRegisterDelta{
			Value: stringElement("r"), Clock: clock, CustomClockValue: custom,
		}}}
	}
	for want, delta := range map[string]*crdtpb.CrdtDelta{
		"nothing":                               nil,
		"GCounter +2":                           counter,
		"PNCounter -3":                          {Delta: &crdtpb.CrdtDelta_Pncounter{Pncounter: &crdtpb.PNCounterDelta{Change: -3}}},
		"Flag true":                             {Delta: &crdtpb.CrdtDelta_Flag{Flag: &crdtpb.FlagDelta{Value: true}}},
		"Vote true":                             {Delta: &crdtpb.CrdtDelta_Vote{Vote: &crdtpb.VoteDelta{SelfVote: true, VotesFor: 7}}},
		"GSet\n  add string \"x\"":              set,
		"LWWRegister = string \"r\"":            register(crdtpb.CrdtClock_DEFAULT, 0),
		"LWWRegister = string \"r\" (CUSTOM 7)": register(crdtpb.CrdtClock_CUSTOM, 7),
		"ORSet\n  clear\n  remove string \"a\"\n  add string \"b\"": {Delta: &crdtpb.CrdtDelta_Orset{Orset: &crdtpb.ORSetDelta{
			Cleared: true, Removed: []*anypb.Any{stringElement("a")}, Added: []*anypb.Any{stringElement("b")},
		}}},
		"ORMap\n  remove string \"a\"\n  update string \"b\": GCounter +2\n  add string \"c\": GSet\n    add string \"x\"": {
			Delta: &crdtpb.CrdtDelta_Ormap{Ormap: &crdtpb.ORMapDelta{
				Removed: []*anypb.Any{stringElement("a")},
				Updated: []*crdtpb.ORMapEntryDelta{{Key: stringElement("b"), Delta: counter}},
				Added:   []*crdtpb.ORMapEntryDelta{{Key: stringElement("c"), Delta: set}},
			}},
		},
		"GSet\n  add bytes ff\n  add p.cloudstate.io/none \"\\x00\"\n  add nobody/Knows \"\\x00\"": {Delta: &crdtpb.CrdtDelta_Gset{Gset: &crdtpb.GSetDelta{Added: []*anypb.Any{
			{TypeUrl: "p.cloudstate.io/bytes", Value: []byte{0x0a, 1, 0xff}},
			{TypeUrl: "p.cloudstate.io/none", Value: []byte{0}},
			{TypeUrl: "nobody/Knows", Value: []byte{0}},
		}}}},
	} {
		require.Equal(t, want, describeDelta(delta))
	}
	nested := &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Ormap{Ormap: &crdtpb.ORMapDelta{
		Added: []*crdtpb.ORMapEntryDelta{{Key: stringElement("k"), Delta: register(crdtpb.CrdtClock_REVERSE, 0)}},
	}}}
	require.Equal(t, "ORMap\n  add string \"k\": LWWRegister = string \"r\"", describeDelta(timeless(nested)))
	require.Contains(t, describeDelta(nested), "(REVERSE 0)", "it is not changed itself")
}
