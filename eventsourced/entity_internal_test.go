package eventsourced

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate/entity"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/domain"
	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
)

func TestDeclare_HasUsefulDefaults(t *testing.T) {
	t.Parallel()
	e := newEntity(emitAll)
	e.PersistenceID = ""
	d := e.Declare()
	require.Empty(t, d.Mistakes)
	require.Equal(t, "ShoppingCart", d.PersistenceID)
	require.Equal(t, "cloudstate.eventsourced.EventSourced", d.Kind.EntityType)
	require.Zero(t, d.PassivateAfter)
}

// bare embeds only what makes it an entity.
type bare struct{ Base }

func (bare) AddItem(context.Context, *pb.AddLineItem) error { return nil }

// notEmbedded has all methods but not the one that generated code insists on.
type notEmbedded struct {
	Base
	pb.ShoppingCartServer
}

// byPointer embeds a pointer, which nothing sets.
type byPointer struct{ *Base }

// streaming is a service with a streamed method; only its description matters.
type streaming struct {
	Base
	eventsourcedpb.UnimplementedEventSourcedServer
}

func TestDeclare_ReportsEveryMistake(t *testing.T) {
	t.Parallel()
	mistakes := func(e interface{ mistakes() []error }) string { return errors.Join(e.mistakes()...).Error() }
	with := func(change func(e *Entity[*cart])) func() string {
		return func() string {
			e := newEntity(emitAll)
			change(e)
			return mistakes(e)
		}
	}
	tests := map[string]struct {
		mistakes func() string
		want     []string
	}{
		"nothing is set": {
			func() string { return mistakes(&Entity[*bare]{}) },
			[]string{"the field Service is nil; set it to", "the field New is nil; set it to"},
		},
		"an embedded pointer": {
			func() string {
				return mistakes(&Entity[*byPointer]{Service: &pb.ShoppingCart_ServiceDesc, New: func(string) *byPointer { return nil }})
			},
			[]string{"*eventsourced.byPointer is not a pointer to a struct that embeds eventsourced.Base as a value"},
		},
		"methods are missing": {
			func() string {
				return mistakes(&Entity[*bare]{Service: &pb.ShoppingCart_ServiceDesc, New: func(string) *bare { return nil }})
			},
			[]string{
				"com.example.shoppingcart.ShoppingCart: *eventsourced.bare does not implement shoppingcartpb.ShoppingCartServer: it lacks AddItem func(context.Context, *shoppingcartpb.AddLineItem) (*emptypb.Empty, error), GetCart func(",
				", RemoveItem func(",
			},
		},
		"a streamed method without a key": {
			func() string {
				return mistakes(&Entity[*streaming]{Service: &eventsourcedpb.EventSourced_ServiceDesc, New: func(string) *streaming { return nil }})
			},
			[]string{"handle is streamed, which an event sourced entity cannot be", "the request of handle, cloudstate.eventsourced.EventSourcedStreamIn, has no entity key"},
		},
		"a service that is not linked in": {
			func() string {
				return mistakes(&Entity[*bare]{Service: &grpc.ServiceDesc{ServiceName: "nobody.Knows"}, New: func(string) *bare { return nil }})
			},
			[]string{"nobody.Knows: the service is not in the registry of protobuf files; import the package"},
		},
		"a service that is a message": {
			func() string {
				return mistakes(&Entity[*bare]{Service: &grpc.ServiceDesc{ServiceName: "com.example.shoppingcart.Cart"}, New: func(string) *bare { return nil }})
			},
			[]string{"com.example.shoppingcart.Cart is not a service"},
		},
		"generated code of another version": {
			func() string {
				desc := pb.ShoppingCart_ServiceDesc
				desc.Methods = append([]grpc.MethodDesc{{MethodName: "Gone"}}, desc.Methods...)
				desc.HandlerType = nil
				return mistakes(&Entity[*bare]{Service: &desc, New: func(string) *bare { return nil }})
			},
			[]string{"a method Gone that the .proto file does not have", "has 4 methods, its .proto file 3", "its HandlerType is <nil>"},
		},
		"an event twice": {
			with(func(e *Entity[*cart]) { e.Events = append(e.Events, On((*cart).itemAdded)) }),
			[]string{"event *domain.ItemAdded is declared twice"},
		},
		"an event under the name of another": {
			with(func(e *Entity[*cart]) {
				e.Events = append(e.Events, On(func(*cart, *domain.ItemRemoved) {}, entity.Alias("com.example.shoppingcart.persistence.ItemAdded")))
			}),
			[]string{"com.example.shoppingcart.persistence.ItemAdded is replayed by two handlers, for *domain.ItemAdded and for *domain.ItemRemoved"},
		},
		"an event that cannot be stored": {
			with(func(e *Entity[*cart]) { e.Events = append(e.Events, On(func(*cart, struct{}) {})) }),
			[]string{"event 2: codec for struct {}"},
		},
		"an event without a handler": {
			with(func(e *Entity[*cart]) {
				e.Events = append(e.Events, On[*cart, string](nil), Event[*cart]{})
			}),
			[]string{"event 2: the handler of event string is nil", "event 3 is empty; make it with eventsourced.On"},
		},
		"half a snapshot": {
			with(func(e *Entity[*cart]) { e.Snapshot = SnapshotOf((*cart).snapshot, nil) }),
			[]string{"snapshot: the snapshot of type string needs two functions"},
		},
		"a snapshot that cannot be stored": {
			with(func(e *Entity[*cart]) {
				e.Snapshot = SnapshotOf(func(*cart) struct{} { return struct{}{} }, func(*cart, struct{}) {})
			}),
			[]string{"snapshot: codec for struct {}"},
		},
		"a passivation that cannot be expressed": {
			with(func(e *Entity[*cart]) { e.PassivateAfter = time.Microsecond }),
			[]string{"PassivateAfter is 1µs; it must be a positive number of whole milliseconds"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := tt.mistakes()
			for _, want := range tt.want {
				require.Contains(t, got, want)
			}
		})
	}
	require.Empty(t, (&Entity[*notEmbedded]{Service: &pb.ShoppingCart_ServiceDesc, New: func(string) *notEmbedded { return nil }}).mistakes())
}

