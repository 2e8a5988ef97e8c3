package command

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/protocol"
)

// Effects are what a command asks of other services: at most one forward, and side
// effects. The zero value with Targets is ready for use.
//
// It is safe for concurrent use, because handlers that stream may use several goroutines.
type Effects struct {
	// Targets are where forwards and effects may go.
	Targets Targets
	// OnForward is called instead of keeping a forward, by handlers that stream.
	OnForward func(*protocol.Forward) error

	mu          sync.Mutex
	forward     *protocol.Forward
	placeholder any // what the generated client returns in place of the reply
	sideEffects []*protocol.SideEffect
	err         error // the first thing that could not be done
	ended       bool  // the handler has returned
}

// errBoth is for a handler that replies and forwards (protocol section 3.3.3).
var errBoth = errors.New("Both a reply was returned, and a forward message was sent, choose one or the other.") //nolint:revive,staticcheck // the text is the protocol's

// Forward records that the reply of another command takes the place of this one's. The
// generated client returns reply, which stays as it is.
func (e *Effects) Forward(ctx context.Context, fullMethod string, request, reply any) error {
	return e.forwardTo(ctx, fullMethod, request, reply, func(*Target) error { return nil })
}

// forwardTo is Forward to a target that check accepts.
func (e *Effects) forwardTo(ctx context.Context, fullMethod string, request, reply any, check func(*Target) error) error {
	target, payload, md, err := e.command(ctx, fullMethod, request)
	if err == nil {
		err = check(target)
	}
	if err != nil {
		return e.fail("forward", fullMethod, err)
	}
	forward := &protocol.Forward{ServiceName: target.Service, CommandName: target.Command, Payload: payload, Metadata: md}
	if e.OnForward != nil {
		return e.OnForward(forward)
	}
	if err := e.setForward(forward, reply); err != nil {
		return e.fail("forward", fullMethod, err)
	}
	return nil
}

func (e *Effects) setForward(forward *protocol.Forward, placeholder any) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.ended:
		return errEnded
	case e.forward != nil:
		return errors.New("the command was already forwarded; a command has one answer")
	}
	e.forward, e.placeholder = forward, placeholder
	return nil
}

// setPlaceholder sets what a generated client returns for a forward that was recorded before.
func (e *Effects) setPlaceholder(reply any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.forward != nil && e.placeholder == nil {
		e.placeholder = reply
	}
}

// SideEffect records that another command is to be carried out after this one.
func (e *Effects) SideEffect(ctx context.Context, fullMethod string, request any, synchronous bool) error {
	target, payload, md, err := e.command(ctx, fullMethod, request)
	if err != nil {
		return e.fail("side effect", fullMethod, err)
	}
	effect := &protocol.SideEffect{
		ServiceName: target.Service, CommandName: target.Command, Payload: payload, Synchronous: synchronous, Metadata: md,
	}
	if !e.addSideEffect(effect) {
		return e.fail("side effect", fullMethod, errEnded)
	}
	return nil
}

func (e *Effects) addSideEffect(effect *protocol.SideEffect) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.ended {
		e.sideEffects = append(e.sideEffects, effect)
	}
	return !e.ended
}

// errEnded is for what is asked when it can no longer be done.
var errEnded = errors.New("the command has ended; ask for it before the handler returns")

// End is called when the handler has returned: it can ask for nothing any more. It returns
// the first thing that could not be done, or nil.
func (e *Effects) End() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ended = true
	return e.err
}

// command returns what the protocol needs of a call by a generated client: where it goes,
// its payload and its metadata, which is nil if there is none.
func (e *Effects) command(ctx context.Context, fullMethod string, request any) (*Target, *anypb.Any, *protocol.Metadata, error) {
	target, err := e.Targets.find(fullMethod)
	if err != nil {
		return nil, nil, nil, err
	}
	message, ok := request.(proto.Message)
	if !ok || !message.ProtoReflect().IsValid() {
		return nil, nil, nil, fmt.Errorf("the request is %T, want a %s that is not nil", request, target.Input.FullName())
	}
	if got := message.ProtoReflect().Descriptor().FullName(); got != target.Input.FullName() {
		return nil, nil, nil, fmt.Errorf("the request is a %s, want a %s", got, target.Input.FullName())
	}
	value, err := proto.MarshalOptions{Deterministic: true}.Marshal(message)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("encode the request: %w", err)
	}
	md, _ := metadata.FromOutgoingContext(ctx)
	if err := checkMetadata(md); err != nil {
		return nil, nil, nil, err
	}
	return target, &anypb.Any{TypeUrl: target.InputURL, Value: value}, toMetadata(md), nil
}

// fail remembers that something could not be done, so that the command fails even if its
// handler ignores the error.
func (e *Effects) fail(what, fullMethod string, err error) error {
	err = status.Errorf(codes.Internal, "%s to %s: %v", what, fullMethod, err)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err == nil {
		e.err = err
	}
	return err
}

// Err returns the first thing that could not be done, or nil.
func (e *Effects) Err() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.err
}

// TakeSideEffects returns the side effects so far, and forgets them.
func (e *Effects) TakeSideEffects() []*protocol.SideEffect {
	e.mu.Lock()
	defer e.mu.Unlock()
	taken := e.sideEffects
	e.sideEffects = nil
	return taken
}

// TakeForward returns the forward that is the answer of a handler which has returned this,
// or nil if there is none. A handler that forwards may return what the generated client
// returned, or nothing, but no reply of its own.
func (e *Effects) TakeForward(returned any) (*protocol.Forward, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.forward == nil {
		return nil, nil //nolint:nilnil // there is no forward, which is no error
	}
	message, isMessage := returned.(proto.Message)
	if returned == nil || returned == e.placeholder || isMessage && !message.ProtoReflect().IsValid() {
		return e.forward, nil
	}
	return nil, errBoth
}
