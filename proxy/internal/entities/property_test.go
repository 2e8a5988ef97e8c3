package entities_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
	"github.com/cloudstate-go/cloudstate/proxy/internal/scripted"
	"github.com/cloudstate-go/cloudstate/proxy/store"
	"github.com/cloudstate-go/cloudstate/proxy/store/storetest"
)

// Whatever goes wrong: the events of a command that was acknowledged are in the
// journal, once, in order; and of every other command all or none.
func TestEntity_AcknowledgedEventsAreStoredExactlyOnce(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := start(t)
				go f.emitter(seed)
				var acknowledged []string
				random := rand.New(rand.NewPCG(seed, 2))
				for n := range 60 {
					f.disturb(random)
					calls := make([]*call, 1+random.IntN(4))
					for i := range calls {
						calls[i] = f.ask("u1", fmt.Sprintf("%d.%d", n, i))
						synctest.Wait() // so that the order is known
					}
					for i, c := range calls {
						<-c.done
						if c.err == nil {
							acknowledged = append(acknowledged, fmt.Sprintf("%d.%d", n, i))
						}
					}
				}
				require.NotEmpty(t, acknowledged)
				requireAcknowledged(t, f, acknowledged)
				f.mu.Lock()
				defer f.mu.Unlock()
				f.faults = nil // they are the point of the test
			})
		})
	}
}

// disturb lets something go wrong in the store, sometimes.
func (f *fixture) disturb(random *rand.Rand) {
	faults := []storetest.Fault{
		storetest.FailAppend, storetest.ConflictAppend, storetest.UnknownStored, storetest.UnknownNotStored,
		storetest.FailResolve, storetest.FailLoad, storetest.FailLoadLate,
	}
	if random.IntN(2) == 0 {
		f.journal.Inject(faults[random.IntN(len(faults))])
	}
}

// emitter is a user function that emits two events for each question, or misbehaves.
func (f *fixture) emitter(seed uint64) {
	random := rand.New(rand.NewPCG(seed, 1))
	for {
		stream, open := f.Next()
		if !open {
			return
		}
		for message := stream.Receive(); message != nil; message = stream.Receive() {
			if command := message.GetCommand(); command != nil && !emit(random, stream, command) {
				break
			}
		}
		stream.End(nil)
	}
}

// emit answers a command, and returns whether the stream goes on.
func emit(random *rand.Rand, stream *scripted.Stream, command *protocol.Command) bool {
	answer := reply(command, half(command, 1), half(command, 2))
	switch random.IntN(11) {
	case 0:
		stream.Fail(command, &protocol.Failure{Description: "no"})
	case 1:
		stream.Fail(command, &protocol.Failure{Description: "no", Restart: true})
	case 2:
		answer.CommandId++
		stream.Answer(answer)
	case 3:
		stream.Send(&eventsourcedpb.EventSourcedStreamOut{})
	case 4:
		return false
	case 5:
		stream.Answer(answer) // and dies at once
		return false
	default:
		stream.Answer(answer)
	}
	return true
}

// half returns an event for a command.
func half(command *protocol.Command, n int) *anypb.Any {
	return &anypb.Any{TypeUrl: fmt.Sprintf("half/%d", n), Value: command.GetPayload().GetValue()}
}

func requireAcknowledged(t *testing.T, f *fixture, acknowledged []string) {
	t.Helper()
	var stored []string
	complete := 0
	_, err := f.stored.Load(t.Context(), key("u1"), func(record store.Record) error {
		event := new(anypb.Any)
		require.NoError(t, (proto.UnmarshalOptions{}).Unmarshal(record.Data, event))
		require.Equal(t, fmt.Sprintf("half/%d", complete%2+1), event.GetTypeUrl(), "half of a command at %d", record.Seq)
		if complete%2 == 0 {
			stored = append(stored, string(event.GetValue()))
		} else {
			require.Equal(t, stored[len(stored)-1], string(event.GetValue()), "another command's event at %d", record.Seq)
		}
		complete++
		return nil
	})
	require.NoError(t, err)
	require.Zero(t, complete%2)
	at := 0
	for _, text := range acknowledged {
		want := string(scripted.Question("u1", text).GetValue())
		for at < len(stored) && stored[at] != want {
			at++
		}
		require.Less(t, at, len(stored), "%s was acknowledged, but is not in the journal, or not in order", text)
	}
	seen := map[string]bool{}
	for _, text := range stored {
		require.False(t, seen[text], "%q is in the journal twice", text)
		seen[text] = true
	}
}
