package command

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol"
)

// An Environment is what runs around all commands of a service.
type Environment struct {
	// Unary runs around each unary handler; nil for none.
	Unary grpc.UnaryServerInterceptor
	// Stream runs around each streaming handler; nil for none.
	Stream grpc.StreamServerInterceptor
	// Targets are where forwards and side effects may go.
	Targets Targets
	// Proxy is how calls get to other services; nil if there is no way.
	Proxy grpc.ClientConnInterface
}

// NewContext returns the context of a command. The parent is what [Header.NewContext] has
// returned.
func (e *Environment) NewContext(parent context.Context, service, name string, metadata *protocol.Metadata) *Context {
	c := &Context{}
	e.InitContext(c, parent, service, name, metadata)
	return c
}

// InitContext makes c, which is empty, what NewContext returns.
func (e *Environment) InitContext(c *Context, parent context.Context, service, name string, metadata *protocol.Metadata) { //nolint:revive // c is what it is about
	c.Context = WithMetadata(parent, metadata)
	c.Service, c.Name, c.Proxy = service, name, e.Proxy
	c.Effects.Targets = e.Targets
	c.SetMetadata(metadata)
}

// A Runner carries out the commands of one activation, one at a time. It is not safe for
// concurrent use.
type Runner struct {
	texts    *Texts
	env      *Environment
	service  string
	methods  map[string]*Method
	entityID string
	ctx      context.Context //nolint:containedctx // the stream's, which lives as long
	header   Header
	decode   func(any) error // decodePayload, bound once instead of for each command

	// The command in progress.
	method  *Method
	payload *anypb.Any
	effects *Effects
}

// Init makes r the runner of an entity.
func (r *Runner) Init(stream context.Context, texts *Texts, env *Environment, service string, methods map[string]*Method, entityID string) {
	r.texts, r.env, r.service, r.methods, r.entityID = texts, env, service, methods, entityID
	r.ctx = r.header.NewContext(stream)
	r.decode = r.decodePayload
}

// EntityID returns the entity.
func (r *Runner) EntityID() string { return r.entityID }

// Check finds the method of a command, or what is wrong with the command (protocol section
// 3.3.3).
func (r *Runner) Check(c *protocol.Command) (*Method, *Fault) {
	if c.GetEntityId() != r.entityID {
		return nil, ProtocolFault(c.GetId(), r.texts.WrongEntity)
	}
	if c.GetPayload() == nil {
		return nil, ProtocolFault(c.GetId(), r.texts.NoPayload)
	}
	method := r.methods[c.GetName()]
	if method == nil {
		return nil, &Fault{CommandID: c.GetId(), Description: fmt.Sprintf("No command handler found for command [%s] on %s", c.GetName(), r.service)}
	}
	if err := method.CheckPayload(c.GetPayload()); err != nil {
		return nil, r.texts.Fault(c.GetId(), err)
	}
	return method, nil
}

// Call runs the handler of a command that was checked, and returns what it has returned.
// What it asked of other services is in the runner until the next call. A panic does not
// leave Call.
func (r *Runner) Call(instance any, method *Method, c *protocol.Command) (returned any, f *Fault, err error) {
	defer func() {
		r.payload = nil
		if p := recover(); p != nil {
			f = r.texts.Recovered(c.GetId(), p)
		}
		if effectErr := r.effects.End(); err == nil {
			err = effectErr
		}
	}()
	r.header.Reset(method.FullName)
	ctx := r.env.NewContext(r.ctx, r.service, method.Name, c.GetMetadata())
	ctx.EntityID = r.entityID
	r.method, r.payload, r.effects = method, c.GetPayload(), &ctx.Effects
	returned, err = method.Call(ctx, instance, r.decode, r.env.Unary)
	return returned, nil, err
}

// decodePayload is called by generated code. A request that does not decode is a mistake
// of the client, so it costs the entity nothing.
func (r *Runner) decodePayload(request any) error {
	if err := r.method.DecodePayload(r.payload, request); err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	return nil
}

// Answer makes out the answer to a command whose handler has returned without error, and
// returns the side effects that go with it.
func (r *Runner) Answer(commandID int64, returned any, out *Answer) ([]*protocol.SideEffect, *Fault) {
	forward, err := r.effects.TakeForward(returned)
	if err != nil {
		return nil, r.texts.Fault(0, err)
	}
	if forward != nil {
		out.SetForward(forward)
		return r.effects.TakeSideEffects(), nil
	}
	values, err := r.method.AppendReply(out.Values, returned)
	if errors.Is(err, ErrNoReply) {
		return nil, r.texts.Fault(0, err)
	}
	if err != nil {
		return nil, r.texts.Fault(commandID, err)
	}
	out.SetReply(r.method.ReplyURL, values, r.header.Metadata())
	return r.effects.TakeSideEffects(), nil
}
