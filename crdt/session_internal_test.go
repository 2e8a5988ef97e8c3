package crdt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/entity"
	pb "github.com/cloudstate-go/cloudstate/examples/presence/presencepb"
	"github.com/cloudstate-go/cloudstate/internal/command"
	"github.com/cloudstate-go/cloudstate/internal/component"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// counter is an entity whose handlers do what a test wants. Its value is a counter.
type counter struct {
	Base[*PNCounter]
	pb.UnsafePresenceServer

	check   func(ctx context.Context, c *counter) error
	connect func(c *counter, stream grpc.ServerStreamingServer[pb.Status]) error
}

func (c *counter) Check(ctx context.Context, _ *pb.User) (*pb.Status, error) {
	if c.check != nil {
		if err := c.check(ctx, c); err != nil {
			return nil, err
		}
	}
	return &pb.Status{Online: c.Data().Value() != 0}, nil
}

func (c *counter) Connect(_ *pb.User, stream grpc.ServerStreamingServer[pb.Status]) error {
	return c.connect(c, stream)
}

func (c *counter) Monitor(_ *pb.User, stream grpc.ServerStreamingServer[pb.Status]) error {
	for counter := range c.Changes(stream.Context()) {
		if err := stream.Send(&pb.Status{Online: counter.Value() != 0}); err != nil {
			return err
		}
	}
	return nil
}

type behaviour struct {
	check   func(ctx context.Context, c *counter) error
	connect func(c *counter, stream grpc.ServerStreamingServer[pb.Status]) error
}

func newEntity(b behaviour) *Entity[*counter] {
	return &Entity[*counter]{
		Service: &pb.Presence_ServiceDesc,
		New: func(string) *counter {
			return &counter{Base: NewBase(NewPNCounter()), check: b.check, connect: b.connect}
		},
	}
}

func incrementBy(n int64) func(context.Context, *counter) error {
	return func(_ context.Context, c *counter) error { return c.Data().Increment(n) }
}

// driver plays the proxy to one session.
type driver struct {
	t       testing.TB
	session *session
	log     *bytes.Buffer
	over    bool
}

func newDriver[S Instance](tb testing.TB, e *Entity[S]) *driver {
	tb.Helper()
	d := e.Declare()
	require.Empty(tb, d.Mistakes)
	log := &bytes.Buffer{}
	env := &component.Env{Logger: slog.New(slog.NewTextHandler(log, nil)), Commands: command.NewGauge()}
	env.Targets = component.Targets([]*component.Declaration{d})
	types := map[string]*entityType{d.Service.ServiceName: d.Implementation.(*entityType)} //nolint:errcheck // made by Declare
	driver := &driver{t: tb, log: log, session: newSession(types, env)}
	tb.Cleanup(driver.session.Close)
	return driver
}

// send hands a message to the session and requires exactly these messages as the answer.
func (d *driver) send(in *crdtpb.CrdtStreamIn, want ...*crdtpb.CrdtStreamOut) {
	d.t.Helper()
	got := d.answer(in)
	texts := func(list []*crdtpb.CrdtStreamOut) string {
		var b strings.Builder
		for _, m := range list {
			fmt.Fprintf(&b, "%v\n", m)
		}
		return b.String()
	}
	require.Len(d.t, got, len(want), "want %s\ngot %s", texts(want), texts(got))
	for i := range want {
		require.True(d.t, proto.Equal(want[i], got[i]), "want %s\ngot %s", texts(want), texts(got))
	}
}

func (d *driver) answer(in *crdtpb.CrdtStreamIn) []*crdtpb.CrdtStreamOut {
	d.t.Helper()
	require.False(d.t, d.over, "the session is over")
	out, over := d.session.handle(d.t.Context(), in, nil)
	d.over = over
	defer out.Free()
	messages := slices.Collect(out.messages)
	for i, m := range messages {
		messages[i] = proto.CloneOf(m)
	}
	return messages
}

func (d *driver) start() *driver {
	d.t.Helper()
	d.send(initMessage(nil))
	return d
}

