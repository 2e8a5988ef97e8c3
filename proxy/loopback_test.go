package proxy_test

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
	"github.com/cloudstate-go/cloudstate/proxy"
	"github.com/cloudstate-go/cloudstate/proxy/internal/scripted"
)

// A caller is a user function that can call services through its proxy.
type caller struct {
	*scripted.UserFunction

	proxy   chan grpc.ClientConnInterface // gets the connection
	stopped func(grpc.ClientConnInterface)
}

func (c *caller) ServeWithProxy(ctx context.Context, lis net.Listener, conn grpc.ClientConnInterface) error {
	c.proxy <- conn
	err := c.Serve(ctx, lis)
	c.stopped(conn)
	return err
}

// startCaller starts a proxy with a user function that calls through it.
func startCaller(t *testing.T, change ...func(*fixture)) (*fixture, grpc.ClientConnInterface) {
	t.Helper()
	c := &caller{proxy: make(chan grpc.ClientConnInterface, 1), stopped: func(grpc.ClientConnInterface) {}}
	f := start(t, append(change, func(f *fixture) {
		c.UserFunction = f.UserFunction
		f.proxy.UserFunction = proxy.Embed(c)
	})...)
	return f, <-c.proxy
}

// through calls an entity as the user function, and does not wait.
func (f *fixture) through(ctx context.Context, conn grpc.ClientConnInterface, service, id string) *call {
	c := &call{f: f, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		reply := &wrapperspb.StringValue{}
		c.err = conn.Invoke(ctx, "/"+service+"/Ask", wrapperspb.String(id), reply)
		c.reply = reply.GetValue()
	}()
	return c
}

// An embedded user function calls services through its proxy like any client.
func TestLoopback_Calls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, conn := startCaller(t)
		f.ready()
		outer := f.ask("outer")
		stream := f.Accept()
		stream.RequireInit("outer")
		command := stream.RequireCommand(1, "Ask")
		inner := f.through(stream.Context(), conn, scripted.Value, "inner")
		value := f.AcceptValue()
		value.RequireInit("inner")
		value.Reply(value.RequireCommand(1, "Ask"), scripted.Answer("from inside"), nil)
		inner.requireAnswer("from inside")
		stream.Reply(command, scripted.Answer("done"))
		outer.requireAnswer("done")

		s, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/"+scripted.Action+"/Both")
		require.NoError(t, err)
		action := f.accept("Both")
		require.NoError(t, s.CloseSend())
		action.Close()
		(&streamed{ClientStream: s, f: f}).requireEnd()
		f.requireNoFaults()
	})
}

// Until the services are known, calls are refused and not kept waiting.
func TestLoopback_RefusesCallsBeforeDiscovery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		proceed := make(chan struct{})
		f, conn := startCaller(t, func(f *fixture) { f.OnDiscover(func() { <-proceed }) })
		err := conn.Invoke(t.Context(), "/"+scripted.First+"/Ask", wrapperspb.String("u1"), &wrapperspb.StringValue{})
		require.Equal(t, codes.Unavailable, status.Code(err))
		close(proceed)
		f.ready()
	})
}

// The connection is open for as long as the user function runs, and closed then.
func TestLoopback_IsClosedAfterTheUserFunction(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &caller{proxy: make(chan grpc.ClientConnInterface, 1)}
		states := make(chan connectivity.State, 1)
		c.stopped = func(conn grpc.ClientConnInterface) { states <- conn.(*grpc.ClientConn).GetState() } //nolint:forcetypeassert,errcheck // that is what it is
		f := start(t, func(f *fixture) {
			c.UserFunction = f.UserFunction
			f.proxy.UserFunction = proxy.Embed(c)
		}).ready()
		conn := <-c.proxy
		f.stop()
		require.NoError(t, <-f.done)
		require.NotEqual(t, connectivity.Shutdown, <-states)
		err := conn.Invoke(t.Context(), "/"+scripted.First+"/Ask", wrapperspb.String("u1"), &wrapperspb.StringValue{})
		require.Equal(t, codes.Canceled, status.Code(err), "%v", err)
	})
}

