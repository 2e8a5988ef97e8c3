package eventsourced

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/domain"
	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/protocol"
)

// counting is an AddItem with one event whose handler keeps nothing, so that the state
// does not grow with the benchmark.
func counting() *Entity[*cart] {
	e := newEntity(func(_ context.Context, c *cart, add *pb.AddLineItem) (*emptypb.Empty, error) {
		c.Emit(&domain.ItemAdded{Item: &domain.LineItem{ProductId: add.GetProductId(), Quantity: add.GetQuantity()}})
		return &emptypb.Empty{}, nil
	})
	e.Events = []Event[*cart]{On(func(*cart, *domain.ItemAdded) {})}
	return e
}

// One command with one event through the runtime, without a network.
func BenchmarkSession_Command(b *testing.B) {
	d := newDriver(b, counting()).start()
	in := commandMessage(&protocol.Command{EntityId: "u1", Id: 1, Name: "AddItem", Payload: pack(b, &pb.AddLineItem{UserId: "u1", ProductId: "a", Quantity: 1})})
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		out, over := d.session.handle(ctx, in)
		if over {
			b.Fatal(out.out.GetFailure())
		}
		out.Free()
	}
}

// Not parallel: testing.AllocsPerRun counts the allocations of all goroutines.
//
// A command costs its context, its request with the strings in it, and what the handler
// makes: nothing for the messages of the protocol.
func TestSession_CommandAllocatesLittle(t *testing.T) { //nolint:paralleltest // see above
	d := newDriver(t, counting()).start()
	in := commandMessage(&protocol.Command{EntityId: "u1", Id: 1, Name: "AddItem", Payload: pack(t, &pb.AddLineItem{UserId: "u1", ProductId: "a", Quantity: 1})})
	ctx := t.Context()
	allocs := testing.AllocsPerRun(200, func() {
		out, _ := d.session.handle(ctx, in)
		out.Free()
	})
	require.LessOrEqual(t, allocs, 7.0)
}

// A journal of 10,000 events, without a network.
func BenchmarkSession_Replay10k(b *testing.B) {
	const events = 10_000
	e := counting()
	in := eventMessage(1, pack(b, &domain.ItemAdded{Item: &domain.LineItem{ProductId: "a", Name: "a product", Quantity: 1}}))
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		d := newDriver(b, e).start()
		for i := range events {
			in.GetEvent().Sequence = int64(i + 1)
			if out, over := d.session.handle(ctx, in); over {
				b.Fatal(out.out.GetFailure())
			}
		}
	}
}
