package valueentity

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate/entity"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/domain"
	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/valueentitypb"
)

// P-071, P-072: only the last update or delete of a handler is sent, none if there was none.
func TestState_TheLastChangeDecides(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		add  func(c *cart)
		want *valueentitypb.ValueEntityAction
		then string // what GetCart says
	}{
		"nothing":                {func(*cart) {}, nil, "old"},
		"a look":                 {func(c *cart) { c.State(); c.Exists() }, nil, "old"},
		"three updates":          {func(c *cart) { c.Update(cartOf("a")); c.Update(cartOf("b")); c.Update(cartOf("c")) }, updateTo(pack(t, cartOf("c"))), "c"},
		"update, delete":         {func(c *cart) { c.Update(cartOf("a")); c.Delete() }, deletion(), "nothing"},
		"delete, update":         {func(c *cart) { c.Delete(); c.Update(cartOf("a")) }, updateTo(pack(t, cartOf("a"))), "a"},
		"update, delete, update": {func(c *cart) { c.Update(cartOf("a")); c.Delete(); c.Update(cartOf("b")) }, updateTo(pack(t, cartOf("b"))), "b"},
		"an empty state":         {func(c *cart) { c.Update(&domain.Cart{}) }, updateTo(pack(t, cartOf())), ""},
		"a change after Update":  {func(c *cart) { s := cartOf("a"); c.Update(s); s.Items[0].ProductId = "z" }, updateTo(pack(t, cartOf("z"))), "z"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDriver(t, newEntity(do(tt.add))).startWith(pack(t, cartOf("old")))
			requireEqual(t, replyMessage(&valueentitypb.ValueEntityReply{
				CommandId: 1, ClientAction: emptyAction(), StateAction: tt.want,
			}), d.addItem("x"))
			require.Equal(t, tt.then, d.state())
			require.Equal(t, tt.then, d.state(), "reading changes nothing")
		})
	}
}

// What State and Exists say within a command, with and without something stored.
func TestState_ShowsWhatTheCommandHasDone(t *testing.T) {
	t.Parallel()
	tests := map[string]*anypb.Any{"a new entity": nil, "a stored one": pack(t, cartOf("old"))}
	for name, stored := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var seen []string
			look := func(c *cart) {
				text := "not "
				if c.Exists() {
					text = ""
				}
				seen = append(seen, text+"there: "+show(c.State()))
			}
			d := newDriver(t, newEntity(do(func(c *cart) {
				look(c)
				c.Update(cartOf("a", "b"))
				look(c)
				c.Delete()
				look(c)
				c.Update(cartOf())
				look(c)
			}))).startWith(stored)
			d.addItem("x")
			first := "not there: "
			if stored != nil {
				first = "there: old"
			}
			require.Equal(t, []string{first, "there: a,b", "not there: ", "there: "}, seen)
		})
	}
}

// A handler that asks twice gets the same value, so that what it changes in place is not
// lost, also where nothing was stored.
func TestState_IsTheSameValueWithinACommand(t *testing.T) {
	t.Parallel()
	add := do(func(c *cart) {
		c.State().Items = append(c.State().Items, cartOf("a").GetItems()...)
		c.Update(c.State())
	})
	d := newDriver(t, newEntity(add)).start()
	d.addItem("x")
	require.Equal(t, "a", d.state())
	d.addItem("x")
	require.Equal(t, "a,a", d.state())
	d.remove()
	d.addItem("x")
	require.Equal(t, "a", d.state())
}

// P-073: a failed command leaves no trace, whatever it has done.
func TestFailure_RollsTheStateBack(t *testing.T) {
	t.Parallel()
	tests := map[string]func(c *cart){
		"it did nothing":             func(*cart) {},
		"it looked":                  func(c *cart) { c.State() },
		"it updated":                 func(c *cart) { c.Update(cartOf("new")) },
		"it deleted":                 func(c *cart) { c.Delete() },
		"it changed in place":        func(c *cart) { c.State().Items = append(c.State().Items, &domain.LineItem{ProductId: "new"}) },
		"it changed deep inside":     func(c *cart) { c.State().GetItems()[0].ProductId = "new" },
		"it changed, then deleted":   func(c *cart) { c.State().Items = nil; c.Delete() },
		"it changed, then updated":   func(c *cart) { c.State().Items = nil; c.Update(c.State()) },
		"its state cannot be stored": func(c *cart) { c.Update(cartOf("\xff")) },
	}
	for name, add := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			failing := func(_ context.Context, c *cart, _ *pb.AddLineItem) (*emptypb.Empty, error) {
				add(c)
				return &emptypb.Empty{}, status.Error(codes.FailedPrecondition, "no")
			}
			want := replyMessage(&valueentitypb.ValueEntityReply{CommandId: 1, ClientAction: failureAction(&protocol.Failure{
				CommandId: 1, Description: "no", GrpcStatusCode: uint32(codes.FailedPrecondition),
			})})
			d := newDriver(t, newEntity(failing)).startWith(pack(t, cartOf("old")))
			requireEqual(t, want, d.addItem("x"))
			require.Equal(t, "old", d.state())
			require.Empty(t, d.log.String())
		})
	}
}

