package testkit_test

import (
	"context"
	"fmt"
	"go/parser"
	"go/token"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate"
	"github.com/cloudstate-go/cloudstate/action"
	"github.com/cloudstate-go/cloudstate/crdt"
	"github.com/cloudstate-go/cloudstate/eventsourced"
	"github.com/cloudstate-go/cloudstate/examples/presence"
	presencepb "github.com/cloudstate-go/cloudstate/examples/presence/presencepb"
	"github.com/cloudstate-go/cloudstate/examples/pricing"
	"github.com/cloudstate-go/cloudstate/examples/pricing/pricingpb"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/domain"
	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/testkit"
	"github.com/cloudstate-go/cloudstate/valueentity"
)

// talker is a cart that replies with what it has in the order of a map.
type talker struct {
	valueentity.Base[*domain.Cart]
	pb.UnimplementedShoppingCartServer
}

func (c *talker) AddItem(_ context.Context, add *pb.AddLineItem) (*emptypb.Empty, error) {
	cart := c.State()
	cart.Items = append(cart.Items, &domain.LineItem{ProductId: add.GetProductId()})
	c.Update(cart)
	return &emptypb.Empty{}, nil
}

func (c *talker) GetCart(context.Context, *pb.GetShoppingCart) (*pb.Cart, error) {
	byProduct := map[string]*domain.LineItem{}
	for _, item := range c.State().GetItems() {
		byProduct[item.GetProductId()] = item
	}
	reply := &pb.Cart{}
	for id := range byProduct {
		reply.Items = append(reply.Items, &pb.LineItem{ProductId: id})
	}
	return reply, nil
}

// forgetful is a cart with a count that is not in its state, and which only replies show.
type forgetful struct {
	valueentity.Base[*domain.Cart]
	pb.UnimplementedShoppingCartServer

	asked int32 `cloudstate:"-"`
}

func (c *forgetful) AddItem(_ context.Context, add *pb.AddLineItem) (*emptypb.Empty, error) {
	c.asked = add.GetQuantity()
	return &emptypb.Empty{}, nil
}

func (c *forgetful) GetCart(context.Context, *pb.GetShoppingCart) (*pb.Cart, error) {
	return &pb.Cart{Items: []*pb.LineItem{{Quantity: c.asked}}}, nil
}

// watcher is a CRDT entity that changes its CRDT in a turn between the first and the last.
type watcher struct {
	crdt.Base[*crdt.Vote]
	presencepb.UnimplementedPresenceServer
}

func (p *watcher) Connect(_ *presencepb.User, stream grpc.ServerStreamingServer[presencepb.Status]) error {
	p.Data().Set(true)
	for range p.Changes(stream.Context()) {
		continue
	}
	p.Data().Set(false)
	return nil
}

func (p *watcher) Monitor(_ *presencepb.User, stream grpc.ServerStreamingServer[presencepb.Status]) error {
	for vote := range p.Changes(stream.Context()) {
		vote.Set(false)
	}
	return nil
}

func (p *watcher) Check(context.Context, *presencepb.User) (*presencepb.Status, error) {
	return &presencepb.Status{Online: p.Data().AtLeastOne()}, nil
}

// breakable is an action that panics when it is asked for many of something.
type breakable struct {
	pricingpb.UnimplementedPricingServer
}

func (breakable) Total(stream grpc.ClientStreamingServer[pricingpb.Product, pricingpb.Price]) error {
	for {
		product, err := stream.Recv()
		if err != nil {
			return stream.SendAndClose(&pricingpb.Price{})
		}
		if product.GetQuantity() > 50 {
			panic("too many") //nolint:forbidigo // what a test is about
		}
	}
}

func withoutSnapshots(e *eventsourced.Entity[*planted]) *eventsourced.Entity[*planted] {
	e.Snapshot = eventsourced.Snapshot[*planted]{}
	return e
}