// requireFault checks that the answer ends the stream for this reason, logged once.
func (d *driver) requireFault(out []*crdtpb.CrdtStreamOut, id int64, description string) {
	d.t.Helper()
	require.Len(d.t, out, 1)
	require.NotNil(d.t, out[0].GetFailure(), "%v", out[0])
	require.Equal(d.t, id, out[0].GetFailure().GetCommandId())
	require.Contains(d.t, out[0].GetFailure().GetDescription(), description)
	require.True(d.t, d.over)
	require.Equal(d.t, 1, strings.Count(d.log.String(), "level=ERROR"), d.log)
}

func pack(tb testing.TB, m proto.Message) *anypb.Any {
	tb.Helper()
	a, err := anypb.New(m)
	require.NoError(tb, err)
	return a
}

func initMessage(delta *crdtpb.CrdtDelta) *crdtpb.CrdtStreamIn {
	return &crdtpb.CrdtStreamIn{Message: &crdtpb.CrdtStreamIn_Init{
		Init: &crdtpb.CrdtInit{ServiceName: "com.example.presence.Presence", EntityId: "jo", Delta: delta},
	}}
}

func commandMessage(id int64, name string, streamed bool) *crdtpb.CrdtStreamIn {
	return &crdtpb.CrdtStreamIn{Message: &crdtpb.CrdtStreamIn_Command{Command: &protocol.Command{
		EntityId: "jo", Id: id, Name: name, Streamed: streamed, Payload: &anypb.Any{TypeUrl: "type.googleapis.com/com.example.presence.User"},
	}}}
}

func deltaMessage(change int64) *crdtpb.CrdtStreamIn {
	return &crdtpb.CrdtStreamIn{Message: &crdtpb.CrdtStreamIn_Delta{Delta: change64(change)}}
}

func deleteMessage() *crdtpb.CrdtStreamIn {
	return &crdtpb.CrdtStreamIn{Message: &crdtpb.CrdtStreamIn_Delete{Delete: &crdtpb.CrdtDelete{}}}
}

func cancelMessage(id int64) *crdtpb.CrdtStreamIn {
	return &crdtpb.CrdtStreamIn{Message: &crdtpb.CrdtStreamIn_StreamCancelled{StreamCancelled: &protocol.StreamCancelled{EntityId: "jo", Id: id}}}
}

func change64(change int64) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Pncounter{Pncounter: &crdtpb.PNCounterDelta{Change: change}}}
}

func update(change int64) *crdtpb.CrdtStateAction {
	return &crdtpb.CrdtStateAction{Action: &crdtpb.CrdtStateAction_Update{Update: change64(change)}}
}

func deletion() *crdtpb.CrdtStateAction {
	return &crdtpb.CrdtStateAction{Action: &crdtpb.CrdtStateAction_Delete{Delete: &crdtpb.CrdtDelete{}}}
}

func replyOut(r *crdtpb.CrdtReply) *crdtpb.CrdtStreamOut {
	return &crdtpb.CrdtStreamOut{Message: &crdtpb.CrdtStreamOut_Reply{Reply: r}}
}

func streamedOut(m *crdtpb.CrdtStreamedMessage) *crdtpb.CrdtStreamOut {
	return &crdtpb.CrdtStreamOut{Message: &crdtpb.CrdtStreamOut_StreamedMessage{StreamedMessage: m}}
}

func cancelledOut(r *crdtpb.CrdtStreamCancelledResponse) *crdtpb.CrdtStreamOut {
	return &crdtpb.CrdtStreamOut{Message: &crdtpb.CrdtStreamOut_StreamCancelledResponse{StreamCancelledResponse: r}}
}

func online(tb testing.TB, is bool) *protocol.ClientAction {
	tb.Helper()
	return &protocol.ClientAction{Action: &protocol.ClientAction_Reply{Reply: &protocol.Reply{Payload: pack(tb, &pb.Status{Online: is})}}}
}

func failed(f *protocol.Failure) *protocol.ClientAction {
	return &protocol.ClientAction{Action: &protocol.ClientAction_Failure{Failure: f}}
}

