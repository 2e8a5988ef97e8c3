package entities_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cloudstate-go/cloudstate/proxy/internal/entities"
	"github.com/cloudstate-go/cloudstate/proxy/internal/scripted"
	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// Clients come and go, entities leave memory all the time, and still each command
// that was acknowledged is in the journal, each at most once, and nobody waits for
// ever. It is the race detector that this test is for.
func TestEntities_ManyClientsAndConstantPassivation(t *testing.T) {
	t.Parallel()
	f := start(t, func(c *entities.Config) { c.PassivationTimeout = time.Microsecond })
	go echo(f)
	const clients, commands, ids = 8, 100, 3
	var mu sync.Mutex
	acknowledged := map[string]string{} // the entity of each command
	var group sync.WaitGroup
	for client := range clients {
		group.Go(func() {
			random := rand.New(rand.NewPCG(uint64(client), 0))
			for n := range commands {
				id, text := fmt.Sprint("u", random.IntN(ids)), fmt.Sprintf("%d.%d", client, n)
				ctx, cancel := context.WithCancel(t.Context())
				c := f.call(ctx, scripted.Question(id, text))
				switch random.IntN(5) {
				case 0:
					cancel()
				case 1:
					if err := f.entities.Passivate(t.Context(), f.spec.Service(scripted.First), id); err != nil {
						t.Error(err)
					}
				}
				<-c.done
				cancel()
				mu.Lock()
				if c.err == nil {
					acknowledged[text] = id
				} else if status.Code(c.err) != codes.Canceled {
					t.Error(c.err)
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	f.entities.Close()
	stored := map[string]bool{}
	for id := range ids {
		_, err := f.stored.Load(t.Context(), key(fmt.Sprint("u", id)), func(record store.Record) error {
			require.False(t, stored[string(record.Data)], "stored twice")
			stored[string(record.Data)] = true
			return nil
		})
		require.NoError(t, err)
	}
	require.NotEmpty(t, acknowledged)
	for text, id := range acknowledged {
		require.True(t, stored[string(encode(t, scripted.Question(id, text)))], "%s was acknowledged, but not stored", text)
	}
}

// echo answers every command of every entity with an event that is the question.
func echo(f *fixture) {
	for {
		stream, open := f.Next()
		if !open {
			return
		}
		go func() { // ends with the stream
			for message := stream.Receive(); message != nil; message = stream.Receive() {
				if command := message.GetCommand(); command != nil {
					stream.Answer(reply(command, command.GetPayload()))
				}
			}
			stream.End(nil)
		}()
	}
}
