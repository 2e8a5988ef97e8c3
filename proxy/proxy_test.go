package proxy_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
	"github.com/cloudstate-go/cloudstate/proxy"
	"github.com/cloudstate-go/cloudstate/proxy/internal/scripted"
	"github.com/cloudstate-go/cloudstate/proxy/store"
	"github.com/cloudstate-go/cloudstate/proxy/store/memory"
)

// P-017, and everything that a call passes through.
func TestProxy_ServesEntities(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		journal := memory.New()
		f := start(t, func(f *fixture) { f.proxy.Journal = journal }).ready()
		c := f.ask("u1")
		stream := f.Accept()
		stream.RequireInit("u1")
		command := stream.RequireCommand(1, "Ask")
		require.Equal(t, scripted.QuestionURL, command.GetPayload().GetTypeUrl())
		require.Nil(t, command.GetMetadata())
		stream.Reply(command, scripted.Answer("hello"), scripted.Event("a"))
		c.requireAnswer("hello")
		head, err := journal.Load(t.Context(), store.Key{Type: scripted.PersistenceID(scripted.First), ID: "u1"}, func(store.Record) error { return nil })
		require.NoError(t, err)
		require.Equal(t, uint64(1), head.Seq)
		require.Empty(t, f.faults)
	})
}

// The proxy stops in order: calls finish, entities are half-closed, and the user
// function is stopped only then.
func TestProxy_StopsInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t).ready()
		idle := f.open("idle")
		current := f.ask("busy")
		busy := f.Accept()
		busy.RequireInit("busy")
		command := busy.RequireCommand(1, "Ask")
		f.stop()
		synctest.Wait()
		late := f.ask("late")
		<-late.done
		require.Equal(t, codes.Unavailable, status.Code(late.err))

		busy.Reply(command, scripted.Answer("finished"))
		current.requireAnswer("finished")
		idle.Close()
		busy.RequireHalfClosed()
		synctest.Wait()
		require.Empty(t, f.done, "Serve returned before the user function had ended a stream")
		busy.End(nil)
		require.NoError(t, <-f.done)
		require.Empty(t, f.faults)
	})
}

// What does not finish within the grace period is aborted.
func TestProxy_StopsAfterTheGracePeriod(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t).ready()
		c := f.ask("u1")
		stream := f.Accept()
		stream.RequireInit("u1")
		stream.RequireCommand(1, "Ask")
		stopped := time.Now()
		f.stop()
		require.NoError(t, <-f.done)
		require.Equal(t, 10*time.Second, time.Since(stopped))
		<-c.done
		require.Equal(t, codes.Unavailable, status.Code(c.err))
	})
}

// An entity whose user function does not end its stream is aborted as well.
func TestProxy_StopsAHungUserFunction(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t, func(f *fixture) { f.proxy.GracePeriod = time.Second }).ready()
		stream := f.open("u1")
		stopped := time.Now()
		f.stop()
		stream.Cancelled()
		require.Equal(t, time.Second, time.Since(stopped))
		require.NoError(t, <-f.done)
	})
}

// P-016: a user function may come later than its proxy. Until then, clients get
// UNAVAILABLE.
func TestProxy_WaitsForTheUserFunction(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		listener := bufconn.Listen(1 << 20)
		available := time.Now().Add(time.Minute)
		f := start(t, func(f *fixture) {
			f.proxy.UserFunction = proxy.Dial("passthrough:///later", grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
				if time.Now().Before(available) {
					return nil, net.ErrClosed
				}
				return listener.DialContext(ctx)
			}))
		})
		ctx, cancel := context.WithCancel(context.Background())
		served := make(chan error, 1)
		go func() { served <- f.Serve(ctx, listener) }()

		c := f.ask("u1")
		<-c.done
		require.Equal(t, codes.Unavailable, status.Code(c.err))
		select {
		case <-f.proxy.Ready():
			require.Fail(t, "the proxy was ready before it knew its services")
		default:
		}
		f.ready()
		require.LessOrEqual(t, time.Since(available), 15*time.Second)
		stream := f.open("u1")
		require.Zero(t, f.Reports())
		f.stop()
		stream.Close()
		require.NoError(t, <-f.done)
		cancel()
		require.NoError(t, <-served)
	})
}

