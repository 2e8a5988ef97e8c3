package conformance

import (
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/anypb"

	pb "github.com/cloudstate-go/cloudstate/conformance/modelpb/crdtmodel"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// cr makes requests to CrdtTckModel, and what it has to answer.
var cr crdtTckModel

type crdtTckModel struct{}

// The updates of each type.

func (crdtTckModel) increment(n uint64) *pb.Update {
	return &pb.Update{Update: &pb.Update_Gcounter{Gcounter: &pb.GCounterUpdate{Increment: n}}}
}

func (crdtTckModel) change(n int64) *pb.Update {
	return &pb.Update{Update: &pb.Update_Pncounter{Pncounter: &pb.PNCounterUpdate{Change: n}}}
}

func (crdtTckModel) addG(element string) *pb.Update {
	return &pb.Update{Update: &pb.Update_Gset{Gset: &pb.GSetUpdate{Add: element}}}
}

func (crdtTckModel) add(element string) *pb.Update {
	return &pb.Update{Update: &pb.Update_Orset{Orset: &pb.ORSetUpdate{Action: &pb.ORSetUpdate_Add{Add: element}}}}
}

func (crdtTckModel) remove(element string) *pb.Update {
	return &pb.Update{Update: &pb.Update_Orset{Orset: &pb.ORSetUpdate{Action: &pb.ORSetUpdate_Remove{Remove: element}}}}
}

func (crdtTckModel) clear(really bool) *pb.Update {
	return &pb.Update{Update: &pb.Update_Orset{Orset: &pb.ORSetUpdate{Action: &pb.ORSetUpdate_Clear{Clear: really}}}}
}

func (crdtTckModel) set(value string) *pb.Update {
	return &pb.Update{Update: &pb.Update_Lwwregister{Lwwregister: &pb.LWWRegisterUpdate{Value: value}}}
}

func (crdtTckModel) setWithClock(value string, clock pb.LWWRegisterClockType, custom int64) *pb.Update {
	return &pb.Update{Update: &pb.Update_Lwwregister{Lwwregister: &pb.LWWRegisterUpdate{
		Value: value, Clock: &pb.LWWRegisterClock{ClockType: clock, CustomClockValue: custom},
	}}}
}

func (crdtTckModel) enable() *pb.Update {
	return &pb.Update{Update: &pb.Update_Flag{Flag: &pb.FlagUpdate{}}}
}

func (crdtTckModel) addKey(key string) *pb.Update {
	return &pb.Update{Update: &pb.Update_Ormap{Ormap: &pb.ORMapUpdate{Action: &pb.ORMapUpdate_Add{Add: key}}}}
}

func (crdtTckModel) updateKey(key string, update *pb.Update) *pb.Update {
	return &pb.Update{Update: &pb.Update_Ormap{Ormap: &pb.ORMapUpdate{Action: &pb.ORMapUpdate_Update{
		Update: &pb.ORMapEntryUpdate{Key: key, Update: update},
	}}}}
}

func (crdtTckModel) removeKey(key string) *pb.Update {
	return &pb.Update{Update: &pb.Update_Ormap{Ormap: &pb.ORMapUpdate{Action: &pb.ORMapUpdate_Remove{Remove: key}}}}
}

func (crdtTckModel) clearMap(really bool) *pb.Update {
	return &pb.Update{Update: &pb.Update_Ormap{Ormap: &pb.ORMapUpdate{Action: &pb.ORMapUpdate_Clear{Clear: really}}}}
}

func (crdtTckModel) vote(vote bool) *pb.Update {
	return &pb.Update{Update: &pb.Update_Vote{Vote: &pb.VoteUpdate{SelfVote: vote}}}
}

// with returns an update with a write consistency.
func (crdtTckModel) with(consistency pb.UpdateWriteConsistency, update *pb.Update) *pb.Update {
	update.WriteConsistency = consistency
	return update
}

// The actions of requests.

func (crdtTckModel) updates(updates ...*pb.Update) []*pb.RequestAction {
	actions := make([]*pb.RequestAction, 0, len(updates))
	for _, update := range updates {
		actions = append(actions, &pb.RequestAction{Action: &pb.RequestAction_Update{Update: update}})
	}
	return actions
}

func (crdtTckModel) delete() *pb.RequestAction {
	return &pb.RequestAction{Action: &pb.RequestAction_Delete{Delete: &pb.Delete{}}}
}

func (crdtTckModel) forward(id string) *pb.RequestAction {
	return &pb.RequestAction{Action: &pb.RequestAction_Forward{Forward: &pb.Forward{Id: id}}}
}

func (crdtTckModel) fail(message string) *pb.RequestAction {
	return &pb.RequestAction{Action: &pb.RequestAction_Fail{Fail: &pb.Fail{Message: message}}}
}

func (crdtTckModel) effect(id string, synchronous bool) *pb.RequestAction {
	return &pb.RequestAction{Action: &pb.RequestAction_Effect{Effect: &pb.Effect{Id: id, Synchronous: synchronous}}}
}

// The states of each type, as replies have them.

func (crdtTckModel) gcounter(value uint64) *pb.State {
	return &pb.State{Value: &pb.State_Gcounter{Gcounter: &pb.GCounterValue{Value: value}}}
}

func (crdtTckModel) pncounter(value int64) *pb.State {
	return &pb.State{Value: &pb.State_Pncounter{Pncounter: &pb.PNCounterValue{Value: value}}}
}

func (crdtTckModel) gset(elements ...string) *pb.State {
	return &pb.State{Value: &pb.State_Gset{Gset: &pb.GSetValue{Elements: elements}}}
}

func (crdtTckModel) orset(elements ...string) *pb.State {
	return &pb.State{Value: &pb.State_Orset{Orset: &pb.ORSetValue{Elements: elements}}}
}

func (crdtTckModel) register(value string) *pb.State {
	return &pb.State{Value: &pb.State_Lwwregister{Lwwregister: &pb.LWWRegisterValue{Value: value}}}
}

func (crdtTckModel) flag(value bool) *pb.State {
	return &pb.State{Value: &pb.State_Flag{Flag: &pb.FlagValue{Value: value}}}
}

// ormap is the state of a map. Its entries have to be sorted.
func (crdtTckModel) ormap(entries ...*pb.ORMapEntryValue) *pb.State {
	return &pb.State{Value: &pb.State_Ormap{Ormap: &pb.ORMapValue{Entries: entries}}}
}

func (crdtTckModel) entry(key string, value *pb.State) *pb.ORMapEntryValue {
	return &pb.ORMapEntryValue{Key: key, Value: value}
}

func (crdtTckModel) votes(self bool, votesFor, totalVoters int32) *pb.State {
	return &pb.State{Value: &pb.State_Vote{Vote: &pb.VoteValue{SelfVote: self, VotesFor: votesFor, TotalVoters: totalVoters}}}
}

// says is the reply with a state.
func (crdtTckModel) says(state *pb.State) *protocol.ClientAction {
	return replyWith(&pb.Response{State: state})
}

func (crdtTckModel) forwards(id string) *protocol.ClientAction {
	return forwardTo(crdtTwoName, "Call", &pb.Request{Id: id})
}

func (crdtTckModel) affects(id string, synchronous bool) *protocol.SideEffect {
	return sideEffect(crdtTwoName, &pb.Request{Id: id}, synchronous)
}

// The deltas of each type, in either direction.

func (crdtTckModel) gcounterDelta(increment uint64) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Gcounter{Gcounter: &crdtpb.GCounterDelta{Increment: increment}}}
}