// P-111, P-113, P-125: only local changes are sent, and nothing if there are none.
func TestCommand_SendsItsOwnChanges(t *testing.T) {
	t.Parallel()
	change := int64(0)
	d := newDriver(t, newEntity(behaviour{check: func(_ context.Context, c *counter) error { return c.Data().Increment(change) }})).start()
	d.send(commandMessage(1, "Check", false), replyOut(&crdtpb.CrdtReply{CommandId: 1, ClientAction: online(t, false)}))
	d.send(deltaMessage(5))
	d.send(commandMessage(2, "Check", false), replyOut(&crdtpb.CrdtReply{CommandId: 2, ClientAction: online(t, true)}))
	change = -5
	d.send(commandMessage(3, "Check", false), replyOut(&crdtpb.CrdtReply{CommandId: 3, ClientAction: online(t, false), StateAction: update(-5)}))
	change = 0
	d.send(commandMessage(4, "Check", false), replyOut(&crdtpb.CrdtReply{CommandId: 4, ClientAction: online(t, false)}))
}

// P-110, P-112: the value comes with the init message, or with the first delta.
func TestInit_TakesTheValueOfTheProxy(t *testing.T) {
	t.Parallel()
	d := newDriver(t, newEntity(behaviour{}))
	d.send(initMessage(change64(3)))
	d.send(commandMessage(1, "Check", false), replyOut(&crdtpb.CrdtReply{CommandId: 1, ClientAction: online(t, true)}))

	late := newDriver(t, newEntity(behaviour{})).start()
	late.send(deltaMessage(3))
	late.send(commandMessage(1, "Check", false), replyOut(&crdtpb.CrdtReply{CommandId: 1, ClientAction: online(t, true)}))
}

// P-128: the write consistency is that of one command.
func TestCommand_SetsTheWriteConsistencyForItself(t *testing.T) {
	t.Parallel()
	consistency := Majority
	d := newDriver(t, newEntity(behaviour{check: func(_ context.Context, c *counter) error {
		if consistency != Local {
			c.SetWriteConsistency(consistency)
		}
		return c.Data().Increment(1)
	}})).start()
	reply := func(id int64, want crdtpb.CrdtWriteConsistency) *crdtpb.CrdtStreamOut {
		action := update(1)
		action.WriteConsistency = want
		return replyOut(&crdtpb.CrdtReply{CommandId: id, ClientAction: online(t, true), StateAction: action})
	}
	d.send(commandMessage(1, "Check", false), reply(1, crdtpb.CrdtWriteConsistency_MAJORITY))
	consistency = All
	d.send(commandMessage(2, "Check", false), reply(2, crdtpb.CrdtWriteConsistency_ALL))
	consistency = Local
	d.send(commandMessage(3, "Check", false), reply(3, crdtpb.CrdtWriteConsistency_LOCAL))
}

// P-114: a deletion is all that is sent; P-116: the entity is of no use after it.
func TestDelete_WinsOverChanges(t *testing.T) {
	t.Parallel()
	d := newDriver(t, newEntity(behaviour{check: func(_ context.Context, c *counter) error {
		c.Delete()
		return c.Data().Increment(1)
	}})).start()
	d.send(commandMessage(1, "Check", false), replyOut(&crdtpb.CrdtReply{CommandId: 1, ClientAction: online(t, true), StateAction: deletion()}))
	d.send(commandMessage(2, "Check", false), replyOut(&crdtpb.CrdtReply{CommandId: 2, ClientAction: failed(&protocol.Failure{CommandId: 2, Description: "Entity deleted"})}))
	d.send(deltaMessage(1))
}