func TestProxy_StopsWhileItWaitsForTheUserFunction(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t, func(f *fixture) {
			f.proxy.UserFunction = proxy.Dial("passthrough:///never", grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) {
				return nil, net.ErrClosed
			}))
		})
		time.Sleep(time.Hour) //nolint:forbidigo // virtual time
		f.stop()
		require.NoError(t, <-f.done)
	})
}

// A user function that cannot be served is told so, and Serve returns why.
func TestProxy_ReturnsWhatIsWrongWithTheUserFunction(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t, func(f *fixture) {
			f.Change(func(spec *protocol.EntitySpec) { spec.ServiceInfo.ProtocolMinorVersion = 3 })
		})
		err := <-f.done
		const text = "Incompatible protocol version 0.3, only 0.2 is supported"
		require.ErrorContains(t, err, text)
		require.Equal(t, text, f.Report())
		require.Len(t, f.faults, 1)
		require.Equal(t, text, f.faults[0].String())
	})
}

func TestProxy_SkipsTheVersionCheck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t, func(f *fixture) {
			f.proxy.SkipVersionCheck = true
			f.Change(func(spec *protocol.EntitySpec) { spec.ServiceInfo.ProtocolMinorVersion = 3 })
		})
		f.ready()
	})
}

// brief is a user function that does not keep running.
type brief struct{ err error }

func (b brief) Serve(context.Context, net.Listener) error { return b.err }

func TestProxy_StopsWithItsEmbeddedUserFunction(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		err  error
		want string
	}{
		"that fails": {errors.New("no components"), "proxy: embedded user function: no components"},
		"that ends":  {nil, "proxy: embedded user function: it ended by itself, want it to run until its context ends"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := start(t, func(f *fixture) { f.proxy.UserFunction = proxy.Embed(brief{tt.err}) })
				require.EqualError(t, <-f.done, tt.want)
			})
		})
	}
}

// stubborn is a user function that complains when it is stopped.
type stubborn struct{ *scripted.UserFunction }

func (s stubborn) Serve(ctx context.Context, listener net.Listener) error {
	return errors.Join(s.UserFunction.Serve(ctx, listener), errors.New("disk full"))
}

func TestProxy_ReturnsTheErrorOfStopping(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t, func(f *fixture) { f.proxy.UserFunction = proxy.Embed(stubborn{f.UserFunction}) }).ready()
		f.stop()
		require.EqualError(t, <-f.done, "proxy: stop the embedded user function: disk full")
	})
}

// broken is a listener that does not accept.
type broken struct{ *bufconn.Listener }

func (broken) Accept() (net.Conn, error) { return nil, errors.New("no more files") }

func TestProxy_ReturnsTheErrorOfItsListener(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &proxy.Proxy{UserFunction: proxy.Embed(scripted.New(t))}
		err := p.Serve(t.Context(), broken{bufconn.Listen(1)})
		require.EqualError(t, err, "proxy: serve clients: no more files")
	})
}

