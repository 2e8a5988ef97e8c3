package events_test

import (
	"testing"

	"github.com/cloudstate-go/cloudstate/proxy/eventing"
	"github.com/cloudstate-go/cloudstate/proxy/eventing/eventingtest"
	"github.com/cloudstate-go/cloudstate/proxy/internal/events"
	"github.com/cloudstate-go/cloudstate/proxy/store/memory"
)

func TestBroker_KeepsItsPromises(t *testing.T) {
	t.Parallel()
	eventingtest.Run(t, "memory", func(*testing.T) eventing.Broker {
		stored := memory.New()
		return events.NewBroker(stored, stored)
	})
	stored := memory.New()
	eventingtest.Run(t, "shared", func(*testing.T) eventing.Broker { return events.NewBroker(stored, stored) })
}