// P-117: the proxy may delete the value, before it was used too.
func TestDelete_FromTheProxyIsAcceptedSilently(t *testing.T) {
	t.Parallel()
	d := newDriver(t, newEntity(behaviour{})).start()
	d.send(commandMessage(1, "Monitor", true), replyOut(&crdtpb.CrdtReply{CommandId: 1, Streamed: true}))
	d.send(deleteMessage())
	d.send(commandMessage(2, "Check", false), replyOut(&crdtpb.CrdtReply{CommandId: 2, ClientAction: failed(&protocol.Failure{CommandId: 2, Description: "Entity deleted"})}))
	d.send(cancelMessage(1), cancelledOut(&crdtpb.CrdtStreamCancelledResponse{CommandId: 1}))

	first := newDriver(t, newEntity(behaviour{}))
	first.send(deleteMessage())
}

// P-118: a failure leaves the entity as it is.
func TestFailure_KeepsTheEntity(t *testing.T) {
	t.Parallel()
	d := newDriver(t, newEntity(behaviour{check: func(ctx context.Context, c *counter) error {
		_, err := pb.NewPresenceClient(entity.SideEffect(ctx)).Check(ctx, &pb.User{Name: "ann"})
		c.Delete()
		return errors.Join(err, status.Error(codes.NotFound, "nobody"))
	}})).start()
	out := d.answer(commandMessage(1, "Check", false))
	require.Len(t, out, 1)
	require.Contains(t, out[0].GetReply().GetClientAction().GetFailure().GetDescription(), "nobody")
	require.Nil(t, out[0].GetReply().GetStateAction())
	require.Empty(t, out[0].GetReply().GetSideEffects())
	require.False(t, d.over)
}

// A change cannot be undone, so a command that fails must not have made one.
func TestFailure_AfterAChangeEndsTheSession(t *testing.T) {
	t.Parallel()
	d := newDriver(t, newEntity(behaviour{check: func(_ context.Context, c *counter) error {
		return errors.Join(c.Data().Increment(1), errors.New("changed my mind"))
	}})).start()
	d.requireFault(d.answer(commandMessage(1, "Check", false)), 1, "CRDT was changed during failed command handling, this is not allowed. The handler has returned: changed my mind")
}

// presence is the handler of the design: the first turn changes the value, and so does the
// last one.
func presence(c *counter, stream grpc.ServerStreamingServer[pb.Status]) error {
	if err := c.Data().Increment(1); err != nil {
		return err
	}
	for counter := range c.Changes(stream.Context()) {
		if err := stream.Send(&pb.Status{Online: counter.Value() > 1}); err != nil {
			return err
		}
	}
	return c.Data().Decrement(1)
}

// P-119, P-120, P-122: the turns of streamed commands, and the order of their messages.
func TestStreams_RunInTurns(t *testing.T) {
	t.Parallel()
	d := newDriver(t, newEntity(behaviour{connect: presence, check: incrementBy(1)})).start()
	changed := func(id int64, is bool) *crdtpb.CrdtStreamOut {
		return streamedOut(&crdtpb.CrdtStreamedMessage{CommandId: id, ClientAction: online(t, is)})
	}
	// The first reply may be empty, and a stream is not told of its own change.
	d.send(commandMessage(1, "Connect", true), replyOut(&crdtpb.CrdtReply{CommandId: 1, StateAction: update(1), Streamed: true}))
	d.send(commandMessage(2, "Connect", true),
		replyOut(&crdtpb.CrdtReply{CommandId: 2, StateAction: update(1), Streamed: true}),
		changed(1, true))
	// Others are told, in order, after the reply.
	d.send(commandMessage(3, "Check", false),
		replyOut(&crdtpb.CrdtReply{CommandId: 3, ClientAction: online(t, true), StateAction: update(1)}),
		changed(1, true), changed(2, true))
	d.send(deltaMessage(-3), changed(1, false), changed(2, false))
	d.send(deltaMessage(3), changed(1, true), changed(2, true))
	// The last turn: exactly one response, with the change, and then the others.
	d.send(cancelMessage(1),
		cancelledOut(&crdtpb.CrdtStreamCancelledResponse{CommandId: 1, StateAction: update(-1)}),
		changed(2, true))
	d.send(cancelMessage(1), cancelledOut(&crdtpb.CrdtStreamCancelledResponse{CommandId: 1}))
	d.send(cancelMessage(2), cancelledOut(&crdtpb.CrdtStreamCancelledResponse{CommandId: 2, StateAction: update(-1)}))
	d.send(deltaMessage(1))
}

