package models

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	pb "github.com/cloudstate-go/cloudstate/conformance/modelpb/crdtmodel"
	"github.com/cloudstate-go/cloudstate/crdt"
)

// crdtMap is the map of the model, whose values are of the types that their keys begin with.
type crdtMap = crdt.ORMap[string, crdt.Data]

// newData returns an empty CRDT of the type that an id or a key begins with, or nil if it
// begins with none.
func newData(name string) crdt.Data {
	typ, _, _ := strings.Cut(name, "-")
	switch typ {
	case "GCounter":
		return crdt.NewGCounter()
	case "PNCounter":
		return crdt.NewPNCounter()
	case "GSet":
		return crdt.NewGSet[string]()
	case "ORSet":
		return crdt.NewORSet[string]()
	case "LWWRegister":
		return crdt.NewLWWRegister("")
	case "Flag":
		return crdt.NewFlag()
	case "ORMap":
		return crdt.NewORMap(newData)
	case "Vote":
		return crdt.NewVote()
	default:
		return nil
	}
}

// applyUpdate carries out an update of a CRDT.
func applyUpdate(data crdt.Data, update *pb.Update) error {
	switch d := data.(type) {
	case *crdt.GCounter:
		if u := update.GetGcounter(); u != nil {
			return d.Increment(u.GetIncrement())
		}
	case *crdt.PNCounter:
		if u := update.GetPncounter(); u != nil {
			return d.Increment(u.GetChange())
		}
	case *crdt.GSet[string]:
		if u := update.GetGset(); u != nil {
			return d.Add(u.GetAdd())
		}
	case *crdt.ORSet[string]:
		return updateSet(d, update.GetOrset())
	case *crdt.LWWRegister[string]:
		if u := update.GetLwwregister(); u != nil {
			return d.SetWithClock(u.GetValue(), crdt.Clock(u.GetClock().GetClockType()), u.GetClock().GetCustomClockValue())
		}
	case *crdt.Flag:
		if u := update.GetFlag(); u != nil {
			d.Enable()
			return nil
		}
	case *crdtMap:
		return updateMap(d, update.GetOrmap())
	case *crdt.Vote:
		if u := update.GetVote(); u != nil {
			d.Set(u.GetSelfVote())
			return nil
		}
	}
	return fmt.Errorf("the update %v is not one of a %T", update, data)
}

func updateSet(set *crdt.ORSet[string], update *pb.ORSetUpdate) error {
	switch u := update.GetAction().(type) {
	case *pb.ORSetUpdate_Add:
		return set.Add(u.Add)
	case *pb.ORSetUpdate_Remove:
		set.Remove(u.Remove)
	case *pb.ORSetUpdate_Clear:
		if u.Clear {
			set.Clear()
		}
	default:
		return errors.New("the update is not one of an ORSet")
	}
	return nil
}

func updateMap(m *crdtMap, update *pb.ORMapUpdate) error {
	switch u := update.GetAction().(type) {
	case *pb.ORMapUpdate_Add:
		_, err := m.GetOrCreate(u.Add)
		return err
	case *pb.ORMapUpdate_Update:
		value, err := m.GetOrCreate(u.Update.GetKey())
		if err != nil {
			return err
		}
		return applyUpdate(value, u.Update.GetUpdate())
	case *pb.ORMapUpdate_Remove:
		m.Remove(u.Remove)
	case *pb.ORMapUpdate_Clear:
		if u.Clear {
			m.Clear()
		}
	default:
		return errors.New("the update is not one of an ORMap")
	}
	return nil
}

// stateOf returns the value of a CRDT as replies have it.
func stateOf(data crdt.Data) *pb.State {
	switch d := data.(type) {
	case *crdt.GCounter:
		return &pb.State{Value: &pb.State_Gcounter{Gcounter: &pb.GCounterValue{Value: d.Value()}}}
	case *crdt.PNCounter:
		return &pb.State{Value: &pb.State_Pncounter{Pncounter: &pb.PNCounterValue{Value: d.Value()}}}
	case *crdt.GSet[string]:
		return &pb.State{Value: &pb.State_Gset{Gset: &pb.GSetValue{Elements: slices.Sorted(d.All())}}}
	case *crdt.ORSet[string]:
		return &pb.State{Value: &pb.State_Orset{Orset: &pb.ORSetValue{Elements: slices.Sorted(d.All())}}}
	case *crdt.LWWRegister[string]:
		return &pb.State{Value: &pb.State_Lwwregister{Lwwregister: &pb.LWWRegisterValue{Value: d.Value()}}}
	case *crdt.Flag:
		return &pb.State{Value: &pb.State_Flag{Flag: &pb.FlagValue{Value: d.Enabled()}}}
	case *crdtMap:
		return &pb.State{Value: &pb.State_Ormap{Ormap: mapState(d)}}
	case *crdt.Vote:
		return &pb.State{Value: &pb.State_Vote{Vote: voteState(d)}}
	default:
		return nil
	}
}

func mapState(m *crdtMap) *pb.ORMapValue {
	value := &pb.ORMapValue{}
	for key, data := range m.All() {
		value.Entries = append(value.Entries, &pb.ORMapEntryValue{Key: key, Value: stateOf(data)})
	}
	slices.SortFunc(value.GetEntries(), func(a, b *pb.ORMapEntryValue) int { return strings.Compare(a.GetKey(), b.GetKey()) })
	return value
}

func voteState(v *crdt.Vote) *pb.VoteValue {
	return &pb.VoteValue{
		SelfVote:    v.SelfVote(),
		VotesFor:    int32(v.VotesFor()),    //nolint:gosec // it is one on the wire
		TotalVoters: int32(v.TotalVoters()), //nolint:gosec // likewise
	}
}
