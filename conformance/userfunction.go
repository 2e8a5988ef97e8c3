package conformance

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/cloudstate-go/cloudstate/protocol"
)

// A UserFunction is a user function that serves the models, as a proxy sees it.
type UserFunction struct {
	// Conn is the connection to it. Required.
	Conn grpc.ClientConnInterface

	// Timeout is how long a message may take. Zero means 3 seconds, as in the official kit.
	Timeout time.Duration

	// Skip are assertions that are not checked, by their ids, with the reasons that the report
	// then gives: for instance that the user function crashes. Optional.
	Skip map[string]string
}

// defaultTimeout is how long a message may take, if the target does not say.
const defaultTimeout = 3 * time.Second

// TestUserFunction checks the user function's side of the protocol, with a subtest for each
// assertion, in which each scenario has one. A scenario is skipped, with the reason, if the
// user function does not serve the model that it needs. The report is logged at the end.
//
// The subtests run in parallel, when the test that calls it has returned: what they need is
// closed with t.Cleanup.
func TestUserFunction(t *testing.T, target UserFunction) {
	t.Helper()
	userFunctionSuite.without(target.Skip).test(t, newUserFunction(target))
}

// CheckUserFunction is TestUserFunction without go test.
func CheckUserFunction(ctx context.Context, target UserFunction) *Report {
	return userFunctionSuite.without(target.Skip).check(ctx, newUserFunction(target))
}

var userFunctionSuite = newSuite(ofUserFunction, userFunctionNotApplicable,
	discoveryChecks, streamChecks, eventSourcedChecks, valueEntityChecks, actionChecks,
	crdtStateChecks, crdtWatchChecks, crdtCounterChecks, crdtSetChecks, crdtRegisterChecks, crdtMapChecks, eventingChecks)

// userFunctionNotApplicable says what cannot be seen with the models.
var userFunctionNotApplicable = map[string]string{
	"P-032": "no request makes a handler of the models throw",
	"P-047": "the models have no entity with such a setting",
}

// A userFunction is what the checks of this half work with.
type userFunction struct {
	UserFunction

	discovered sync.Mutex
	spec       *protocol.EntitySpec

	ids atomic.Int64 // that were given out
}

func newUserFunction(target UserFunction) *userFunction {
	if target.Timeout == 0 {
		target.Timeout = defaultTimeout
	}
	return &userFunction{UserFunction: target}
}

// discover asks the user function what it serves, as a proxy does.
func (u *userFunction) discover(t *trial) *protocol.EntitySpec {
	ctx, cancel := context.WithTimeout(t.Context(), u.Timeout)
	defer cancel()
	spec, err := protocol.NewEntityDiscoveryClient(u.Conn).Discover(ctx, &protocol.ProxyInfo{
		ProtocolMajorVersion: protocolMajorVersion,
		ProtocolMinorVersion: protocolMinorVersion,
		ProxyName:            "conformance",
		ProxyVersion:         "0.2",
		SupportedEntityTypes: []string{actionType, eventSourcedType, valueEntityType, crdtType},
	})
	require.NoError(t, err, "discover")
	return spec
}

// known returns what the user function serves, which is asked for once.
func (u *userFunction) known(t *trial) *protocol.EntitySpec {
	u.discovered.Lock()
	defer u.discovered.Unlock()
	if u.spec == nil {
		u.spec = u.discover(t)
	}
	return u.spec
}

// find returns the declaration of a service, or nil.
func (u *userFunction) find(t *trial, service string) *protocol.Entity {
	for _, e := range u.known(t).GetEntities() {
		if e.GetServiceName() == service {
			return e
		}
	}
	return nil
}

// need ends a check as not applicable if the user function does not serve a model.
func (u *userFunction) need(t *trial, service string) {
	if u.find(t, service) == nil {
		t.NotApplicablef("the user function does not serve the model %s", service)
	}
}

// newID returns an entity id that no other check uses.
func (u *userFunction) newID(prefix string) string {
	return fmt.Sprintf("%s-%d", prefix, u.ids.Add(1))
}
