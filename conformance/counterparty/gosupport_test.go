package counterparty_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/cloudstate-go/cloudstate/proxy/store/memory"
	"github.com/stretchr/testify/require"
)

const (
	// goSupport is the module that names the version of go-support, with the dependencies of
	// its time, which go.work would raise to ours.
	goSupport = "gosupport"
	// goSupportModels is the program of go-support that serves its shopping cart and its
	// models of the conformance kit.
	goSupportModels = "github.com/cloudstateio/go-support/tck/cmd/tck_eventsourced"
)

const (
	addItem    = "com.example.shoppingcart.ShoppingCart.AddItem"
	removeItem = "com.example.shoppingcart.ShoppingCart.RemoveItem"
	getCart    = "com.example.shoppingcart.ShoppingCart.GetCart"
	// cartID is the persistence id of go-support's shopping cart.
	cartID = "ShoppingCart"
)

// startGoSupport builds go-support's own program and starts it.
func startGoSupport(t *testing.T) *foreign {
	t.Helper()
	env := []string{"GOWORK=off", "GOFLAGS=-mod=readonly"}
	fetch(t, goSupport, env, "go", "mod", "download")
	program := filepath.Join(t.TempDir(), "models")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, goSupportModels)
	build.Dir = goSupport
	build.Env = append(os.Environ(), env...)
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return start(t, func(ctx context.Context) *exec.Cmd { return exec.CommandContext(ctx, program) })
}

func TestGoSupport_ShoppingCartSurvivesPassivationAndRestarts(t *testing.T) {
	t.Parallel()
	f := startGoSupport(t)
	stored := memory.New()
	c := behindProxy(t, f, stored)

	const shirt = `{"userId":"jo","productId":"shirt","name":"T-shirt","quantity":2}`
	c.want(getCart, `{"userId":"jo"}`, `{}`)
	c.want(addItem, shirt, `{}`)
	c.want(addItem, shirt, `{}`)
	c.want(addItem, `{"userId":"jo","productId":"hat","name":"Hat","quantity":1}`, `{}`)
	c.want(removeItem, `{"userId":"jo","productId":"hat"}`, `{}`)
	const cart = `{"items":[{"productId":"shirt","name":"T-shirt","quantity":4}]}`
	c.want(getCart, `{"userId":"jo"}`, cart)

	// A command that fails leaves no trace.
	c.wantFailure(addItem, `{"userId":"jo","productId":"shirt","quantity":-1}`, `cannot add negative quantity of to item "shirt"`)
	c.want(getCart, `{"userId":"jo"}`, cart)

	c.passivate(cartID, "jo")
	c.want(getCart, `{"userId":"jo"}`, cart)

	// Another cart is another entity.
	c.want(getCart, `{"userId":"lu"}`, `{}`)

	// The user function crashes and comes back.
	f.kill()
	f.run(t)
	c.wantSoon(getCart, `{"userId":"jo"}`, cart)

	// The proxy restarts.
	c.stop()
	c = behindProxy(t, f, stored)
	c.want(getCart, `{"userId":"jo"}`, cart)
	require.Empty(t, c.takeFaults())
}

