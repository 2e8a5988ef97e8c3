package entities_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/valueentitypb"
	"github.com/cloudstate-go/cloudstate/proxy/internal/scripted"
	"github.com/cloudstate-go/cloudstate/proxy/store/storetest"
)

// Whatever goes wrong: no update that was acknowledged is lost, none is made twice, and
// their order is kept.
func TestValueEntity_AcknowledgedUpdatesAreNotLost(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := start(t)
				go f.appender(seed)
				random := rand.New(rand.NewPCG(seed, 2))
				faults := []storetest.Fault{
					storetest.FailWrite, storetest.ConflictWrite, storetest.UnknownStored, storetest.UnknownNotStored,
					storetest.FailResolve, storetest.FailGet,
				}
				var acknowledged []string
				for n := range 60 {
					if random.IntN(2) == 0 {
						f.values.Inject(faults[random.IntN(len(faults))])
					}
					calls := make([]*call, 1+random.IntN(4))
					for i := range calls {
						calls[i] = f.askValue("u1", fmt.Sprintf("%d.%d", n, i))
						synctest.Wait() // so that the order is known
					}
					for i, c := range calls {
						<-c.done
						if c.err == nil {
							acknowledged = append(acknowledged, string(scripted.Question("u1", fmt.Sprintf("%d.%d", n, i)).GetValue()))
						}
					}
				}
				f.requireUpdates(acknowledged)
				f.mu.Lock()
				defer f.mu.Unlock()
				f.faults = nil // they are the point of the test
			})
		})
	}
}

// requireUpdates requires that the state of u1 has these updates, in order, and none
// twice.
func (f *fixture) requireUpdates(acknowledged []string) {
	f.t.Helper()
	require.NotEmpty(f.t, acknowledged)
	stored, err := f.stored.Get(f.ctx, valueKey)
	require.NoError(f.t, err)
	state := new(anypb.Any)
	require.NoError(f.t, (proto.UnmarshalOptions{}).Unmarshal(stored.Data, state))
	updates := strings.Split(string(state.GetValue()), "|")
	seen := map[string]bool{}
	for _, update := range updates {
		require.False(f.t, seen[update], "%q was stored twice", update)
		seen[update] = true
	}
	at := 0
	for _, want := range acknowledged {
		for at < len(updates) && updates[at] != want {
			at++
		}
		require.Less(f.t, at, len(updates), "%q was acknowledged, but is not in the state, or not in order", want)
	}
}

// appender is a user function that appends each question to its state, or misbehaves.
func (f *fixture) appender(seed uint64) {
	random := rand.New(rand.NewPCG(seed, 1))
	for stream, open := f.NextValue(); open; stream, open = f.NextValue() {
		state := []byte("start")
		for message := stream.Receive(); message != nil; message = stream.Receive() {
			if value := message.GetInit().GetState().GetValue(); value != nil {
				state = value.GetValue()
			}
			if command := message.GetCommand(); command != nil {
				state = slices.Concat(state, []byte{'|'}, command.GetPayload().GetValue())
				if !update(random, stream, command, state) {
					break
				}
			}
		}
		stream.End(nil)
	}
}

// update answers a command, and returns whether the stream goes on.
func update(random *rand.Rand, stream *scripted.ValueStream, command *protocol.Command, state []byte) bool {
	answer := &valueentitypb.ValueEntityReply{
		CommandId:    command.GetId(),
		ClientAction: scripted.Replied(scripted.Answer("ok")),
		StateAction:  scripted.Update(&anypb.Any{TypeUrl: "state", Value: state}),
	}
	switch random.IntN(8) {
	case 0:
		answer.CommandId++
	case 1:
		stream.Send(&valueentitypb.ValueEntityStreamOut{})
		return true
	case 2:
		return false
	case 3:
		stream.Answer(answer) // and dies at once
		return false
	default: // all is well
	}
	stream.Answer(answer)
	return true
}
