package conformance

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate/conformance/internal/relay"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/proxy"
	"github.com/cloudstate-go/cloudstate/proxy/cluster"
)

// A proxyMutation breaks our proxy. The zero value leaves it as it is.
type proxyMutation struct {
	// talk returns what becomes of the messages of a new call of the user function, which the
	// first message tells apart. Nil changes nothing.
	talk func(first proto.Message) lies
	// handle takes over a call, or returns false. The context ends with the proxy.
	handle func(life context.Context, call *relay.Call, userFunction grpc.ClientConnInterface) (bool, error)
	// begin refuses calls of clients, by their options.
	begin func(opts []grpc.CallOption) error
	// received changes a reply that the client has received, or its status.
	received func(path string, reply any, err error) error
	// responded changes a response of HTTP, or fails it.
	responded func(*http.Response) error
	// running changes what the proxy says of itself.
	running func(*RunningProxy)
	// proxy changes the proxy.
	proxy func(*proxy.Proxy)
}

// lies are what becomes of messages in each direction: none, one or several, of which nil is the
// end of the proxy's messages. A field that is nil changes nothing.
type lies struct {
	in, out func(m proto.Message) []proto.Message
}

// filter returns a function as a filter of a relay.
func filter(lie func(m proto.Message) []proto.Message) relay.Filter {
	if lie == nil {
		return relay.Pass
	}
	return func(message proto.Message, pass func(proto.Message) error) error {
		for _, m := range lie(message) {
			if err := pass(m); err != nil {
				return err
			}
		}
		return nil
	}
}

// A liar is a user function to a proxy, and a broken proxy to the suite.
type liar struct {
	suite    Server
	mutation proxyMutation
}

// Serve implements Server.
func (l *liar) Serve(ctx context.Context, lis net.Listener) error {
	upstream := bufconn.Listen(1 << 20)
	ending, end := context.WithCancel(context.WithoutCancel(ctx))
	served := make(chan error, 1)
	go func() { served <- l.suite.Serve(ending, upstream) }()
	conn, err := grpc.NewClient("passthrough:///suite", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return upstream.DialContext(ctx) }))
	if err != nil {
		end()
		return errors.Join(err, <-served)
	}
	server := &relay.Server{Handle: func(call *relay.Call) error { return l.relay(ctx, call, conn) }}
	err = server.Serve(ctx, lis)
	err = errors.Join(err, conn.Close())
	end()
	return errors.Join(err, <-served)
}

func (l *liar) relay(life context.Context, call *relay.Call, suite grpc.ClientConnInterface) error {
	if l.mutation.handle != nil {
		if handled, err := l.mutation.handle(life, call, suite); handled {
			return err
		}
	}
	var changed lies
	if l.mutation.talk != nil {
		first, err := call.Peek()
		if err != nil {
			return err
		}
		changed = l.mutation.talk(first)
	}
	return call.Relay(call.Context(), suite, filter(changed.in), filter(changed.out)) //nolint:contextcheck // that of the call
}

// target returns our proxy, broken like that. Clusters have two proxies, of which each is.
func (m proxyMutation) target() Proxy {
	return Proxy{
		Start: func(ctx context.Context, settings ProxySettings) (*RunningProxy, error) {
			return m.start(ctx, settings, nil)
		},
		StartCluster: func(ctx context.Context, userFunctions []Server) ([]*RunningProxy, error) {
			network := &cluster.Memory{}
			var nodes []*RunningProxy
			for _, userFunction := range userFunctions {
				node, err := m.start(ctx, ProxySettings{UserFunction: userFunction}, network)
				if err != nil {
					return nil, err
				}
				nodes = append(nodes, node)
			}
			return nodes, nil
		},
	}
}

func (m proxyMutation) start(ctx context.Context, settings ProxySettings, network cluster.Transport) (*RunningProxy, error) {
	settings.UserFunction = &liar{settings.UserFunction, m}
	running, err := startOurs(ctx, inMemory, settings, func(p *proxy.Proxy) {
		p.GracePeriod, p.Cluster = time.Second, network
		if m.proxy != nil {
			m.proxy(p)
		}
	})
	if err != nil {
		return nil, err
	}
	running.Conn = &brokenConn{running.Conn, m}
	if web := running.HTTP; m.responded != nil {
		running.HTTP = func(request *http.Request) (*http.Response, error) {
			response, err := web(request)
			if err == nil {
				err = m.responded(response)
			}
			return response, err
		}
	}
	if m.running != nil {
		m.running(running)
	}
	return running, nil
}

// A brokenConn is a connection of a client to a broken proxy.
type brokenConn struct {
	grpc.ClientConnInterface

	mutation proxyMutation
}

func (c *brokenConn) Invoke(ctx context.Context, path string, request, reply any, opts ...grpc.CallOption) error {
	err := c.ClientConnInterface.Invoke(ctx, path, request, reply, opts...)
	if c.mutation.received == nil {
		return err
	}
	return c.mutation.received(path, reply, err)
}

func (c *brokenConn) NewStream(ctx context.Context, desc *grpc.StreamDesc, path string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	if c.mutation.begin != nil {
		if err := c.mutation.begin(opts); err != nil {
			return nil, err
		}
	}
	s, err := c.ClientConnInterface.NewStream(ctx, desc, path, opts...)
	if err != nil || c.mutation.received == nil {
		return s, err
	}
	return &brokenStream{s, path, c.mutation.received}, nil
}

type brokenStream struct {
	grpc.ClientStream

	path     string
	received func(path string, reply any, err error) error
}

func (s *brokenStream) RecvMsg(into any) error {
	return s.received(s.path, into, s.ClientStream.RecvMsg(into))
}