func (e *Entity[S]) mistakes() []error { return e.Declare().Mistakes }

// Old events are read in their former shape and under their former name, in one journal.
func TestEvents_OfFormerVersionsAreReplayed(t *testing.T) {
	t.Parallel()
	e := newEntity(emitAll)
	e.Events = []Event[*cart]{On((*cart).itemAdded,
		entity.Alias("shop.ItemAdded"),
		Upcast(added),
	)}
	d := newDriver(t, e).start()
	d.send(eventMessage(1, pack(t, added("a"))))
	former := pack(t, added("b"))
	former.TypeUrl = "type.googleapis.com/shop.ItemAdded"
	d.send(eventMessage(2, former))
	codec, err := entity.NewCodec[string]()
	require.NoError(t, err)
	text, err := codec.Encode("c")
	require.NoError(t, err)
	d.send(eventMessage(3, text))
	require.Equal(t, "a,b,c", d.products())
}

// Events may be primitives and JSON.
func TestEvents_MayBeAnythingThatHasACodec(t *testing.T) {
	t.Parallel()
	type renamed struct{ To string }
	e := newEntity(func(_ context.Context, c *cart, add *pb.AddLineItem) (*emptypb.Empty, error) {
		c.Emit(add.GetProductId(), renamed{To: "z"})
		return nil, nil //nolint:nilnil // Empty
	})
	e.Events = []Event[*cart]{
		On(func(c *cart, product string) { c.products = append(c.products, product) }),
		On(func(c *cart, r renamed) { c.products[len(c.products)-1] += r.To }, entity.JSON("renamed")),
	}
	d := newDriver(t, e).start()
	events := d.addItem("a").GetReply().GetEvents()
	require.Len(t, events, 2)
	require.Equal(t, "p.cloudstate.io/string", events[0].GetTypeUrl())
	require.Equal(t, "json.cloudstate.io/renamed", events[1].GetTypeUrl())
	require.Equal(t, "az", d.products())

	again := newDriver(t, e).start()
	again.send(eventMessage(1, events[0]))
	again.send(eventMessage(2, events[1]))
	require.Equal(t, "az", again.products())
}