func TestProxy_RefusesToStart(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	tests := map[string]struct {
		proxy *proxy.Proxy
		want  string
	}{
		"without a user function":   {&proxy.Proxy{}, "proxy: UserFunction is nil, want what Dial or Embed returns"},
		"with an impossible option": {&proxy.Proxy{UserFunction: proxy.Dial("somewhere", grpc.WithTransportCredentials(nil))}, `proxy: dial the user function at "somewhere"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			listener := bufconn.Listen(1)
			require.ErrorContains(t, tt.proxy.Serve(t.Context(), listener), tt.want)
			_, err := listener.Accept()
			require.Error(t, err, "the listener is still open")
		})
	}
	t.Run("twice", func(t *testing.T) {
		t.Parallel()
		p := &proxy.Proxy{UserFunction: proxy.Embed(scripted.New(t))}
		require.NoError(t, p.Serve(ctx, bufconn.Listen(1)))
		require.ErrorContains(t, p.Serve(ctx, bufconn.Listen(1)), "a proxy runs once")
	})
	t.Run("at an impossible address", func(t *testing.T) {
		t.Parallel()
		p := &proxy.Proxy{UserFunction: proxy.Embed(scripted.New(t)), Addr: "nowhere:-1"}
		require.ErrorContains(t, p.Run(ctx), "proxy: listen for clients")
		require.ErrorContains(t, p.Run(ctx), `the field Addr, "nowhere:-1", sets where`)
	})
}

func TestProxy_Passivate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t)
		require.NoError(t, f.proxy.Passivate(t.Context(), "whatever", "u1"), "before it runs, nothing is active")
		f.ready()
		id := scripted.PersistenceID(scripted.First)
		require.NoError(t, f.proxy.Passivate(t.Context(), id, "u1"))
		require.ErrorContains(t, f.proxy.Passivate(t.Context(), "nothing", "u1"), `passivate nothing "u1": no service of entities has that persistence id`)
		stream := f.open("u1")
		done := make(chan error, 1)
		go func() { done <- f.proxy.Passivate(t.Context(), id, "u1") }()
		stream.RequireHalfClosed()
		synctest.Wait()
		require.Empty(t, done)
		stream.End(nil)
		require.NoError(t, <-done)
		f.open("u1")
	})
}

// If both kinds of entities share a persistence id, passivation concerns both.
func TestProxy_PassivatesBothKinds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t, func(f *fixture) {
			f.Change(func(spec *protocol.EntitySpec) {
				spec.GetEntities()[2].PersistenceId = scripted.PersistenceID(scripted.First)
			})
		}).ready()
		stream := f.open("u1")
		c := f.askOf(t.Context(), scripted.Value, "u1")
		value := f.AcceptValue()
		value.RequireInit("u1")
		value.Reply(value.RequireCommand(1, "Ask"), scripted.Answer("ok"), nil)
		c.requireAnswer("ok")
		done := make(chan error, 1)
		go func() { done <- f.proxy.Passivate(t.Context(), scripted.PersistenceID(scripted.First), "u1") }()
		stream.Close()
		synctest.Wait()
		require.Empty(t, done)
		value.Close()
		require.NoError(t, <-done)
	})
}

// Every fault gets to OnFault, with its place; and to the user function where its
// developer has to act.
func TestProxy_OnFault(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t).ready()
		stream := f.open("u1")
		c := f.ask("u1")
		command := stream.RequireCommand(2, "Ask")
		stream.Answer(&eventsourcedpb.EventSourcedReply{CommandId: command.GetId(), ClientAction: scripted.Forwarded("nowhere.Service", "Ask", nil)})
		<-c.done
		require.Equal(t, codes.Unimplemented, status.Code(c.err))
		require.Equal(t, "Service [nowhere.Service] unknown\n  forwarded from scripted.First.Ask", f.Report())
		c = f.ask("u1")
		stream.RequireCommand(3, "Ask")
		stream.GiveUp(3, "out of memory")
		<-c.done
		require.Equal(t, "Unexpected entity failure", status.Convert(c.err).Message())
		require.Len(t, f.faults, 2)
		require.Equal(t, `scripted.First "u1": Ask: Unexpected entity failure: the user function gave up the entity: out of memory`, f.faults[1].String())
	})
}

// A-01, and protocol section 6.2 for what is not passed on.
func TestProxy_EntityMetadata(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t, func(f *fixture) { f.proxy.EntityMetadata = true }).ready()
		c := f.askWith(metadata.AppendToOutgoingContext(t.Context(), "tenant", "acme", "tenant", "second", "trace-bin", "\x00\x01"), "u1")
		stream := f.Accept()
		stream.RequireInit("u1")
		command := stream.RequireCommand(1, "Ask")
		got := map[string][]string{}
		for _, entry := range command.GetMetadata().GetEntries() {
			got[entry.GetKey()] = append(got[entry.GetKey()], entry.GetStringValue())
		}
		require.Contains(t, got, "user-agent")
		delete(got, "user-agent")
		require.Equal(t, map[string][]string{"tenant": {"acme", "second"}, "trace-bin": {"AAE"}}, got)
		stream.Reply(command, scripted.Answer("ok"))
		c.requireAnswer("ok")
	})
}

// Protocol section 6.4: text becomes a header, as far as it is one.
func TestProxy_ReplyMetadata(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t).ready()
		var header metadata.MD
		c := f.ask("u1", grpc.Header(&header))
		stream := f.Accept()
		stream.RequireInit("u1")
		command := stream.RequireCommand(1, "Ask")
		action := scripted.Replied(scripted.Answer("ok"))
		text := func(key, value string) *protocol.MetadataEntry {
			return &protocol.MetadataEntry{Key: key, Value: &protocol.MetadataEntry_StringValue{StringValue: value}}
		}
		action.GetReply().Metadata = &protocol.Metadata{Entries: []*protocol.MetadataEntry{
			text("ETag", "v1"), text("etag", "v2"), text("grpc-status", "3"), text("content-type", "text/plain"), text("bad name", "x"),
			text("line", "a\nb"), text("x-bin", "AAE"), text("", "x"),
			{Key: "bytes", Value: &protocol.MetadataEntry_BytesValue{BytesValue: []byte("x")}},
		}}
		stream.Answer(&eventsourcedpb.EventSourcedReply{CommandId: command.GetId(), ClientAction: action})
		c.requireAnswer("ok")
		delete(header, "content-type") // that of gRPC
		require.Equal(t, metadata.MD{"etag": {"v1", "v2"}}, header)
	})
}

// Requests larger than allowed are refused, and the others are not.
func TestProxy_MaxMessageSize(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t, func(f *fixture) { f.proxy.MaxMessageSize = 1000 }).ready()
		c := f.ask(string(make([]byte, 1001)))
		<-c.done
		require.Equal(t, codes.ResourceExhausted, status.Code(c.err))
		f.open("u1")
	})
}

// A user function that has restarted is found again, and its entities recover.
func TestProxy_UserFunctionRestarts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dial := make(chan net.Conn, 1)
		f := start(t, func(f *fixture) {
			f.proxy.UserFunction = proxy.Dial("passthrough:///restarts", grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
				select {
				case conn := <-dial:
					return conn, nil
				default:
					return nil, net.ErrClosed
				}
			}))
		})
		first := connect(t, f.UserFunction, dial)
		f.ready()
		c := f.ask("u1")
		stream := f.Accept()
		stream.RequireInit("u1")
		stream.Reply(stream.RequireCommand(1, "Ask"), scripted.Answer("ok"), scripted.Event("a"))
		c.requireAnswer("ok")
		c = f.ask("u1")
		stream.RequireCommand(2, "Ask")
		first()
		<-c.done
		require.Equal(t, "Unexpected entity termination", status.Convert(c.err).Message())
		require.Equal(t, codes.Unknown, status.Code(c.err))
		c = f.ask("u1")
		<-c.done
		require.Equal(t, "Unexpected entity termination", status.Convert(c.err).Message())
		require.Equal(t, codes.Unavailable, status.Code(c.err))

		next := scripted.New(t)
		second := connect(t, next, dial)
		time.Sleep(5 * time.Second) //nolint:forbidigo // virtual time
		c = f.ask("u1")
		stream = next.Accept()
		stream.RequireInit("u1")
		require.True(t, proto.Equal(scripted.Event("a"), stream.RequireEvent(1)))
		stream.Reply(stream.RequireCommand(1, "Ask"), scripted.Answer("again"))
		c.requireAnswer("again")
		require.Len(t, f.faults, 2)
		f.stop()
		stream.Close()
		require.NoError(t, <-f.done)
		second()
	})
}

// connect serves a user function on a connection that is dialled next. The result
// stops it.
func connect(t *testing.T, u *scripted.UserFunction, dial chan<- net.Conn) func() {
	t.Helper()
	listener := bufconn.Listen(1 << 20)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- u.Serve(ctx, listener) }()
	conn, err := listener.Dial()
	require.NoError(t, err)
	dial <- conn
	return func() {
		cancel()
		require.NoError(t, <-served)
	}
}
