package testkit_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate/entity"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/domain"
	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/testkit"
	"github.com/cloudstate-go/cloudstate/valueentity"
)

// settings are a state with a field that JSON does not keep.
type settings struct {
	Products []string `json:"products"`
	Prices   *prices  `json:"prices"`
	draft    string
}

type prices struct{ Of map[string]int }

// panel is a value entity whose AddItem does what a test wants.
type panel struct {
	valueentity.Base[settings]
	pb.UnimplementedShoppingCartServer

	add   func(p *panel, product string) error
	added int
	seen  map[string]bool `cloudstate:"-"`
}

func (p *panel) AddItem(_ context.Context, add *pb.AddLineItem) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, p.add(p, add.GetProductId())
}

// usePanel sends a panel some commands, and returns what the test fails with.
func usePanel(t *testing.T, add func(p *panel, product string) error, off ...testkit.Law) string {
	t.Helper()
	return record(t, func(tb testing.TB) {
		tb.Helper()
		kit := testkit.New(tb, &valueentity.Entity[*panel]{
			Service:       &pb.ShoppingCart_ServiceDesc,
			PersistenceID: "panel",
			New:           func(string) *panel { return &panel{add: add, seen: map[string]bool{}} },
			State:         []entity.CodecOption{entity.JSON("settings")},
		})
		if len(off) > 0 {
			kit.WithoutLaws(off...)
		}
		for _, product := range []string{"a", "b", "c"} {
			_, _ = pb.NewShoppingCartClient(kit).AddItem(t.Context(), &pb.AddLineItem{UserId: "p1", ProductId: product})
		}
	})
}

func TestLaws_FindWhatAValueEntityLoses(t *testing.T) {
	t.Parallel()
	update := func(p *panel, product string) {
		p.Update(settings{Products: append(p.State().Products, product), Prices: &prices{}})
	}
	tests := map[string]struct {
		add  func(p *panel, product string) error
		want string
		law  testkit.Law
	}{
		"a part of the state is kept outside of it": {
			func(p *panel, product string) error {
				update(p, product)
				p.added++
				return nil
			},
			`panel "p1": after AddItem, added is 1 in memory, but 0 when the entity is loaded. The difference is lost when the entity leaves memory. ` +
				"Keep everything in the state that Update stores. A field that is no state has the tag `cloudstate:\"-\"`. (testkit.LawState)",
			testkit.LawState,
		},
		"a command that fails leaves a trace": {
			func(p *panel, _ string) error {
				p.added++
				return errors.New("changed my mind")
			},
			`panel "p1": after AddItem, added is 1 in memory, but 0 when the entity is loaded.`,
			testkit.LawState,
		},
		"a part of the state is not stored": {
			func(p *panel, product string) error {
				p.Update(settings{Products: []string{product}, draft: product})
				return nil
			},
			`panel "p1": after AddItem, draft is "a" in memory, but "" when the state is loaded. It is lost when the entity leaves memory. ` +
				"JSON stores exported fields only; export it, or implement json.Marshaler and json.Unmarshaler. (testkit.LawPayload)",
			testkit.LawPayload,
		},
		"the state is changed, and not updated": {
			func(p *panel, product string) error {
				if product == "a" {
					update(p, product)
				}
				p.State().Products[0] = product
				return nil
			},
			`panel "p1": AddItem changed the state in place, but did not call Update, so the change was undone. ` +
				"Call Update with the changed state, or change a copy. (testkit.LawUpdate)",
			testkit.LawUpdate,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, usePanel(t, tt.add), tt.want)
			require.NotContains(t, usePanel(t, tt.add, tt.law), tt.want, "the law is switched off")
			require.Empty(t, usePanel(t, tt.add, testkit.LawState, testkit.LawPayload, testkit.LawUpdate))
		})
	}
	for name, add := range map[string]func(p *panel, product string) error{
		"what is right": func(p *panel, product string) error {
			update(p, product)
			p.seen[product] = true
			return nil
		},
		"what fails after a change in place": func(p *panel, product string) error {
			if product == "a" {
				update(p, product)
				return nil
			}
			p.State().Products[0] = product
			return errors.New("changed my mind")
		},
		"what is deleted": func(p *panel, product string) error {
			if product == "b" {
				p.Delete()
				return nil
			}
			update(p, product)
			return nil
		},
		"a map is made to look into it": func(p *panel, product string) error {
			if product == "a" {
				update(p, product)
				return nil
			}
			state := p.State()
			if state.Prices.Of == nil {
				state.Prices.Of = map[string]int{}
			}
			return nil
		},
	} {
		require.Empty(t, usePanel(t, add), name)
	}
}