// The same after an update of this activation, and where nothing is stored.
func TestFailure_RollsBackToTheLastUpdate(t *testing.T) {
	t.Parallel()
	d := newDriver(t, newEntity(func(ctx context.Context, c *cart, add *pb.AddLineItem) (*emptypb.Empty, error) {
		reply, _ := put(ctx, c, add)
		if strings.HasPrefix(add.GetProductId(), "bad") {
			return reply, errors.New("bad")
		}
		return reply, nil
	})).start()
	d.addItem("bad1")
	require.Equal(t, "nothing", d.state())
	d.addItem("a")
	d.addItem("bad2")
	require.Equal(t, "a", d.state())
	d.addItem("b")
	require.Equal(t, "a,b", d.state())
	d.remove()
	d.addItem("bad3")
	require.Equal(t, "nothing", d.state())
}

// What is changed in place counts only after Update. It would be lost at the next
// passivation, so it must not be there before.
func TestState_ForgetsWhatWasNotUpdated(t *testing.T) {
	t.Parallel()
	change := func(_ context.Context, c *cart, add *pb.AddLineItem) (*emptypb.Empty, error) {
		state := c.State()
		state.Items = append(state.Items, &domain.LineItem{ProductId: add.GetProductId()})
		if add.GetProductId() != "lost" {
			c.Update(state)
		}
		return &emptypb.Empty{}, nil
	}
	d := newDriver(t, newEntity(change)).start()
	for range 2 {
		require.Nil(t, d.addItem("lost").GetReply().GetStateAction())
		require.Equal(t, "nothing", d.state())
	}
	d.addItem("a")
	for range 2 {
		require.Nil(t, d.addItem("lost").GetReply().GetStateAction())
		require.Equal(t, "a", d.state())
	}
	again := newDriver(t, newEntity(change)).startWith(pack(t, cartOf("old")))
	for range 2 {
		again.addItem("lost")
		require.Equal(t, "old", again.state())
	}
}

// Another SDK may have written the state in another order of fields, or an unknown field.
func TestState_MayBeStoredInAnotherForm(t *testing.T) {
	t.Parallel()
	url := pack(t, cartOf()).GetTypeUrl()
	// A LineItem with its quantity before its id.
	stored := &anypb.Any{TypeUrl: "other.host/" + strings.TrimPrefix(url, "type.googleapis.com/"), Value: []byte{0x0a, 5, 0x18, 7, 0x0a, 1, 'a'}}
	var instance *cart
	e := newEntity(put)
	e.New = func(string) *cart {
		instance = &cart{add: put}
		return instance
	}
	d := newDriver(t, e).startWith(stored)
	require.Equal(t, "a", d.state())
	require.Equal(t, "a", d.state())
	kept := instance.memory.value
	require.Equal(t, "a", d.state())
	require.Same(t, kept, instance.memory.value, "reading a state decodes it once more at most")
	require.Equal(t, "a,b", show(unpack(t, d.addItem("b"))))
}

// unpack returns the cart that an answer stores.
func unpack(tb testing.TB, out *valueentitypb.ValueEntityStreamOut) *domain.Cart {
	tb.Helper()
	var c domain.Cart
	require.NoError(tb, out.GetReply().GetStateAction().GetUpdate().GetValue().UnmarshalTo(&c))
	return &c
}

// P-074: after a delete the entity lives on, empty, and its ids go on.
func TestDelete_LeavesAnEntityThatCanBeUpdated(t *testing.T) {
	t.Parallel()
	d := newDriver(t, newEntity(put)).startWith(pack(t, cartOf("old")))
	requireEqual(t, deletion(), d.remove().GetReply().GetStateAction())
	require.Equal(t, "nothing", d.state())
	requireEqual(t, deletion(), d.remove().GetReply().GetStateAction())
	out := d.addItem("a")
	require.Equal(t, int64(4), out.GetReply().GetCommandId())
	requireEqual(t, updateTo(pack(t, cartOf("a"))), out.GetReply().GetStateAction())
	require.Equal(t, "a", d.state())
}