// checkBroken checks one assertion of a broken proxy, in a bubble.
func checkBroken(t *testing.T, id string, m proxyMutation) *Report {
	t.Helper()
	s := newSuite(ofProxy, nil, checks[*rig]{id: proxySuite.checks[id]})
	b, err := newBench(t.Context(), m.target())
	require.NoError(t, err)
	r := s.check(t.Context(), b.main)
	b.finish(r)
	return r
}

// proxyMutations are broken proxies by what is wrong with them, by the assertion that does not
// hold then.
var proxyMutations = mergedProxies(
	proxyDiscoveryMutations, proxyStreamMutations, proxyStateMutations, proxyActionMutations,
	proxyCRDTMutations, proxyFrontendMutations, proxyEventingMutations,
)

type brokenProxies map[string]map[string]proxyMutation

func mergedProxies(parts ...brokenProxies) brokenProxies {
	all := brokenProxies{}
	for _, part := range parts {
		for id, broken := range part {
			if all[id] == nil {
				all[id] = map[string]proxyMutation{}
			}
			maps.Copy(all[id], broken)
		}
	}
	return all
}

func TestProxySuite_NoticesEachMutation(t *testing.T) {
	t.Parallel()
	for _, id := range slices.Sorted(maps.Keys(proxyMutations)) {
		for about, m := range proxyMutations[id] {
			t.Run(id+"/"+about, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { // what does not come is waited for in virtual time
					r := checkBroken(t, id, m)
					require.Contains(t, r.Failed(), id, r)
					require.NotContains(t, r.String(), "panic: ", "the mutation itself is broken")
				})
			})
		}
	}
}

// unbroken are assertions without a mutation: a proxy that blocks its entities, or breaks its
// streams at shutdown, has goroutines that outlive a bubble, which then waits for them for ever.
var unbroken = []string{"P-035", "P-130"}

// An assertion that no mutation breaks may have checks that cannot fail.
func TestProxySuite_HasAMutationForEachAssertion(t *testing.T) {
	t.Parallel()
	mutated := append(slices.Collect(maps.Keys(proxyMutations)), unbroken...)
	require.Equal(t, slices.Sorted(maps.Keys(proxySuite.checks)), slices.Sorted(slices.Values(mutated)))
}

// The mutations are what is noticed, and not the way in which they are made.
func TestProxySuite_PassesWithoutAMutation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		nothing := proxyMutation{
			talk:      func(proto.Message) lies { return lies{} },
			handle:    func(context.Context, *relay.Call, grpc.ClientConnInterface) (bool, error) { return false, nil },
			begin:     func([]grpc.CallOption) error { return nil },
			received:  func(_ string, _ any, err error) error { return err },
			responded: func(*http.Response) error { return nil },
			running:   func(*RunningProxy) {},
			proxy:     func(*proxy.Proxy) {},
		}
		r, err := CheckProxy(t.Context(), nothing.target())
		require.NoError(t, err)
		require.Empty(t, r.Failed(), r)
	})
}

// What follows makes mutations. Messages may be changed where they are.

// toUserFunction replaces messages of the proxy, of which nil is the end. The function is made
// for each call, and has a memory.
func toUserFunction(lie func() func(m proto.Message) []proto.Message) proxyMutation {
	return proxyMutation{talk: func(proto.Message) lies { return lies{in: lie()} }}
}

// instead is toUserFunction without a memory.
func instead(lie func(m proto.Message) []proto.Message) proxyMutation {
	return toUserFunction(func() func(proto.Message) []proto.Message { return lie })
}

// eachSent changes each message of the proxy.
func eachSent(change func(m proto.Message)) proxyMutation {
	return instead(func(m proto.Message) []proto.Message {
		if m != nil {
			change(m)
		}
		return []proto.Message{m}
	})
}

// eachTaken changes what the proxy gets of each message of the user function.
func eachTaken(change func(m proto.Message)) proxyMutation {
	return proxyMutation{talk: func(proto.Message) lies {
		return lies{out: func(m proto.Message) []proto.Message {
			if m != nil {
				change(m)
			}
			return []proto.Message{m}
		}}
	}}
}

// dropped loses messages of the proxy.
func dropped(lost func(m proto.Message) bool) proxyMutation {
	return instead(func(m proto.Message) []proto.Message {
		if lost(m) {
			return nil
		}
		return []proto.Message{m}
	})
}

// unended leaves out the end of the proxy's messages to entities and actions.
var unended = proxyMutation{talk: func(first proto.Message) lies {
	switch first.(type) {
	case *protocol.ProxyInfo, *protocol.UserFunctionError:
		return lies{}
	}
	return lies{in: func(m proto.Message) []proto.Message {
		if m == nil {
			return nil
		}
		return []proto.Message{m}
	}}
}}

// failures changes the status of calls that have failed.
func failures(change func(s *status.Status) error) proxyMutation {
	return proxyMutation{received: func(_ string, _ any, err error) error {
		if s, ok := status.FromError(err); ok && s.Code() != codes.OK {
			return change(s)
		}
		return err
	}}
}

// anotherText changes the texts of failures.
var anotherText = failures(func(s *status.Status) error { return status.Error(s.Code(), s.Message()+".") })

// anotherReport changes what is reported to the user function.
var anotherReport = eachSent(func(m proto.Message) {
	if report, ok := m.(*protocol.UserFunctionError); ok {
		report.Message = "Something is wrong: " + report.GetMessage()
	}
})

// unreported keeps errors from the user function.
var unreported = proxyMutation{handle: func(_ context.Context, call *relay.Call, _ grpc.ClientConnInterface) (bool, error) {
	if call.Method.Name() != "reportError" {
		return false, nil
	}
	if _, err := call.Receive(); err != nil {
		return true, err
	}
	return true, call.Send(&emptypb.Empty{})
}}
