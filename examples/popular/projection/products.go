package projection

import (
	"context"

	"github.com/cloudstate-go/cloudstate/entity"
	pb "github.com/cloudstate-go/cloudstate/examples/popular/popularpb"
	"github.com/cloudstate-go/cloudstate/valueentity"
)

// BestsellerList is the list that all products compete in.
const BestsellerList = "bestsellers"

// Product counts for one product.
type Product struct {
	valueentity.Base[*pb.Counted]
	pb.UnsafeProductsServer
}

var _ pb.ProductsServer = (*Product)(nil)

//snippet:once

// Count counts an event, unless it has counted that before: an event of which nobody knows
// whether it was handled is delivered again.
func (p *Product) Count(ctx context.Context, added *pb.Added) (*pb.Popularity, error) {
	counted := p.State()
	if added.GetOffset() > counted.GetOffset() {
		counted.Items += added.GetItems()
		counted.Offset = added.GetOffset()
		p.Update(counted)
	}
	return &pb.Popularity{List: BestsellerList, ProductId: entity.ID(ctx), Name: added.GetName(), Items: counted.GetItems()}, nil
}

//snippet:end

// Products declares the products.
var Products = &valueentity.Entity[*Product]{
	Service:       &pb.Products_ServiceDesc,
	PersistenceID: "products",
	New:           func(string) *Product { return &Product{} },
}
