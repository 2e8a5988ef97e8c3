package crdt

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/entity"
	pb "github.com/cloudstate-go/cloudstate/examples/presence/presencepb"
	"github.com/cloudstate-go/cloudstate/protocol/actionpb"
)

func TestDeclare_HasUsefulDefaults(t *testing.T) {
	t.Parallel()
	d := newEntity(behaviour{}).Declare()
	require.Empty(t, d.Mistakes)
	require.Equal(t, "Presence", d.PersistenceID)
	require.Equal(t, "cloudstate.crdt.Crdt", d.Kind.EntityType)
}

// byPointer embeds a pointer, which nothing sets.
type byPointer struct {
	*Base[*GCounter]
	pb.UnimplementedPresenceServer
}

// streamingIn is a service with streamed requests; only its description matters.
type streamingIn struct {
	Base[*GCounter]
	actionpb.UnimplementedActionProtocolServer
}

// byID is an entity whose type of value depends on its id.
type byID struct {
	Base[Data]
	pb.UnimplementedPresenceServer
}

func TestDeclare_AcceptsAValueWhoseTypeDependsOnTheID(t *testing.T) {
	t.Parallel()
	e := &Entity[*byID]{Service: &pb.Presence_ServiceDesc, New: func(id string) *byID {
		if id == "flag" {
			return &byID{Base: NewBase[Data](NewFlag())}
		}
		return &byID{}
	}}
	require.Empty(t, e.Declare().Mistakes)
}

func TestDeclare_ReportsEveryMistake(t *testing.T) {
	t.Parallel()
	with := func(change func(e *Entity[*counter])) []error {
		e := newEntity(behaviour{})
		change(e)
		return e.Declare().Mistakes
	}
	tests := map[string]struct {
		mistakes []error
		want     string
	}{
		"no New": {with(func(e *Entity[*counter]) { e.New = nil }), "the field New is nil"},
		"a value that was never made": {
			with(func(e *Entity[*counter]) { e.New = func(string) *counter { return &counter{} } }),
			"the value that New returns: the CRDT is nil; make it with a constructor of package crdt",
		},
		"elements that cannot be stored": {
			(&Entity[*sets]{Service: &pb.Presence_ServiceDesc, New: func(string) *sets {
				return &sets{Base: NewBase(NewORSet[struct{ A int }]())}
			}}).Declare().Mistakes,
			"codec for struct { A int }",
		},
		"an embedded pointer": {
			(&Entity[*byPointer]{Service: &pb.Presence_ServiceDesc, New: func(string) *byPointer { return nil }}).Declare().Mistakes,
			"*crdt.byPointer is not a pointer to a struct that embeds crdt.Base as a value",
		},
		"streamed requests": {
			(&Entity[*streamingIn]{Service: &actionpb.ActionProtocol_ServiceDesc, New: func(string) *streamingIn {
				return &streamingIn{Base: NewBase(NewGCounter())}
			}}).Declare().Mistakes,
			"handleStreamedIn streams its requests, which a CRDT entity cannot take",
		},
		"a passivation that cannot be expressed": {
			with(func(e *Entity[*counter]) { e.PassivateAfter = -time.Second }), "PassivateAfter is -1s",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.ErrorContains(t, errors.Join(tt.mistakes...), tt.want)
		})
	}
	require.Empty(t, with(func(e *Entity[*counter]) {
		create := e.New
		e.New = func(id string) *counter {
			if id == "" {
				panic("there is no such entity") //nolint:forbidigo // what a New may do
			}
			return create(id)
		}
	}))
}

// sets has elements without a codec.
type sets struct {
	Base[*ORSet[struct{ A int }]]
	pb.UnimplementedPresenceServer
}

// What is stored of a CRDT is known, as far as New tells, for the descriptors of the service.
func TestDeclare_NamesWhatIsStored(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		value Data
		want  []string
	}{
		"a counter":             {NewGCounter(), nil},
		"a vote":                {NewVote(), nil},
		"a set":                 {NewORSet[*pb.User](), []string{"com.example.presence.User"}},
		"a set that only grows": {NewGSet[string](), []string{"p.cloudstate.io/string"}},
		"a register":            {NewLWWRegister(&pb.Status{}, entity.Alias("old.Status")), []string{"com.example.presence.Status", "old.Status"}},
		"a map":                 {NewORMap(func(string) *ORSet[*pb.User] { return NewORSet[*pb.User]() }), []string{"p.cloudstate.io/string", "com.example.presence.User"}},
		"a map of registers":    {NewLWWRegisterMap[string, *pb.Status](nil), []string{"p.cloudstate.io/string", "com.example.presence.Status"}},
		"a map that expects another key": {
			NewORMap(func(key string) *GCounter { panic("unexpected key " + key) }), //nolint:forbidigo // as users may
			[]string{"p.cloudstate.io/string"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := (&Entity[*byID]{Service: &pb.Presence_ServiceDesc, New: func(string) *byID { return &byID{Base: NewBase(tt.value)} }}).Declare()
			require.ElementsMatch(t, tt.want, d.Stored)
		})
	}
}