// P-121: a handler that returns in a change turn ends the client's stream.
func TestStreams_EndWhenTheHandlerReturns(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		connect func(c *counter, stream grpc.ServerStreamingServer[pb.Status]) error
		want    *crdtpb.CrdtStreamedMessage
	}{
		"with a last reply": {
			func(c *counter, stream grpc.ServerStreamingServer[pb.Status]) error {
				for range c.Changes(stream.Context()) {
					return stream.Send(&pb.Status{Online: true})
				}
				return nil
			},
			&crdtpb.CrdtStreamedMessage{CommandId: 1, ClientAction: online(t, true), EndStream: true},
		},
		"without one": {
			func(c *counter, stream grpc.ServerStreamingServer[pb.Status]) error {
				for range c.Changes(stream.Context()) {
					break
				}
				return nil
			},
			&crdtpb.CrdtStreamedMessage{CommandId: 1, EndStream: true},
		},
		"with an error (A-55)": {
			func(c *counter, stream grpc.ServerStreamingServer[pb.Status]) error {
				for range c.Changes(stream.Context()) {
					return status.Error(codes.Aborted, "enough")
				}
				return nil
			},
			&crdtpb.CrdtStreamedMessage{CommandId: 1, EndStream: true, ClientAction: failed(&protocol.Failure{CommandId: 1, Description: "enough", GrpcStatusCode: uint32(codes.Aborted)})},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDriver(t, newEntity(behaviour{connect: tt.connect})).start()
			d.send(commandMessage(1, "Connect", true), replyOut(&crdtpb.CrdtReply{CommandId: 1, Streamed: true}))
			d.send(deltaMessage(1), streamedOut(tt.want))
			d.send(deltaMessage(1))
			d.send(cancelMessage(1), cancelledOut(&crdtpb.CrdtStreamCancelledResponse{CommandId: 1}))
		})
	}
}

// What is sent before the loop is the reply, and what follows it comes as messages.
func TestStreams_SendInTheirFirstTurn(t *testing.T) {
	t.Parallel()
	sends := 1
	stay := true
	d := newDriver(t, newEntity(behaviour{connect: func(c *counter, stream grpc.ServerStreamingServer[pb.Status]) error {
		for range sends {
			if err := stream.Send(&pb.Status{Online: true}); err != nil {
				return err
			}
		}
		if !stay {
			return nil
		}
		for range c.Changes(stream.Context()) {
		}
		return nil
	}})).start()
	d.send(commandMessage(1, "Connect", true), replyOut(&crdtpb.CrdtReply{CommandId: 1, ClientAction: online(t, true), Streamed: true}))
	sends = 2
	second := &crdtpb.CrdtStreamedMessage{CommandId: 2, ClientAction: online(t, true)}
	d.send(commandMessage(2, "Connect", true), replyOut(&crdtpb.CrdtReply{CommandId: 2, ClientAction: online(t, true), Streamed: true}), streamedOut(second))
	stay = false
	second.CommandId, second.EndStream = 3, true
	d.send(commandMessage(3, "Connect", true), replyOut(&crdtpb.CrdtReply{CommandId: 3, ClientAction: online(t, true), Streamed: true}), streamedOut(second))
	// A handler that is not suspended gives an answer that is not streamed.
	sends = 1
	d.send(commandMessage(4, "Connect", true), replyOut(&crdtpb.CrdtReply{CommandId: 4, ClientAction: online(t, true)}))
	// Nor is the answer to a command that the client does not want a stream for.
	stay = true
	d.send(commandMessage(5, "Connect", false), replyOut(&crdtpb.CrdtReply{CommandId: 5, ClientAction: online(t, true)}))
}