// A law that is switched off does not hide the others.
func TestLaws_HoldWithoutTheOthers(t *testing.T) {
	t.Parallel()
	add := func(p *panel, product string) error {
		p.added++ // breaks LawState from the first command on
		if product == "c" {
			p.Update(settings{draft: product})
		}
		return nil
	}
	require.Contains(t, usePanel(t, add, testkit.LawState), `panel "p1": after AddItem, draft is "c" in memory, but "" when the state is loaded.`)
}

// careless is a value entity that changes its state, and forgets to update it.
type careless struct {
	valueentity.Base[*domain.Cart]
	pb.UnimplementedShoppingCartServer
}

func (c *careless) AddItem(_ context.Context, add *pb.AddLineItem) (*emptypb.Empty, error) {
	c.State().Items = append(c.State().Items, &domain.LineItem{ProductId: add.GetProductId()})
	return &emptypb.Empty{}, nil
}

func (c *careless) GetCart(context.Context, *pb.GetShoppingCart) (*pb.Cart, error) {
	return &pb.Cart{Items: make([]*pb.LineItem, len(c.State().GetItems()))}, nil
}

// A state that is not there yet is one as well.
func TestLaws_FindAFirstStateThatIsNotUpdated(t *testing.T) {
	t.Parallel()
	got := record(t, func(tb testing.TB) {
		tb.Helper()
		kit := testkit.New(tb, &valueentity.Entity[*careless]{
			Service: &pb.ShoppingCart_ServiceDesc, PersistenceID: "panel",
			New: func(string) *careless { return &careless{} },
		})
		carts := pb.NewShoppingCartClient(kit)
		_, err := carts.GetCart(t.Context(), &pb.GetShoppingCart{UserId: "p1"}) // only looks
		require.NoError(t, err)
		_, err = carts.AddItem(t.Context(), &pb.AddLineItem{UserId: "p1", ProductId: "a"})
		require.NoError(t, err)
	})
	require.Equal(t, `testkit: panel "p1": AddItem changed the state in place, but did not call Update, so the change was undone. `+
		"Call Update with the changed state, or change a copy. (testkit.LawUpdate)", got)
}

func TestLaws_FindAValueBaseThatIsUsedAfterItsCommand(t *testing.T) {
	t.Parallel()
	kept := make(chan func(), 1)
	got := record(t, func(tb testing.TB) {
		tb.Helper()
		kit := testkit.New(tb, &valueentity.Entity[*panel]{
			Service: &pb.ShoppingCart_ServiceDesc, PersistenceID: "panel", State: []entity.CodecOption{entity.JSON("settings")},
			New: func(string) *panel {
				return &panel{add: func(p *panel, _ string) error {
					kept <- func() {
						defer func() { _ = recover() }()
						p.Update(settings{})
					}
					return nil
				}}
			},
		})
		_, err := pb.NewShoppingCartClient(kit).AddItem(t.Context(), &pb.AddLineItem{UserId: "p1"})
		require.NoError(t, err)
		late := <-kept
		late()
		kit.Passivate("panel", "p1")
		late()
	})
	const want = `testkit: panel "p1": valueentity: a method of Base was called outside of a command. Call it in a command handler, before it returns, ` +
		"and not in a constructor or another goroutine. (testkit.LawBase)"
	require.Equal(t, want+"\n"+want, got)
}

// What is stored must be such that it can be loaded.
func TestLaws_FindAStateThatCannotBeLoaded(t *testing.T) {
	t.Parallel()
	got := record(t, func(tb testing.TB) {
		tb.Helper()
		kit := testkit.New(tb, &valueentity.Entity[*unloadable]{
			Service: &pb.ShoppingCart_ServiceDesc, PersistenceID: "panel", State: []entity.CodecOption{entity.JSON("unreadable")},
			New: func(string) *unloadable { return &unloadable{} },
		})
		_, err := pb.NewShoppingCartClient(kit).AddItem(t.Context(), &pb.AddLineItem{UserId: "p1"})
		require.NoError(t, err)
	})
	require.Contains(t, got, `panel "p1": what is stored after AddItem cannot be loaded: Value entity unexpected failure: read the state: decode json.cloudstate.io/unreadable: `)
	require.Contains(t, got, "The entity is lost once it has left memory. (testkit.LawPayload)")
}

// unloadable has a state that cannot be read again.
type unloadable struct {
	valueentity.Base[unreadable]
	pb.UnimplementedShoppingCartServer
}

func (u *unloadable) AddItem(context.Context, *pb.AddLineItem) (*emptypb.Empty, error) {
	u.Update(unreadable{1})
	return &emptypb.Empty{}, nil
}
