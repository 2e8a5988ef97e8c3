package entities

import (
	"context"
	"time"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/proxy/internal/relay"
	"github.com/cloudstate-go/cloudstate/proxy/internal/routing"
	"github.com/cloudstate-go/cloudstate/proxy/observe"
)

// crashLimit is how long the user function may take to end the stream of an activation that
// has crashed. A command that comes meanwhile waits for it.
const crashLimit = time.Second

// A runner runs one entity, one activation after the other, in one goroutine.
type runner struct {
	entity

	entities *Runners
	queue    *queue
}

func newRunner(entities *Runners, of entity) *runner {
	return &runner{entity: of, entities: entities, queue: newQueue()}
}

// run activates the entity for as long as there is a reason to.
func (r *runner) run(ctx context.Context) {
	for {
		for r.activate(ctx) { // a restart is another activation
		}
		r.queue.end()
		if r.entities.retire(r) {
			return
		}
	}
}

// activate runs one activation, from opening its stream until the user function has
// ended it. It returns true if the entity asked to be restarted.
func (r *runner) activate(ctx context.Context) bool {
	if r.entities.closing() {
		r.queue.seal() // nothing comes after what waits now
	}
	meter := r.Service.Meter
	meter.Count(observe.Activated)
	defer meter.Time(observe.Passivated, meter.Start())
	a, crash := r.open(ctx)
	if crash != nil {
		r.crash(ctx, nil, crash)
		return false
	}
	restart, clean := r.serve(ctx, a)
	limit := r.entities.config.RelayTimeout
	if !clean { // it has said all that it has to say, and may be unable to end its stream
		limit = min(limit, crashLimit)
	}
	if err := a.end(limit); err != nil && clean && ctx.Err() == nil {
		r.report(ctx, nil, err)
	}
	return restart && !r.entities.closing()
}

// serve recovers the entity and sends it commands until it crashes, must be
// restarted, or has to leave memory. It returns whether the entity must be restarted,
// and whether it did not crash.
func (r *runner) serve(ctx context.Context, a *activation) (restart, clean bool) {
	start := r.Service.Meter.Start()
	if crash := a.recover(ctx); crash != nil {
		r.crash(ctx, nil, crash)
		return false, false
	}
	r.Service.Meter.Time(observe.Recovered, start)
	timeout := r.PassivationTimeout(r.entities.config.PassivationTimeout)
	idle := time.NewTimer(timeout)
	defer idle.Stop()
	for {
		c, last := r.queue.pop()
		switch {
		case last:
			return false, true
		case c == nil:
			select {
			case <-r.queue.ready:
			case <-idle.C:
				return false, true
			case out := <-a.outputs:
				if out.goodbye() {
					return false, true
				}
				r.crash(ctx, nil, out.crash(a.texts, noCommand))
				return false, false
			}
		case !c.Abandoned():
			restart, crash := r.execute(ctx, a, c)
			if crash != nil {
				r.crash(ctx, c, crash)
				return false, false
			}
			if restart {
				return true, true
			}
			idle.Reset(timeout)
		}
	}
}

// execute sends a command, waits for the reply, stores what it says, and finishes
// the command. It returns whether the entity must be restarted.
func (r *runner) execute(ctx context.Context, a *activation, c *relay.Call) (bool, *crash) {
	a.lastCommand++
	start := c.Meter().Start()
	if err := a.stream.command(r.command(a.lastCommand, c.Command)); err != nil {
		return false, a.why(err)
	}
	out := <-a.outputs
	answer := out.answer
	if answer == nil || answer.command != a.lastCommand {
		return false, out.crash(a.texts, a.lastCommand)
	}
	c.Meter().Time(observe.CommandProcessed, start)
	if answer.violation != nil {
		r.report(ctx, c, answer.violation)
	}
	if answer.commit != nil {
		if err := r.commit(ctx, answer.commit); err != nil {
			return false, a.texts.crash(a.texts.failure, err)
		}
	}
	c.Finish(&answer.response)
	return answer.restart, nil
}

// commit stores what an answer asks for, within the relay timeout.
func (r *runner) commit(ctx context.Context, commit func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, r.entities.config.RelayTimeout)
	defer cancel()
	return commit(ctx)
}

// command returns the message for a command.
func (r *runner) command(id int64, command *routing.Command) *protocol.Command {
	message := &protocol.Command{
		EntityId: r.ID,
		Id:       id,
		Name:     command.Method.Name,
		Payload:  command.Payload,
	}
	if r.entities.config.Metadata {
		message.Metadata = command.Metadata
	}
	return message
}