// Each planted bug is found among the sequences of a plain go test, with a short sequence.
func TestFuzz_FindsPlantedBugs(t *testing.T) {
	t.Parallel()
	quantity := func(c *planted, id string) *domain.LineItem {
		if c.items[id] == nil {
			c.items[id] = &domain.LineItem{ProductId: id}
		}
		return c.items[id]
	}
	tests := map[string]struct {
		component cloudstate.Component
		steps     int // at most
		want      []string
	}{
		"state changed outside of an event handler": {
			plant(wrong{get: func(c *planted) { c.visits++ }}), 1,
			[]string{
				"kit := testkit.New(t, components...)\n", "shoppingCart := shoppingcartpb.NewShoppingCartClient(kit)\n",
				`_, _ = shoppingCart.GetCart(t.Context(), &shoppingcartpb.GetShoppingCart{UserId: "one"})`,
				"GetCart changed the state without an event: visits is 1 in memory, but 0", "(testkit.LawReplay)",
			},
		},
		"an event handler that reads the clock": {
			withoutSnapshots(plant(wrong{apply: func(c *planted, _ *domain.LineItem) { c.changed = time.Now().Truncate(time.Second) }})), 2,
			[]string{"changed was 2000-01-01", "the clock", "(testkit.LawReplay)"},
		},
		"a map's order in a reply": {
			&valueentity.Entity[*talker]{Service: &pb.ShoppingCart_ServiceDesc, PersistenceID: "cart", New: func(string) *talker { return &talker{} }}, 3,
			[]string{"com.example.shoppingcart.ShoppingCart.GetCart: the command was sent twice", "the order of a map", "(testkit.LawReply)"},
		},
		"a pointer that an event and the state share": {
			plant(wrong{
				add: func(c *planted, add *pb.AddLineItem) error {
					if c.scratch == nil {
						c.scratch = &domain.LineItem{}
					}
					c.scratch.ProductId, c.scratch.Quantity = add.GetProductId(), add.GetQuantity()
					c.Emit(&domain.ItemAdded{Item: c.scratch})
					return nil
				},
				apply: func(c *planted, item *domain.LineItem) { c.items[item.GetProductId()] = item },
			}), 2,
			[]string{"an event was changed after it was emitted, and the state shares a part with it"},
		},
		"a snapshot that forgets a field": {
			plant(wrong{apply: func(c *planted, item *domain.LineItem) { c.order = append(c.order, item.GetProductId()) }}), 1,
			[]string{"a snapshot was taken and restored, and order[0] was", "(testkit.LawSnapshot)"},
		},
		"a CRDT changed in a watch turn": {
			&crdt.Entity[*watcher]{Service: &presencepb.Presence_ServiceDesc, New: func(string) *watcher { return &watcher{Base: crdt.NewBase(crdt.NewVote())} }}, 3,
			[]string{"cluster := testkit.NewCluster(t, 2, components...)", `.Monitor(t.Context(), &presencepb.User{Name: "one"})`, "a value was changed by the handler of a streamed command that follows a change", "(testkit.LawBase)"},
		},
		"state that a reply shows, and nobody stores": {
			&valueentity.Entity[*forgetful]{Service: &pb.ShoppingCart_ServiceDesc, PersistenceID: "cart", New: func(string) *forgetful { return &forgetful{} }}, 2,
			[]string{"the entity left memory in between, and the reply was", "(testkit.LawReply)"},
		},
		"a panic that depends on what came before": {
			plant(wrong{apply: func(c *planted, item *domain.LineItem) {
				quantity(c, item.GetProductId()).Quantity++
				if len(c.items) == 2 {
					panic("two") //nolint:forbidigo // what a test is about
				}
			}}), 2,
			[]string{"Unexpected failure: two"},
		},
		"a goroutine that never ends": {
			withoutSnapshots(plant(wrong{get: func(*planted) {
				forever := make(chan struct{})
				go func() { <-forever }()
			}})), 1,
			[]string{"blocked goroutines remain", "a handler has started a goroutine that does not end", ".GetCart("},
		},
		"a panic of an action": {
			&action.Action{Service: &pricingpb.Pricing_ServiceDesc, Server: breakable{}}, 1,
			[]string{"/com.example.pricing.Pricing/Total panicked: too many", "pricing.Total(t.Context())", "_ = stream", "Quantity: 100})"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := testkit.Explore(t, testkit.Fuzzer{Service: &cloudstate.Service{Components: []cloudstate.Component{tt.component}}})
			t.Log(got.Sequences, "sequences:", got.Message)
			require.NotEmpty(t, got.Message)
			for _, want := range tt.want {
				require.Contains(t, got.Message, want)
			}
			require.LessOrEqual(t, got.Steps, tt.steps)
		})
	}
}

