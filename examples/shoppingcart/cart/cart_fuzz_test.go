package cart_test

import (
	"testing"

	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/cart"
	"github.com/cloudstate-go/cloudstate/testkit"
)

//snippet:fuzz

func FuzzCart(f *testing.F) { testkit.Fuzz(f, cart.Entity) }

//snippet:end