// P-132: side effects go with the message they were asked for with.
func TestStreams_SendTheirSideEffects(t *testing.T) {
	t.Parallel()
	ask := func(c context.Context, name string) error {
		_, err := pb.NewPresenceClient(entity.SideEffect(c)).Check(c, &pb.User{Name: name})
		return err
	}
	effect := func(name string) []*protocol.SideEffect {
		return []*protocol.SideEffect{{ServiceName: "com.example.presence.Presence", CommandName: "Check", Payload: pack(t, &pb.User{Name: name})}}
	}
	d := newDriver(t, newEntity(behaviour{connect: func(c *counter, stream grpc.ServerStreamingServer[pb.Status]) error {
		if err := ask(stream.Context(), "first"); err != nil {
			return err
		}
		for counter := range c.Changes(stream.Context()) {
			if err := ask(stream.Context(), fmt.Sprint(counter.Value())); err != nil {
				return err
			}
			if counter.Value() > 1 {
				if err := stream.Send(&pb.Status{Online: true}); err != nil {
					return err
				}
			}
		}
		return ask(stream.Context(), "last")
	}})).start()
	d.send(commandMessage(1, "Connect", true), replyOut(&crdtpb.CrdtReply{CommandId: 1, SideEffects: effect("first"), Streamed: true}))
	d.send(deltaMessage(1), streamedOut(&crdtpb.CrdtStreamedMessage{CommandId: 1, SideEffects: effect("1")}))
	d.send(deltaMessage(1), streamedOut(&crdtpb.CrdtStreamedMessage{CommandId: 1, SideEffects: effect("2"), ClientAction: online(t, true)}))
	d.send(cancelMessage(1), cancelledOut(&crdtpb.CrdtStreamCancelledResponse{CommandId: 1, SideEffects: effect("last")}))
}

// A change at the wrong time is a fault that says where it is allowed.
func TestStreams_RefuseChangesAtTheWrongTime(t *testing.T) {
	t.Parallel()
	for name, connect := range map[string]func(c *counter, stream grpc.ServerStreamingServer[pb.Status]) error{
		"in the loop": func(c *counter, stream grpc.ServerStreamingServer[pb.Status]) error {
			for counter := range c.Changes(stream.Context()) {
				if err := counter.Increment(1); err != nil {
					return err
				}
			}
			return nil
		},
		"when the loop was left": func(c *counter, stream grpc.ServerStreamingServer[pb.Status]) error {
			for range c.Changes(stream.Context()) {
				break
			}
			return c.Data().Increment(1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDriver(t, newEntity(behaviour{connect: connect})).start()
			d.send(commandMessage(1, "Connect", true), replyOut(&crdtpb.CrdtReply{CommandId: 1, Streamed: true}))
			d.requireFault(d.answer(deltaMessage(1)), 1, "It may be changed before the loop over Changes, and after the loop when the client has gone")
		})
	}
}

// Handlers that fail in each of their turns.
func TestStreams_FailInEachTurn(t *testing.T) {
	t.Parallel()
	boom := func() error { panic("boom") } //nolint:forbidigo // what the test is about
	connect := func(first, change, last func() error) func(c *counter, stream grpc.ServerStreamingServer[pb.Status]) error {
		return func(c *counter, stream grpc.ServerStreamingServer[pb.Status]) error {
			if err := first(); err != nil {
				return err
			}
			for range c.Changes(stream.Context()) {
				if err := change(); err != nil {
					return err
				}
			}
			return last()
		}
	}
	fine := func() error { return nil }
	fails := func() error { return errors.New("broken") }

	t.Run("an error in the first", func(t *testing.T) {
		t.Parallel()
		d := newDriver(t, newEntity(behaviour{connect: connect(fails, fine, fine)})).start()
		d.send(commandMessage(1, "Connect", true), replyOut(&crdtpb.CrdtReply{CommandId: 1, ClientAction: failed(&protocol.Failure{CommandId: 1, Description: "broken"})}))
	})
	t.Run("a panic in the first", func(t *testing.T) {
		t.Parallel()
		d := newDriver(t, newEntity(behaviour{connect: connect(boom, fine, fine)})).start()
		d.requireFault(d.answer(commandMessage(1, "Connect", true)), 1, "Unexpected failure: boom")
		require.Contains(t, d.log.String(), "stack=")
	})
	t.Run("a panic in a change", func(t *testing.T) {
		t.Parallel()
		d := newDriver(t, newEntity(behaviour{connect: connect(fine, boom, fine)})).start()
		d.answer(commandMessage(1, "Connect", true))
		d.requireFault(d.answer(deltaMessage(1)), 1, "Unexpected failure: boom")
	})
	t.Run("an error in the last", func(t *testing.T) {
		t.Parallel()
		d := newDriver(t, newEntity(behaviour{connect: connect(fine, fine, fails)})).start()
		d.answer(commandMessage(1, "Connect", true))
		d.send(cancelMessage(1), cancelledOut(&crdtpb.CrdtStreamCancelledResponse{CommandId: 1}))
	})
	t.Run("a panic in the last", func(t *testing.T) {
		t.Parallel()
		d := newDriver(t, newEntity(behaviour{connect: connect(fine, fine, boom)})).start()
		d.answer(commandMessage(1, "Connect", true))
		d.requireFault(d.answer(cancelMessage(1)), 1, "Unexpected failure: boom")
	})
}