// What the models of go-support answer through our proxy, one entity after the other.
func TestGoSupport_EveryKindWorks(t *testing.T) {
	t.Parallel()
	c := behindProxy(t, startGoSupport(t), memory.New())

	const eventSourced = "cloudstate.tck.model.EventSourcedTckModel.Process"
	c.want(eventSourced, `{"id":"a","actions":[{"emit":{"value":"A"}},{"emit":{"value":"B"}}]}`, `{"message":"AB"}`)
	c.wantFailure(eventSourced, `{"id":"a","actions":[{"emit":{"value":"C"}},{"fail":{"message":"no"}}]}`, "no")
	c.want(eventSourced, `{"id":"a"}`, `{"message":"AB"}`)
	c.want(eventSourced, `{"id":"a","actions":[{"forward":{"id":"b"}}]}`, `{}`)
	c.want(eventSourced, `{"id":"a","actions":[{"effect":{"id":"b","synchronous":true}}]}`, `{"message":"AB"}`)
	for range 10 { // snapshots after events 5 and 10
		_, err := c.call(eventSourced, `{"id":"a","actions":[{"emit":{"value":"."}}]}`)
		require.NoError(t, err)
	}
	c.passivate("event-sourced-tck-model", "a")
	c.want(eventSourced, `{"id":"a"}`, `{"message":"AB.........."}`)

	const value = "cloudstate.tck.model.valueentity.ValueEntityTckModel.Process"
	c.want(value, `{"id":"a","actions":[{"update":{"value":"A"}}]}`, `{"message":"A"}`)
	c.passivate("value-entity-tck-model", "a")
	c.want(value, `{"id":"a","actions":[{"effect":{"id":"b"}}]}`, `{"message":"A"}`)
	c.want(value, `{"id":"a","actions":[{"delete":{}}]}`, `{}`)
	c.want(value, `{"id":"a"}`, `{}`)

	const action = "cloudstate.tck.model.action.ActionTckModel.ProcessUnary"
	c.want(action, `{"groups":[{"steps":[{"reply":{"message":"hi"}}]}]}`, `{"message":"hi"}`)
	c.want(action, `{"groups":[{"steps":[{"effect":{"id":"x","synchronous":true}},{"forward":{"id":"y"}}]}]}`, `{}`)
	c.wantFailure(action, `{"groups":[{"steps":[{"fail":{"message":"no"}}]}]}`, "no")

	require.Empty(t, c.takeFaults())
}

func TestGoSupport_EveryCRDTWorks(t *testing.T) {
	t.Parallel()
	c := behindProxy(t, startGoSupport(t), memory.New())
	const (
		process = "cloudstate.tck.model.crdt.CrdtTckModel.Process"
		service = "cloudstate.tck.model.crdt.CrdtTckModel" // go-support's persistence id of CRDTs
	)
	tests := map[string]struct{ update, state string }{
		"GCounter-1":    {`{"gcounter":{"increment":"2"}}`, `{"gcounter":{"value":"2"}}`},
		"PNCounter-1":   {`{"pncounter":{"change":"-2"}}`, `{"pncounter":{"value":"-2"}}`},
		"GSet-1":        {`{"gset":{"add":"x"}}`, `{"gset":{"elements":["x"]}}`},
		"ORSet-1":       {`{"orset":{"add":"x"}}`, `{"orset":{"elements":["x"]}}`},
		"LWWRegister-1": {`{"lwwregister":{"value":"x"}}`, `{"lwwregister":{"value":"x"}}`},
		"Flag-1":        {`{"flag":{}}`, `{"flag":{"value":true}}`},
		"ORMap-1": {
			`{"ormap":{"update":{"key":"GCounter-1","update":{"gcounter":{"increment":"3"}}}}}`,
			`{"ormap":{"entries":[{"key":"GCounter-1","value":{"gcounter":{"value":"3"}}}]}}`,
		},
		"Vote-1": {`{"vote":{"selfVote":true}}`, `{"vote":{"selfVote":true,"votesFor":1,"totalVoters":1}}`},
	}
	for id, tt := range tests {
		request, reply := `{"id":"`+id+`"}`, `{"state":`+tt.state+`}`
		c.want(process, `{"id":"`+id+`","actions":[{"update":`+tt.update+`}]}`, reply)
		c.passivate(service, id) // comes back from the state of our replica
		c.want(process, request, reply)
	}
	_, err := c.call(process, `{"id":"GSet-1","actions":[{"delete":{}}]}`)
	require.NoError(t, err)
	c.wantFailure(process, `{"id":"GSet-1"}`, "Entity deleted")
	require.Empty(t, c.takeFaults())
}
