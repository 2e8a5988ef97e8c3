package presence_test

import (
	"testing"

	"github.com/cloudstate-go/cloudstate/examples/presence"
	"github.com/cloudstate-go/cloudstate/testkit"
)

func FuzzPresence(f *testing.F) { testkit.Fuzz(f, presence.Entity) }
