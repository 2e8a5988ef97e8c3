package counterparty_test

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/cloudstate-go/cloudstate/proxy"
	"github.com/cloudstate-go/cloudstate/proxy/store/memory"
)

// A client calls the services of a foreign user function through a proxy of ours, with the
// descriptors that the user function has sent.
type client struct {
	t     *testing.T
	proxy *proxy.Proxy
	conn  *grpc.ClientConn
	files *protoregistry.Files
	stop  func()

	mu     sync.Mutex
	faults []string
}

// behindProxy runs a proxy in front of a user function until the test ends, or stop is called.
func behindProxy(t *testing.T, f *foreign, stored *memory.Store, configure ...func(*proxy.Proxy)) *client {
	t.Helper()
	c := &client{t: t, files: filesOf(t, f.discover(t).GetProto())}
	c.proxy = &proxy.Proxy{
		UserFunction: proxy.Dial(f.addr),
		Journal:      stored,
		Values:       stored,
		Logger:       slog.New(slog.DiscardHandler),
		OnFault: func(fault proxy.Fault) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.faults = append(c.faults, fault.String())
		},
	}
	for _, configure := range configure {
		configure(c.proxy)
	}
	lis := bufconn.Listen(1 << 20)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- c.proxy.Serve(ctx, lis) }()
	conn, err := grpc.NewClient("passthrough:proxy",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	c.conn = conn
	c.stop = sync.OnceFunc(func() {
		require.NoError(t, conn.Close())
		cancel()
		require.NoError(t, <-served)
	})
	t.Cleanup(c.stop)
	select {
	case <-c.proxy.Ready():
	case err := <-served:
		served <- nil
		t.Fatalf("the proxy does not start: %v", err)
	}
	return c
}

// filesOf decodes a descriptor set.
func filesOf(t *testing.T, encoded []byte) *protoregistry.Files {
	t.Helper()
	set := &descriptorpb.FileDescriptorSet{}
	require.NoError(t, proto.Unmarshal(encoded, set))
	files, err := protodesc.FileOptions{AllowUnresolvable: true}.NewFiles(set)
	require.NoError(t, err)
	return files
}

// takeFaults returns what the proxy has found wrong since the last call.
func (c *client) takeFaults() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	faults := c.faults
	c.faults = nil
	return faults
}

// call calls a unary method with a request in JSON, and returns the reply in JSON.
func (c *client) call(method, request string) (string, error) {
	c.t.Helper()
	d := c.method(method)
	in, out := dynamicpb.NewMessage(d.Input()), dynamicpb.NewMessage(d.Output())
	require.NoError(c.t, protojson.Unmarshal([]byte(request), in))
	path := "/" + string(d.Parent().FullName()) + "/" + string(d.Name())
	if err := c.conn.Invoke(c.t.Context(), path, in, out); err != nil {
		return "", err
	}
	reply, err := protojson.Marshal(out)
	require.NoError(c.t, err)
	return string(reply), nil
}

// want calls a method and requires a reply.
func (c *client) want(method, request, reply string) {
	c.t.Helper()
	got, err := c.call(method, request)
	require.NoError(c.t, err, "%s %s", method, request)
	require.JSONEq(c.t, reply, got, "%s %s", method, request)
}

// wantFailure calls a method and requires that the command fails with this description.
func (c *client) wantFailure(method, request, description string) {
	c.t.Helper()
	_, err := c.call(method, request)
	require.Equal(c.t, codes.Unknown, status.Code(err), "%s %s: %v", method, request, err)
	require.Equal(c.t, description, status.Convert(err).Message(), "%s %s", method, request)
}

// wantSoon is want, except that the proxy may not have noticed yet that the user function is
// there again.
func (c *client) wantSoon(method, request, reply string) {
	c.t.Helper()
	require.Eventually(c.t, func() bool {
		_, err := c.call(method, request)
		return err == nil
	}, startTimeout, tick, "the proxy does not reach the user function again")
	c.want(method, request, reply)
}

// method finds a method by its full name, such as "shop.Cart.AddItem".
func (c *client) method(name string) protoreflect.MethodDescriptor {
	c.t.Helper()
	d, err := c.files.FindDescriptorByName(protoreflect.FullName(name))
	require.NoError(c.t, err, name)
	method, ok := d.(protoreflect.MethodDescriptor)
	require.True(c.t, ok, "%s is no method", name)
	return method
}

// passivate drops an entity from memory.
func (c *client) passivate(persistenceID, id string) {
	c.t.Helper()
	require.NoError(c.t, c.proxy.Passivate(c.t.Context(), persistenceID, id))
}
