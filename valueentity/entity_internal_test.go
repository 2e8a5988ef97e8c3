package valueentity

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/cloudstate-go/cloudstate/entity"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/domain"
	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/protocol/valueentitypb"
)

func mustCodec[T any](tb testing.TB) *entity.Codec[T] {
	tb.Helper()
	c, err := entity.NewCodec[T]()
	require.NoError(tb, err)
	return c
}

func TestDeclare_HasUsefulDefaults(t *testing.T) {
	t.Parallel()
	e := newEntity(put)
	e.PersistenceID = ""
	d := e.Declare()
	require.Empty(t, d.Mistakes)
	require.Equal(t, "ShoppingCart", d.PersistenceID)
	require.Equal(t, "cloudstate.valueentity.ValueEntity", d.Kind.EntityType)
	require.True(t, d.Kind.Keyed)
	require.Zero(t, d.PassivateAfter)
	e.PersistenceID, e.PassivateAfter = "carts", 100*time.Millisecond
	d = e.Declare()
	require.Equal(t, "carts", d.PersistenceID)
	require.Equal(t, 100*time.Millisecond, d.PassivateAfter)
}

// bare embeds only what makes it an entity.
type bare struct{ Base[string] }

func (bare) AddItem(context.Context, *pb.AddLineItem) error { return nil }

// pointing embeds the base as a pointer, which nothing sets.
type pointing struct {
	*Base[string]
	pb.UnimplementedShoppingCartServer
}

// streaming is a service with a streamed method; only its description matters.
type streaming struct {
	Base[string]
	valueentitypb.UnimplementedValueEntityServer
}

func TestDeclare_ReportsEveryMistake(t *testing.T) {
	t.Parallel()
	with := func(change func(e *Entity[*cart])) []error {
		e := newEntity(put)
		change(e)
		return e.Declare().Mistakes
	}
	plain := &Entity[*holder[struct{ A chan int }]]{
		Service: &pb.ShoppingCart_ServiceDesc, New: func(string) *holder[struct{ A chan int }] { return nil },
	}
	tests := map[string]struct {
		mistakes []error
		want     []string
	}{
		"nothing is set": {
			(&Entity[*bare]{}).Declare().Mistakes,
			[]string{"the field Service is nil; set it to", "the field New is nil; set it to a function that returns an entity without a state"},
		},
		"methods are missing": {
			(&Entity[*bare]{Service: &pb.ShoppingCart_ServiceDesc, New: func(string) *bare { return nil }}).Declare().Mistakes,
			[]string{"com.example.shoppingcart.ShoppingCart: *valueentity.bare does not implement shoppingcartpb.ShoppingCartServer: it lacks AddItem"},
		},
		"a streamed method without a key": {
			(&Entity[*streaming]{Service: &valueentitypb.ValueEntity_ServiceDesc, New: func(string) *streaming { return nil }}).Declare().Mistakes,
			[]string{"handle is streamed, which a value entity cannot be", "the request of handle, cloudstate.valueentity.ValueEntityStreamIn, has no entity key"},
		},
		"a service that is not linked in": {
			with(func(e *Entity[*cart]) { e.Service = &grpc.ServiceDesc{ServiceName: "nobody.Knows"} }),
			[]string{"nobody.Knows: the service is not in the registry of protobuf files"},
		},
		"the base as a pointer": {
			(&Entity[*pointing]{Service: &pb.ShoppingCart_ServiceDesc, New: func(string) *pointing { return nil }}).Declare().Mistakes,
			[]string{"*valueentity.pointing is not a pointer to a struct that embeds valueentity.Base as a value"},
		},
		"a state that cannot be stored": {
			plain.Declare().Mistakes,
			[]string{"state: codec for struct { A chan int }: it is neither a pointer to a protobuf message nor one of", "options are set in the field State"},
		},
		"a message as JSON": {
			with(func(e *Entity[*cart]) { e.State = []entity.CodecOption{entity.JSON("cart")} }),
			[]string{`a protobuf message is stored as such; remove entity.JSON("cart")`},
		},
		"an upcast to another type": {
			with(func(e *Entity[*cart]) {
				e.State = []entity.CodecOption{entity.Upcast(func(string) *domain.LineItem { return nil })}
			}),
			[]string{"codec for *domain.Cart: the Upcast from string returns *domain.LineItem"},
		},
		"a passivation that cannot be expressed": {
			with(func(e *Entity[*cart]) { e.PassivateAfter = time.Microsecond }),
			[]string{"PassivateAfter is 1µs; it must be a positive number of whole milliseconds"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.NotEmpty(t, tt.mistakes)
			got := errors.Join(tt.mistakes...).Error()
			for _, want := range tt.want {
				require.Contains(t, got, want)
			}
		})
	}
}
