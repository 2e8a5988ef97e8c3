package projection

import (
	"cmp"
	"context"
	"slices"

	"google.golang.org/protobuf/types/known/emptypb"

	pb "github.com/cloudstate-go/cloudstate/examples/popular/popularpb"
	"github.com/cloudstate-go/cloudstate/valueentity"
)

// listLength is how many products a list has.
const listLength = 3

// List is a list of the most popular products.
type List struct {
	valueentity.Base[*pb.BestsellerList]
	pb.UnsafeBestsellersServer
}

var _ pb.BestsellersServer = (*List)(nil)

// Rank gets an event from a topic: entities consume events, too. The event has the key of the
// entity, as any command has.
func (l *List) Rank(_ context.Context, popularity *pb.Popularity) (*emptypb.Empty, error) {
	list := l.State()
	list.Products = slices.DeleteFunc(list.GetProducts(), func(p *pb.Popularity) bool { return p.GetProductId() == popularity.GetProductId() })
	list.Products = append(list.Products, popularity)
	slices.SortStableFunc(list.GetProducts(), func(a, b *pb.Popularity) int { return cmp.Compare(b.GetItems(), a.GetItems()) })
	list.Products = list.GetProducts()[:min(len(list.GetProducts()), listLength)]
	l.Update(list)
	return &emptypb.Empty{}, nil
}

// Get returns the list.
func (l *List) Get(context.Context, *pb.GetBestsellers) (*pb.BestsellerList, error) {
	return l.State(), nil
}

// Bestsellers declares the lists.
var Bestsellers = &valueentity.Entity[*List]{
	Service:       &pb.Bestsellers_ServiceDesc,
	PersistenceID: "bestsellers",
	New:           func(string) *List { return &List{} },
}
