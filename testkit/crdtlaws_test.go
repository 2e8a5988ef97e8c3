package testkit_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate/crdt"
	cartpb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	pb "github.com/cloudstate-go/cloudstate/examples/watchedcart/watchedcartpb"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
	"github.com/cloudstate-go/cloudstate/testkit"
)

// mixed is a map with values of every type, by the first letter of their keys.
type mixed struct {
	crdt.Base[*crdt.ORMap[string, crdt.Data]]
	pb.UnimplementedWatchedCartServer
}

func newMixed(string) *mixed {
	return &mixed{Base: crdt.NewBase(crdt.NewORMap(newMixedValue))}
}

func newMixedValue(key string) crdt.Data {
	switch key[:1] {
	case "g":
		return crdt.NewGCounter()
	case "p":
		return crdt.NewPNCounter()
	case "s":
		return crdt.NewGSet[string]()
	case "o":
		return crdt.NewORSet[string]()
	case "l":
		return crdt.NewLWWRegister("initial")
	case "f":
		return crdt.NewFlag()
	case "v":
		return crdt.NewVote()
	case "m":
		return crdt.NewORMap(newMixedValue)
	default:
		return nil
	}
}

// AddItem changes the value of a key: the product is the key, and the name what to do.
func (m *mixed) AddItem(_ context.Context, add *cartpb.AddLineItem) (*emptypb.Empty, error) {
	value, err := m.Data().GetOrCreate(add.GetProductId())
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, change(value, int(add.GetQuantity()))
}

func change(value crdt.Data, n int) error {
	text := strconv.Itoa(n % 5)
	switch v := value.(type) {
	case *crdt.GCounter:
		return v.Increment(uint64(n))
	case *crdt.PNCounter:
		return v.Decrement(int64(n))
	case *crdt.GSet[string]:
		return v.Add(text)
	case *crdt.ORSet[string]:
		if n%3 == 0 {
			v.Remove(text)
			return nil
		}
		return v.Add(text)
	case *crdt.LWWRegister[string]:
		return v.Set(text)
	case *crdt.Flag:
		v.Enable()
	case *crdt.Vote:
		v.Set(n%2 == 0)
	case *crdt.ORMap[string, crdt.Data]:
		key := "gpsolfvm"[n%8:n%8+1] + text
		if n%7 == 0 {
			v.Remove(key)
			return nil
		}
		nested, err := v.GetOrCreate(key)
		if err != nil {
			return err
		}
		return change(nested, n/2)
	}
	return nil
}

func (m *mixed) RemoveItem(_ context.Context, remove *cartpb.RemoveLineItem) (*emptypb.Empty, error) {
	if remove.GetProductId() == "" {
		m.Data().Clear()
	} else {
		m.Data().Remove(remove.GetProductId())
	}
	return &emptypb.Empty{}, nil
}

// No false alarm: what an entity holds, and what its proxy believes, is the same for every type,
// whatever nodes do to each other.
func TestLaws_HoldForEveryTypeOfCRDT(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 1))
				cluster := testkit.NewCluster(t, 3, &crdt.Entity[*mixed]{Service: &pb.WatchedCart_ServiceDesc, PersistenceID: "mixed", New: newMixed})
				for range 60 {
					node := random.IntN(3)
					client := pb.NewWatchedCartClient(cluster.Node(node))
					key := "gpsolfvm"[random.IntN(8):][:1] + strconv.Itoa(random.IntN(2))
					var err error
					switch random.IntN(12) {
					case 0:
						_, err = client.RemoveItem(t.Context(), &cartpb.RemoveLineItem{UserId: "m", ProductId: key})
					case 1:
						_, err = client.RemoveItem(t.Context(), &cartpb.RemoveLineItem{UserId: "m"})
					case 2:
						cluster.Partition([]int{node})
					case 3:
						cluster.Heal()
						cluster.Converge()
					case 4:
						cluster.Node(node).Restart()
					default:
						_, err = client.AddItem(t.Context(), &cartpb.AddLineItem{UserId: "m", ProductId: key, Quantity: int32(random.IntN(1000))})
					}
					require.NoError(t, err)
				}
				cluster.Heal()
				cluster.Converge()
				for i := range 3 {
					require.True(t, proto.Equal(votesApart(cluster.Node(0).CRDT("mixed", "m")), votesApart(cluster.Node(i).CRDT("mixed", "m"))))
				}
			})
		})
	}
}

// votesApart returns a value without the votes of the node itself.
func votesApart(value *crdtpb.CrdtDelta) *crdtpb.CrdtDelta {
	if vote := value.GetVote(); vote != nil {
		vote.SelfVote = false
	}
	for _, entry := range value.GetOrmap().GetAdded() {
		votesApart(entry.GetDelta())
	}
	return value
}