// An entity that is dropped with open streams unwinds their handlers: deferred functions
// run, and nothing after the loop does.
func TestStreams_AreUnwoundWithTheirEntity(t *testing.T) {
	t.Parallel()
	deferred, last := 0, 0
	d := newDriver(t, newEntity(behaviour{connect: func(c *counter, stream grpc.ServerStreamingServer[pb.Status]) error {
		defer func() { deferred++ }()
		for range c.Changes(stream.Context()) {
		}
		last++
		return nil
	}})).start()
	for id := range int64(1000) {
		d.answer(commandMessage(id+1, "Connect", true))
	}
	d.session.Close()
	require.Equal(t, 1000, deferred)
	require.Zero(t, last)
}

// What a deferred function of an unwound handler does wrong costs neither the process nor the
// other streams anything.
func TestStreams_AreUnwoundWhateverTheirDeferredFunctionsDo(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		last func(c *counter)
		want string
	}{
		"a change": {
			func(c *counter) { _ = c.Data().Increment(1) },
			"crdt: a value was changed by a deferred function of a streamed command whose entity is dropped from memory, so that nobody would see the change. ",
		},
		"a panic": {func(*counter) { panic("boom") }, "boom"}, //nolint:forbidigo // what a test is about
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			deferred := 0
			d := newDriver(t, newEntity(behaviour{connect: func(c *counter, stream grpc.ServerStreamingServer[pb.Status]) error {
				defer tt.last(c)
				defer func() { deferred++ }()
				for range c.Changes(stream.Context()) {
				}
				return nil
			}})).start()
			d.answer(commandMessage(1, "Connect", true))
			d.answer(commandMessage(2, "Connect", true))
			d.session.Close()
			require.Equal(t, 2, deferred)
			require.Equal(t, 2, strings.Count(d.log.String(), tt.want), d.log)
			require.Equal(t, 2, strings.Count(d.log.String(), "command=Connect"), d.log)
		})
		t.Run(name+" when the value is deleted", func(t *testing.T) {
			t.Parallel()
			d := newDriver(t, newEntity(behaviour{connect: func(c *counter, stream grpc.ServerStreamingServer[pb.Status]) error {
				defer tt.last(c)
				for range c.Changes(stream.Context()) {
				}
				return nil
			}})).start()
			d.answer(commandMessage(1, "Connect", true))
			d.send(&crdtpb.CrdtStreamIn{Message: &crdtpb.CrdtStreamIn_Delete{Delete: &crdtpb.CrdtDelete{}}})
			require.Equal(t, 1, strings.Count(d.log.String(), tt.want), d.log)
		})
	}
}