// When the proxy stops, what runs may still call: commands of entities, calls of actions,
// and side effects.
func TestLoopback_WorksWhileTheProxyStops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, conn := startCaller(t)
		f.ready()
		outer := f.ask("outer")
		stream := f.Accept()
		stream.RequireInit("outer")
		command := stream.RequireCommand(1, "Ask")
		s := f.begin(t.Context(), "Ask")
		f.accept("Ask").Reply(scripted.Answer("ok"), effect(scripted.Action, "Tell", "e1", false))
		s.requireAnswer("ok")
		detached := f.accept("Tell")

		f.stop()
		synctest.Wait()
		late := f.ask("late")
		<-late.done
		require.Equal(t, codes.Unavailable, status.Code(late.err))
		for _, ctx := range []context.Context{stream.Context(), detached.Context()} {
			inner := f.through(ctx, conn, scripted.First, "inner")
			target := f.Accept()
			target.RequireInit("inner")
			target.Reply(target.RequireCommand(1, "Ask"), scripted.Answer("still there"))
			inner.requireAnswer("still there")
			done := make(chan error, 1)
			go func() { done <- f.proxy.Passivate(t.Context(), scripted.PersistenceID(scripted.First), "inner") }()
			target.Close()
			require.NoError(t, <-done)
		}
		stream.Reply(command, scripted.Answer("done"))
		outer.requireAnswer("done")
		detached.Reply(scripted.Nothing())
		stream.Close()
		require.NoError(t, <-f.done)
		f.requireNoFaults()
	})
}

// An entity may still call when its client has left and the proxy waits for it; entities
// are refused then, and nothing waits for ever.
func TestLoopback_LastCommandOfAnEntity(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, conn := startCaller(t)
		f.ready()
		ctx, leave := contextWithCancel(t)
		c := f.askWith(ctx, "u1")
		stream := f.Accept()
		stream.RequireInit("u1")
		command := stream.RequireCommand(1, "Ask")
		leave()
		<-c.done
		f.stop()
		synctest.Wait()
		inner := f.through(stream.Context(), conn, scripted.Action, "a1")
		f.accept("Ask").Reply(scripted.Answer("actions go on"))
		inner.requireAnswer("actions go on")
		inner = f.through(stream.Context(), conn, scripted.Value, "v1")
		<-inner.done
		require.Equal(t, codes.Unavailable, status.Code(inner.err))
		stream.Answer(&eventsourcedpb.EventSourcedReply{
			CommandId:    command.GetId(),
			ClientAction: scripted.Replied(scripted.Answer("unseen")),
			SideEffects:  []*protocol.SideEffect{effect(scripted.Action, "Tell", "e1", false)},
		})
		stream.Close()
		detached := f.accept("Tell")
		synctest.Wait()
		inner = f.through(detached.Context(), conn, scripted.Action, "a1")
		f.accept("Ask").Reply(scripted.Answer("effects go on"))
		inner.requireAnswer("effects go on")
		detached.Reply(scripted.Nothing())
		require.NoError(t, <-f.done)
		f.requireNoFaults()
	})
}

// A circle of calls is cut by the end of the grace period.
func TestLoopback_CircleOfCallsEndsWithTheGracePeriod(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, conn := startCaller(t)
		f.ready()
		outer := f.ask("u1")
		stream := f.Accept()
		stream.RequireInit("u1")
		stream.RequireCommand(1, "Ask")
		inner := f.through(context.Background(), conn, scripted.First, "u1") // waits for itself
		synctest.Wait()
		stopped := time.Now()
		f.stop()
		<-outer.done
		require.Equal(t, codes.Unavailable, status.Code(outer.err))
		<-inner.done
		require.Equal(t, codes.Unavailable, status.Code(inner.err))
		require.NoError(t, <-f.done)
		require.Equal(t, 10*time.Second, time.Since(stopped))
	})
}
