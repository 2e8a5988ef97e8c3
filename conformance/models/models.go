// Package models has the fourteen services that the official conformance kit of Cloudstate
// (TCK) expects of a user function. They do what their requests say, so that the kit can
// bring about every message of the protocol.
//
// They are written with the public API of the library alone. Program userfunction serves
// them.
package models

import (
	"context"
	"time"

	"google.golang.org/grpc"

	"github.com/cloudstate-go/cloudstate"
	"github.com/cloudstate-go/cloudstate/entity"
)

// passivateAfter is the timeout that the kit expects of the services that configure one.
const passivateAfter = 100 * time.Millisecond

// Service returns a service with all models.
func Service() *cloudstate.Service {
	return &cloudstate.Service{Name: "tck-models", Components: Components()}
}

// Components returns all models.
func Components() []cloudstate.Component {
	return []cloudstate.Component{
		Action, ActionTwo,
		EventSourced, EventSourcedTwo, EventSourcedConfigured,
		ValueEntity, ValueEntityTwo, ValueEntityConfigured,
		CRDT, CRDTTwo, CRDTConfigured,
		EventLogSubscriber, EventSourcedOne, EventSourcedJSON,
	}
}

// effectOf returns the connection for a side effect, which a request wants synchronous or
// not.
func effectOf(ctx context.Context, effect interface{ GetSynchronous() bool }) grpc.ClientConnInterface {
	if effect.GetSynchronous() {
		return entity.SideEffect(ctx, entity.Synchronous())
	}
	return entity.SideEffect(ctx)
}