// A stream whose first turn lets the handler of another one panic is unwound as well.
func TestStreams_AreUnwoundIfTheirFirstTurnEndsInAFault(t *testing.T) {
	t.Parallel()
	begun, deferred := 0, 0
	d := newDriver(t, newEntity(behaviour{connect: func(c *counter, stream grpc.ServerStreamingServer[pb.Status]) error {
		defer func() { deferred++ }()
		if begun++; begun == 2 {
			if err := c.Data().Increment(1); err != nil {
				return err
			}
		}
		for range c.Changes(stream.Context()) {
			panic("boom") //nolint:forbidigo // what a test is about
		}
		return nil
	}})).start()
	d.answer(commandMessage(1, "Connect", true))
	d.requireFault(d.answer(commandMessage(2, "Connect", true)), 1, "Unexpected failure: boom")
	d.session.Close()
	require.Equal(t, 2, deferred)
}

// P-025 to P-031, and the table of protocol section 3.5.4.
func TestSession_EndsWhenTheProxyBreaksTheProtocol(t *testing.T) {
	t.Parallel()
	changed := func(change func(c *protocol.Command)) *crdtpb.CrdtStreamIn {
		m := commandMessage(7, "Check", false)
		change(m.GetCommand())
		return m
	}
	tests := map[string]struct {
		started bool
		in      *crdtpb.CrdtStreamIn
		id      int64
		want    string
	}{
		"P-025 command before init": {false, commandMessage(1, "Check", false), 0, "Protocol error: Expected Init message"},
		"P-025 delta before init":   {false, deltaMessage(1), 0, "Protocol error: Expected Init message"},
		"P-026 second init":         {true, initMessage(nil), 0, "Protocol error: Duplicate init event for the same entity"},
		"P-027 empty message":       {true, &crdtpb.CrdtStreamIn{}, 0, "Protocol error: Empty or unknown in message"},
		"P-028 unknown service": {false, &crdtpb.CrdtStreamIn{Message: &crdtpb.CrdtStreamIn_Init{
			Init: &crdtpb.CrdtInit{ServiceName: "nobody.Knows"},
		}}, 0, "Protocol error: Service not found: nobody.Knows"},
		"P-029 another entity":  {true, changed(func(c *protocol.Command) { c.EntityId = "ann" }), 7, "Protocol error: Receiving CRDT entity is not the intended recipient"},
		"P-030 no payload":      {true, changed(func(c *protocol.Command) { c.Payload = nil }), 7, "Protocol error: No command payload"},
		"P-031 unknown command": {true, commandMessage(7, "Nope", false), 7, "No command handler found for command [Nope]"},
		"a delta of another type": {true, &crdtpb.CrdtStreamIn{Message: &crdtpb.CrdtStreamIn_Delta{
			Delta: &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Flag{Flag: &crdtpb.FlagDelta{}}},
		}}, 0, "received a delta of type Flag, but it doesn't match the CRDT that this entity has: PNCounter"},
		"an empty delta":          {true, &crdtpb.CrdtStreamIn{Message: &crdtpb.CrdtStreamIn_Delta{Delta: &crdtpb.CrdtDelta{}}}, 0, "received an empty delta"},
		"an init of another type": {false, initMessage(&crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Flag{Flag: &crdtpb.FlagDelta{}}}), 0, "received a delta of type Flag"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDriver(t, newEntity(behaviour{}))
			if tt.started {
				d.start()
			}
			d.requireFault(d.answer(tt.in), tt.id, tt.want)
		})
	}
}

func TestBase_IsUsableInCommandsOnly(t *testing.T) {
	t.Parallel()
	var kept *counter
	d := newDriver(t, newEntity(behaviour{check: func(ctx context.Context, c *counter) error {
		kept = c
		require.PanicsWithValue(t, notStreamed, func() { c.Changes(ctx) })
		return nil
	}})).start()
	d.answer(commandMessage(1, "Check", false))
	require.PanicsWithValue(t, misuse, func() { kept.Delete() })
	require.PanicsWithValue(t, misuse, func() { kept.SetWriteConsistency(All) })
	require.PanicsWithValue(t, betweenCommands, func() { _ = kept.Data().Increment(1) })
	d.session.Close()
	require.PanicsWithValue(t, releasedValue, func() { _ = kept.Data().Increment(1) })
}