// lottery is an entity in whose events there is chance, as it should be.
type lottery struct {
	valueentity.Base[*domain.Cart]
	pb.UnimplementedShoppingCartServer

	draw func() string
}

func (c *lottery) RemoveItem(context.Context, *pb.RemoveLineItem) (*emptypb.Empty, error) {
	return nil, status.Errorf(codes.FailedPrecondition, "the ticket is %v", c.State().GetItems())
}

func (c *lottery) AddItem(context.Context, *pb.AddLineItem) (*emptypb.Empty, error) {
	c.Update(&domain.Cart{Items: []*domain.LineItem{{ProductId: c.draw()}}})
	return &emptypb.Empty{}, nil
}

// No false alarm: entities that are right survive, also those that roll dice and store it.
func TestFuzz_LetsBeWhatIsRight(t *testing.T) {
	t.Parallel()
	for name, component := range map[string]cloudstate.Component{
		"event sourced": plant(wrong{}),
		"a field with the tag": plant(wrong{get: func(c *planted) {
			c.cache["a"]++
		}}),
		"chance that is stored": &valueentity.Entity[*lottery]{Service: &pb.ShoppingCart_ServiceDesc, PersistenceID: "cart", New: func(string) *lottery {
			return &lottery{draw: func() string { return fmt.Sprint(time.Now().UnixNano(), strings.Repeat("x", int(time.Now().Unix()%7))) }}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := testkit.Explore(t, testkit.Fuzzer{Service: &cloudstate.Service{Components: []cloudstate.Component{component}}, Sequences: 30})
			require.Empty(t, got.Message)
			require.Equal(t, 30, got.Sequences)
		})
	}
}

// What a sequence is shown as can be pasted into a test, whatever its steps are.
func TestFuzz_ShowsCode(t *testing.T) {
	t.Parallel()
	action, _ := pricing.NewAction()
	for name, tt := range map[string]struct {
		component cloudstate.Component
		want      []string
	}{
		"an entity": {plant(wrong{}), []string{`kit.Passivate("cart", "one")`, "kit.Restart()"}},
		"an action": {action, []string{"_ = stream2.CloseSend()", "CloseAndRecv()", "_, _ = pricing.Discounts(t.Context(), "}},
		"a CRDT": {presence.Entity, []string{
			"cluster.Node(1).Restart()", "cluster.Partition([]int{0}, []int{1})", "cluster.Heal()", ", cancel2 := context.WithCancel(t.Context())", "cancel2()",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code := testkit.SeedCode(t, testkit.Fuzzer{Service: &cloudstate.Service{Components: []cloudstate.Component{tt.component}}})
			for _, sequence := range code {
				_, err := parser.ParseFile(token.NewFileSet(), "", "package p\nfunc f(t *testing.T) {\n"+sequence+"}", 0)
				require.NoError(t, err, sequence)
			}
			for _, want := range tt.want {
				require.Contains(t, strings.Join(code, ""), want)
			}
		})
	}
}

// A law that is switched off is not broken.
func TestFuzzer_LeavesLawsOut(t *testing.T) {
	t.Parallel()
	got := testkit.Explore(t, testkit.Fuzzer{
		Service:     &cloudstate.Service{Components: []cloudstate.Component{plant(wrong{get: func(c *planted) { c.visits++ }})}},
		WithoutLaws: []testkit.Law{testkit.LawReplay},
		Sequences:   20,
	})
	require.Empty(t, got.Message)
}