func (crdtTckModel) pncounterDelta(change int64) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Pncounter{Pncounter: &crdtpb.PNCounterDelta{Change: change}}}
}

func (crdtTckModel) gsetDelta(added ...string) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Gset{Gset: &crdtpb.GSetDelta{Added: packStrings(added)}}}
}

func (crdtTckModel) orsetDelta(removed, added []string) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Orset{Orset: &crdtpb.ORSetDelta{
		Removed: packStrings(removed), Added: packStrings(added),
	}}}
}

func (crdtTckModel) clearedDelta(added ...string) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Orset{Orset: &crdtpb.ORSetDelta{Cleared: true, Added: packStrings(added)}}}
}

func (crdtTckModel) registerDelta(value string) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Lwwregister{Lwwregister: &crdtpb.LWWRegisterDelta{Value: packString(value)}}}
}

func (crdtTckModel) registerDeltaWithClock(value string, clock crdtpb.CrdtClock, custom int64) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Lwwregister{Lwwregister: &crdtpb.LWWRegisterDelta{
		Value: packString(value), Clock: clock, CustomClockValue: custom,
	}}}
}

func (crdtTckModel) flagDelta(value bool) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Flag{Flag: &crdtpb.FlagDelta{Value: value}}}
}

func (crdtTckModel) ormapDelta(delta *crdtpb.ORMapDelta) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Ormap{Ormap: delta}}
}

func (crdtTckModel) entryDelta(key string, delta *crdtpb.CrdtDelta) *crdtpb.ORMapEntryDelta {
	return &crdtpb.ORMapEntryDelta{Key: packString(key), Delta: delta}
}

// selfVoteDelta is what a user function sends of a vote.
func (m crdtTckModel) selfVoteDelta(self bool) *crdtpb.CrdtDelta { return m.voteDelta(self, 0, 0) }

func (crdtTckModel) voteDelta(self bool, votesFor, totalVoters int32) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Vote{Vote: &crdtpb.VoteDelta{
		SelfVote: self, VotesFor: votesFor, TotalVoters: totalVoters,
	}}}
}

// changed is the state action that updates a CRDT, with the write consistency LOCAL.
func (crdtTckModel) changed(delta *crdtpb.CrdtDelta) *crdtpb.CrdtStateAction {
	return &crdtpb.CrdtStateAction{Action: &crdtpb.CrdtStateAction_Update{Update: delta}}
}

// deleted is the state action that deletes a CRDT.
func (crdtTckModel) deleted() *crdtpb.CrdtStateAction {
	return &crdtpb.CrdtStateAction{Action: &crdtpb.CrdtStateAction_Delete{Delete: &crdtpb.CrdtDelete{}}}
}

// stringURL is the type URL of the primitive.
const stringURL = "p.cloudstate.io/string"

// packString returns a string as an element, a key or a value (protocol section 4.2).
func packString(s string) *anypb.Any {
	packed := &anypb.Any{TypeUrl: stringURL}
	if s != "" { // the default is omitted
		packed.Value = protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), s)
	}
	return packed
}

func packStrings(elements []string) []*anypb.Any {
	packed := make([]*anypb.Any, 0, len(elements))
	for _, s := range elements {
		packed = append(packed, packString(s))
	}
	return packed
}
