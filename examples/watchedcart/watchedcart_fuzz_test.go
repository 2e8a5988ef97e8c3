package watchedcart_test

import (
	"testing"

	"github.com/cloudstate-go/cloudstate/examples/watchedcart"
	"github.com/cloudstate-go/cloudstate/testkit"
)

func FuzzCart(f *testing.F) { testkit.Fuzz(f, watchedcart.Entity) }
