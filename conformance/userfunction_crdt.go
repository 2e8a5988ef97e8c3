package conformance

import (
	"bytes"
	"cmp"
	"slices"

	"google.golang.org/protobuf/types/known/anypb"

	pb "github.com/cloudstate-go/cloudstate/conformance/modelpb/crdtmodel"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// crAnswer is what a CRDT entity answers.
type crAnswer = crdtpb.CrdtReply

func crInit(init *crdtpb.CrdtInit) *crdtpb.CrdtStreamIn {
	return &crdtpb.CrdtStreamIn{Message: &crdtpb.CrdtStreamIn_Init{Init: init}}
}

func crCommand(c *protocol.Command) *crdtpb.CrdtStreamIn {
	return &crdtpb.CrdtStreamIn{Message: &crdtpb.CrdtStreamIn_Command{Command: c}}
}

func crReply(reply *crAnswer) *crdtpb.CrdtStreamOut {
	return &crdtpb.CrdtStreamOut{Message: &crdtpb.CrdtStreamOut_Reply{Reply: reply}}
}

func crStreamed(m *crdtpb.CrdtStreamedMessage) *crdtpb.CrdtStreamOut {
	return &crdtpb.CrdtStreamOut{Message: &crdtpb.CrdtStreamOut_StreamedMessage{StreamedMessage: m}}
}

func crCancelled(response *crdtpb.CrdtStreamCancelledResponse) *crdtpb.CrdtStreamOut {
	return &crdtpb.CrdtStreamOut{Message: &crdtpb.CrdtStreamOut_StreamCancelledResponse{StreamCancelledResponse: response}}
}

// A crdtEntity is an activation of CrdtTckModel, or of another model with CRDTs.
type crdtEntity struct {
	*stream

	id       string
	commands int64 // sent so far
}

// crdt activates an entity with a CRDT of a type. It does not exist yet if delta is nil.
func (u *userFunction) crdt(t *trial, typ string, delta *crdtpb.CrdtDelta) *crdtEntity {
	return u.activateCRDT(t, crdtModelName, typ, delta)
}

func (u *userFunction) activateCRDT(t *trial, service, typ string, delta *crdtpb.CrdtDelta) *crdtEntity {
	u.need(t, service)
	e := &crdtEntity{stream: u.open(t, crdtpb.Crdt_Handle_FullMethodName, &crdtpb.CrdtStreamOut{}), id: u.newID(typ)}
	e.send(crInit(&crdtpb.CrdtInit{ServiceName: service, EntityId: e.id, Delta: delta}))
	return e
}

// next returns the next answer.
func (e *crdtEntity) next(what string, args ...any) *crdtpb.CrdtStreamOut {
	out, _ := e.stream.next(what, args...).(*crdtpb.CrdtStreamOut)
	return sorted(out)
}

// expect requires that the next answer is this one, whatever the order of elements and
// entries is.
func (e *crdtEntity) expect(want *crdtpb.CrdtStreamOut, what string, args ...any) {
	requireEqual(e.t, sorted(want), e.next(what, args...), what, args...)
}

// process sends a command, and requires an answer, into which it fills the id of the command.
func (e *crdtEntity) process(want *crAnswer, actions ...*pb.RequestAction) {
	e.call("Process", &pb.Request{Id: e.id, Actions: actions})
	want.CommandId = e.commands
	if failure := want.GetClientAction().GetFailure(); failure != nil {
		failure.CommandId = e.commands
	}
	e.expect(crReply(want), "the reply to command %d, %v", e.commands, actions)
}

// update sends a command that updates the CRDT, and requires the state that it then has, and
// the delta, which is nil if there is none.
func (e *crdtEntity) update(state *pb.State, delta *crdtpb.CrdtDelta, updates ...*pb.Update) {
	want := &crAnswer{ClientAction: cr.says(state)}
	if delta != nil {
		want.StateAction = cr.changed(delta)
	}
	e.process(want, cr.updates(updates...)...)
}

// read requires that the CRDT has a state, and that nothing of it has yet to be sent.
func (e *crdtEntity) read(state *pb.State) { e.update(state, nil) }

// call sends the next command.
func (e *crdtEntity) call(name string, request *pb.Request) {
	e.commands++
	e.send(crCommand(&protocol.Command{EntityId: e.id, Id: e.commands, Name: name, Payload: pack(request)}))
}

// subscribe sends a streamed command, and requires an answer, into which it fills the id of
// the command. It returns the id.
func (e *crdtEntity) subscribe(request *pb.StreamedRequest, want *crAnswer) int64 {
	e.commands++
	request.Id = e.id
	e.send(crCommand(&protocol.Command{
		EntityId: e.id, Id: e.commands, Name: "ProcessStreamed", Payload: pack(request), Streamed: true,
	}))
	want.CommandId, want.Streamed = e.commands, true
	e.expect(crReply(want), "the reply to the streamed command %d, %v", e.commands, request)
	return e.commands
}

// streams requires messages to streams. Those that follow one change may come in any order.
func (e *crdtEntity) streams(want ...*crdtpb.CrdtStreamedMessage) {
	got := make([]*crdtpb.CrdtStreamOut, 0, len(want))
	for range want {
		got = append(got, e.next("a message to a stream"))
	}
	slices.SortStableFunc(got, func(a, b *crdtpb.CrdtStreamOut) int {
		return cmp.Compare(a.GetStreamedMessage().GetCommandId(), b.GetStreamedMessage().GetCommandId())
	})
	for i, m := range want {
		requireEqual(e.t, crStreamed(m), got[i], "the message to the stream of command %d", m.GetCommandId())
	}
}

// delta sends a change of other nodes.
func (e *crdtEntity) delta(delta *crdtpb.CrdtDelta) {
	e.send(&crdtpb.CrdtStreamIn{Message: &crdtpb.CrdtStreamIn_Delta{Delta: delta}})
}

// delete says that another node has deleted the CRDT.
func (e *crdtEntity) delete() {
	e.send(&crdtpb.CrdtStreamIn{Message: &crdtpb.CrdtStreamIn_Delete{Delete: &crdtpb.CrdtDelete{}}})
}

// cancel says that the client of a streamed command has gone, and requires what is answered:
// a change, or none if that is nil.
func (e *crdtEntity) cancel(commandID int64, change *crdtpb.CrdtStateAction) {
	e.sendCancelled(commandID)
	e.expect(crCancelled(&crdtpb.CrdtStreamCancelledResponse{CommandId: commandID, StateAction: change}),
		"the answer to the cancellation of command %d", commandID)
}

func (e *crdtEntity) sendCancelled(commandID int64) {
	e.send(&crdtpb.CrdtStreamIn{Message: &crdtpb.CrdtStreamIn_StreamCancelled{
		StreamCancelled: &protocol.StreamCancelled{EntityId: e.id, Id: commandID},
	}})
}

// sorted returns out, after it has sorted what has no order in it.
func sorted(out *crdtpb.CrdtStreamOut) *crdtpb.CrdtStreamOut {
	sortDelta(out.GetReply().GetStateAction().GetUpdate())
	sortDelta(out.GetStreamCancelledResponse().GetStateAction().GetUpdate())
	return out
}

// sortDelta sorts what has no order in a delta, which may be nil.
func sortDelta(delta *crdtpb.CrdtDelta) {
	sortAnys(delta.GetGset().GetAdded())
	sortAnys(delta.GetOrset().GetAdded())
	sortAnys(delta.GetOrset().GetRemoved())
	sortAnys(delta.GetOrmap().GetRemoved())
	for _, entries := range [][]*crdtpb.ORMapEntryDelta{delta.GetOrmap().GetAdded(), delta.GetOrmap().GetUpdated()} {
		slices.SortFunc(entries, func(a, b *crdtpb.ORMapEntryDelta) int { return compareAnys(a.GetKey(), b.GetKey()) })
		for _, entry := range entries {
			sortDelta(entry.GetDelta())
		}
	}
}

func sortAnys(anys []*anypb.Any) { slices.SortFunc(anys, compareAnys) }

func compareAnys(a, b *anypb.Any) int {
	return cmp.Or(cmp.Compare(a.GetTypeUrl(), b.GetTypeUrl()), bytes.Compare(a.GetValue(), b.GetValue()))
}
