package valueentity

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/domain"
	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/valueentitypb"
)

// tenItems is a cart as the benchmark has them.
func tenItems() *domain.Cart {
	c := &domain.Cart{}
	for i := range 10 {
		c.Items = append(c.Items, &domain.LineItem{ProductId: "product-" + strconv.Itoa(i), Name: "Cloudstate Benchmark T-Shirt", Quantity: 1})
	}
	return c
}

// increase is an AddItem that changes a quantity, so that the state does not grow.
func increase(c *cart) {
	state := c.State()
	state.GetItems()[0].Quantity++
	c.Update(state)
}

// look is an AddItem that only reads.
func look(c *cart) { c.State() }

// warm returns a driver with a cart of ten products, and a command to send to it.
func warm(tb testing.TB, add func(*cart)) (*driver, *valueentitypb.ValueEntityStreamIn) {
	tb.Helper()
	d := newDriver(tb, newEntity(do(add))).startWith(pack(tb, tenItems()))
	in := commandMessage(&protocol.Command{EntityId: "u1", Id: 1, Name: "AddItem", Payload: pack(tb, &pb.AddLineItem{UserId: "u1", ProductId: "a", Quantity: 1})})
	requireHandled(tb, d, in)
	return d, in
}

func requireHandled(tb testing.TB, d *driver, in *valueentitypb.ValueEntityStreamIn) {
	tb.Helper()
	out, over := d.session.handle(tb.Context(), in)
	require.False(tb, over, "%v", out.out.GetFailure())
	out.Free()
}

func benchmarkCommand(b *testing.B, add func(*cart)) {
	b.Helper()
	d, in := warm(b, add)
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

// One command that stores a cart of ten products, without a network.
func BenchmarkSession_CommandWithUpdate(b *testing.B) { benchmarkCommand(b, increase) }

// One command that reads the cart.
func BenchmarkSession_CommandWithoutUpdate(b *testing.B) { benchmarkCommand(b, look) }

// One activation with a stored cart.
func BenchmarkSession_Activate(b *testing.B) {
	in := initMessage(pack(b, tenItems()))
	d := newDriver(b, newEntity(put))
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		s := newSession(d.session.types, d.session.Env)
		if out, over := s.handle(ctx, in); over {
			b.Fatal(out.out.GetFailure())
		}
		s.Close()
	}
}

// Not parallel: testing.AllocsPerRun counts the allocations of all goroutines.
//
// A command costs its context, and its request with the strings in it: nothing for the
// messages of the protocol, nor for the state.
func TestSession_CommandAllocatesLittle(t *testing.T) { //nolint:paralleltest // see above
	for name, add := range map[string]func(*cart){"update": increase, "read": look} {
		t.Run(name, func(t *testing.T) { //nolint:paralleltest // see above
			d, in := warm(t, add)
			ctx := t.Context()
			allocs := testing.AllocsPerRun(200, func() {
				out, _ := d.session.handle(ctx, in)
				out.Free()
			})
			require.LessOrEqual(t, allocs, 4.0)
		})
	}
}

// A large state is held twice, as value and as it is stored, however often it is updated.
func TestMemory_DoesNotGrowWithUpdates(t *testing.T) {
	t.Parallel()
	m := &memory[[]byte]{codec: mustCodec[[]byte](t)}
	require.NoError(t, m.load(&anypb.Any{TypeUrl: "p.cloudstate.io/bytes"}))
	for range 10 {
		m.begin()
		m.update(make([]byte, 1<<16))
		values, change, err := m.commit(nil)
		require.NoError(t, err)
		require.Equal(t, updated, change)
		require.Len(t, values, len(m.stored.GetValue()))
	}
	require.Less(t, cap(m.stored.GetValue()), 1<<18)
}