// States may be primitives and JSON, with what is in them rolled back too.
func TestState_MayBeAnythingThatHasACodec(t *testing.T) {
	t.Parallel()
	t.Run("a primitive", func(t *testing.T) {
		t.Parallel()
		add := func(_ context.Context, h *holder[int64], add *pb.AddLineItem) (*emptypb.Empty, error) {
			h.Update(h.State() + int64(add.GetQuantity()))
			if add.GetQuantity() < 0 {
				return nil, errors.New("negative")
			}
			return &emptypb.Empty{}, nil
		}
		d := newDriver(t, newEntity(add)).startWith(&anypb.Any{TypeUrl: "p.cloudstate.io/int64", Value: []byte{8, 5}})
		requireEqual(t, updateTo(&anypb.Any{TypeUrl: "p.cloudstate.io/int64", Value: []byte{8, 7}}),
			d.command("AddItem", &pb.AddLineItem{Quantity: 2}).GetReply().GetStateAction())
		d.command("AddItem", &pb.AddLineItem{Quantity: -3})
		require.Equal(t, "7", d.state())
		d.remove()
		// P-160: the default is an empty value, and is not nothing.
		requireEqual(t, updateTo(&anypb.Any{TypeUrl: "p.cloudstate.io/int64"}),
			d.command("AddItem", &pb.AddLineItem{}).GetReply().GetStateAction())
		require.Equal(t, "0", d.state())
	})
	t.Run("bytes that are changed in place", func(t *testing.T) {
		t.Parallel()
		add := func(_ context.Context, h *holder[[]byte], add *pb.AddLineItem) (*emptypb.Empty, error) {
			h.State()[0] = 'X'
			if add.GetProductId() == "fail" {
				return nil, errors.New("fail")
			}
			return &emptypb.Empty{}, nil
		}
		d := newDriver(t, newEntity(add)).startWith(&anypb.Any{TypeUrl: "p.cloudstate.io/bytes", Value: []byte{0x0a, 1, 'a'}})
		d.addItem("fail")
		require.Equal(t, "[97]", d.state())
		d.addItem("not updated")
		require.Equal(t, "[97]", d.state())
	})
	t.Run("JSON with a map that is changed in place", func(t *testing.T) {
		t.Parallel()
		type stock struct {
			Count map[string]int `json:"count"`
		}
		add := func(_ context.Context, h *holder[stock], add *pb.AddLineItem) (*emptypb.Empty, error) {
			s := h.State()
			if s.Count == nil {
				s.Count = map[string]int{}
			}
			s.Count[add.GetProductId()]++
			switch add.GetProductId() {
			case "fail":
				return nil, errors.New("fail")
			case "lost":
				return &emptypb.Empty{}, nil
			}
			h.Update(s)
			return &emptypb.Empty{}, nil
		}
		d := newDriver(t, newEntity(add, entity.JSON("stock"))).start()
		requireEqual(t, updateTo(&anypb.Any{TypeUrl: "json.cloudstate.io/stock", Value: []byte("\x0a\x11" + `{"count":{"a":1}}`)}),
			d.addItem("a").GetReply().GetStateAction())
		for _, product := range []string{"fail", "lost", "fail"} {
			d.addItem(product)
			require.Equal(t, "{map[a:1]}", d.state())
		}
	})
}

// A former name and a former shape are read, and written as they are now.
func TestState_OfFormerVersionsIsRead(t *testing.T) {
	t.Parallel()
	e := newEntity(put, entity.Alias("shop.Cart"), entity.Upcast(func(product string) *domain.Cart { return cartOf(product) }))
	renamed := pack(t, cartOf("a"))
	renamed.TypeUrl = "type.googleapis.com/shop.Cart"
	for _, stored := range []*anypb.Any{renamed, {TypeUrl: "p.cloudstate.io/string", Value: []byte{0x0a, 1, 'a'}}} {
		d := newDriver(t, e).startWith(stored)
		require.Equal(t, "a", d.state())
		requireEqual(t, updateTo(pack(t, cartOf("a", "b"))), d.addItem("b").GetReply().GetStateAction())
	}
	panicking := newEntity(put, entity.Upcast(func(string) *domain.Cart { boom(); return nil }))
	d := newDriver(t, panicking)
	d.requireFailure(d.send(initMessage(&anypb.Any{TypeUrl: "p.cloudstate.io/string"})), 0, "boom")
}

// The memory of answers is used again, but never that of one that is still to be sent, and
// what is sent shares nothing with the state.
func TestAnswer_KeepsLargeStatesApart(t *testing.T) {
	t.Parallel()
	d := newDriver(t, newEntity(put)).start()
	const rounds = 8
	want := make([]string, 0, rounds)
	for round := range rounds {
		want = append(want, strings.Repeat(string(rune('a'+round)), 1+round*7919))
		in := commandMessage(&protocol.Command{EntityId: "u1", Id: 1, Name: "AddItem", Payload: pack(t, &pb.AddLineItem{ProductId: want[round]})})
		first, _ := d.session.handle(t.Context(), in)
		other := newDriver(t, newEntity(put)).start() // has an answer of its own meanwhile
		requireEqual(t, updateTo(pack(t, cartOf("other"))), other.addItem("other").GetReply().GetStateAction())
		require.Equal(t, want, strings.Split(show(unpack(t, &first.out)), ","))
		first.Free()
	}
	require.Equal(t, strings.Join(want, ","), d.state())
}

// Whatever was large does not stay in memory with the pool.
//
// Not parallel: what was given back to the pool may be used by others.
func TestAnswer_GivesUpLargeMemory(t *testing.T) { //nolint:paralleltest // see above
	d := newDriver(t, newEntity(put)).start()
	in := commandMessage(&protocol.Command{EntityId: "u1", Id: 1, Name: "AddItem", Payload: pack(t, &pb.AddLineItem{ProductId: strings.Repeat("x", 1<<20)})})
	out, _ := d.session.handle(t.Context(), in)
	require.Greater(t, len(out.value.GetValue()), 1<<20)
	out.Free()
	require.Nil(t, out.value.GetValue())
	require.Nil(t, out.Values)
}
