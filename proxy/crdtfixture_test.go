package proxy_test

import (
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
	"github.com/cloudstate-go/cloudstate/proxy/cluster"
	"github.com/cloudstate-go/cloudstate/proxy/internal/scripted"
)

const (
	local    = crdtpb.CrdtWriteConsistency_LOCAL
	majority = crdtpb.CrdtWriteConsistency_MAJORITY
	all      = crdtpb.CrdtWriteConsistency_ALL
)

// newCluster starts fixtures that replicate over the same network. Their nodes are named
// node-1 and so on, in order.
func newCluster(t *testing.T, n int, network *cluster.Memory) []*fixture {
	t.Helper()
	nodes := make([]*fixture, 0, n)
	for range n {
		f := start(t, func(f *fixture) { f.proxy.Cluster = network })
		nodes = append(nodes, f.ready())
	}
	return nodes
}

// askCRDT calls a CRDT entity and does not wait.
func (f *fixture) askCRDT(id string) *call {
	return f.askOf(f.t.Context(), scripted.CRDT, id)
}

// openCRDT lets a CRDT entity answer its first command, and returns its stream.
func (f *fixture) openCRDT(id string, action *crdtpb.CrdtStateAction) *scripted.CRDTStream {
	f.t.Helper()
	stream, _ := f.beginCRDT(id, action)
	return stream
}

// openCRDTWith is openCRDT for an entity that must have a state.
func (f *fixture) openCRDTWith(id string, state *crdtpb.CrdtDelta, action *crdtpb.CrdtStateAction) *scripted.CRDTStream {
	f.t.Helper()
	stream, got := f.beginCRDT(id, action)
	require.True(f.t, proto.Equal(state, got), "want %v, got %v", state, got)
	return stream
}

func (f *fixture) beginCRDT(id string, action *crdtpb.CrdtStateAction) (*scripted.CRDTStream, *crdtpb.CrdtDelta) {
	f.t.Helper()
	c := f.askCRDT(id)
	stream := f.AcceptCRDT()
	state := stream.RequireInit(id)
	stream.RequireCommand(1, "Ask")
	stream.Reply(1, scripted.Answer("hello"), action)
	c.requireAnswer("hello")
	return stream, state
}

// counted returns the state action of a counter.
func counted(by uint64) *crdtpb.CrdtStateAction { return scripted.Change(gcounter(by), local) }

func (c *call) requireStatus(code codes.Code, text string) {
	c.f.t.Helper()
	<-c.done
	require.Equal(c.f.t, code, status.Code(c.err), "got %v", c.err)
	require.Equal(c.f.t, text, status.Convert(c.err).Message())
}

// requireFaults requires the faults that were found since the last call, and takes them.
func (f *fixture) requireFaults(texts ...string) {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	require.Len(f.t, f.faults, len(texts), "%v", f.faults)
	for i, text := range texts {
		require.ErrorContains(f.t, f.faults[i].Err, text)
	}
	f.faults = nil
}

// A watch is a stream that a client has opened.
type watch struct {
	f      *fixture
	leave  context.CancelFunc
	stream grpc.ClientStream
}

// watch opens a stream of a CRDT entity.
func (f *fixture) watch(id string) *watch {
	f.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	f.t.Cleanup(cancel)
	stream, err := f.client.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/"+scripted.CRDT+"/Watch")
	require.NoError(f.t, err)
	require.NoError(f.t, stream.SendMsg(wrapperspb.String(id)))
	require.NoError(f.t, stream.CloseSend())
	return &watch{f: f, leave: cancel, stream: stream}
}

func (w *watch) requireNext(text string) {
	w.f.t.Helper()
	answer := &wrapperspb.StringValue{}
	require.NoError(w.f.t, w.stream.RecvMsg(answer))
	require.Equal(w.f.t, text, answer.GetValue())
}

func (w *watch) requireEnd() {
	w.f.t.Helper()
	err := w.stream.RecvMsg(&wrapperspb.StringValue{})
	require.ErrorIs(w.f.t, err, io.EOF)
}

func (w *watch) requireFailure(text string) {
	w.f.t.Helper()
	err := w.stream.RecvMsg(&wrapperspb.StringValue{})
	require.Equal(w.f.t, codes.Unknown, status.Code(err), "got %v", err)
	require.Equal(w.f.t, text, status.Convert(err).Message())
}

// openWatch opens a stream whose first answer is "open", on an entity that has had commands
// up to the last one.
func (f *fixture) openWatch(stream *scripted.CRDTStream, id string, command int64) *watch {
	f.t.Helper()
	w := f.watch(id)
	require.True(f.t, stream.RequireCommand(command, "Watch").GetStreamed())
	stream.Answer(&crdtpb.CrdtReply{CommandId: command, ClientAction: scripted.Replied(scripted.Answer("open")), Streamed: true})
	w.requireNext("open")
	return w
}

func gcounter(by uint64) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Gcounter{Gcounter: &crdtpb.GCounterDelta{Increment: by}}}
}

func orset(delta *crdtpb.ORSetDelta) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Orset{Orset: delta}}
}

func register(value string, clock crdtpb.CrdtClock, custom int64) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Lwwregister{Lwwregister: &crdtpb.LWWRegisterDelta{
		Value: scripted.Event(value), Clock: clock, CustomClockValue: custom,
	}}}
}

func elements(list ...string) []*anypb.Any {
	e := make([]*anypb.Any, 0, len(list))
	for _, text := range list {
		e = append(e, scripted.Event(text))
	}
	return e
}
