package command

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
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
}

// errBoth is for a handler that replies and forwards (protocol section 3.3.3).
var errBoth = errors.New("Both a reply was returned, and a forward message was sent, choose one or the other.") //nolint:revive,staticcheck // the text is the protocol's

// Forward records that the reply of another command takes the place of this one's. The
// generated client returns reply, which stays as it is.
func (e *Effects) Forward(ctx context.Context, fullMethod string, request, reply any) error {
	target, payload, err := e.command(fullMethod, request)
	if err != nil {
		return e.fail("forward", fullMethod, err)
	}
	forward := &protocol.Forward{
		ServiceName: target.Service,
		CommandName: target.Command,
		Payload:     payload,
		Metadata:    outgoingMetadata(ctx),
	}
	if e.OnForward != nil {
		return e.OnForward(forward)
	}
	if !e.setForward(forward, reply) {
		return e.fail("forward", fullMethod, errors.New("the command was already forwarded; a command has one answer"))
	}
	return nil
}

func (e *Effects) setForward(forward *protocol.Forward, placeholder any) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.forward != nil {
		return false
	}
	e.forward, e.placeholder = forward, placeholder
	return true
}

// SideEffect records that another command is to be carried out after this one.
func (e *Effects) SideEffect(ctx context.Context, fullMethod string, request any, synchronous bool) error {
	target, payload, err := e.command(fullMethod, request)
	if err != nil {
		return e.fail("side effect", fullMethod, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sideEffects = append(e.sideEffects, &protocol.SideEffect{
		ServiceName: target.Service,
		CommandName: target.Command,
		Payload:     payload,
		Synchronous: synchronous,
		Metadata:    outgoingMetadata(ctx),
	})
	return nil
}

// command returns what the protocol needs of a call by a generated client.
func (e *Effects) command(fullMethod string, request any) (*Target, *anypb.Any, error) {
	target, err := e.Targets.find(fullMethod)
	if err != nil {
		return nil, nil, err
	}
	message, ok := request.(proto.Message)
	if !ok || !message.ProtoReflect().IsValid() {
		return nil, nil, fmt.Errorf("the request is %T, want a %s that is not nil", request, target.Input.FullName())
	}
	if got := message.ProtoReflect().Descriptor().FullName(); got != target.Input.FullName() {
		return nil, nil, fmt.Errorf("the request is a %s, want a %s", got, target.Input.FullName())
	}
	value, err := proto.MarshalOptions{Deterministic: true}.Marshal(message)
	if err != nil {
		return nil, nil, fmt.Errorf("encode the request: %w", err)
	}
	return target, &anypb.Any{TypeUrl: target.InputURL, Value: value}, nil
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

// TakeSideEffects returns the side effects so far, and forgets them.
func (e *Effects) TakeSideEffects() []*protocol.SideEffect {
	e.mu.Lock()
	defer e.mu.Unlock()
	taken := e.sideEffects
	e.sideEffects = nil
	return taken
}

// Err returns the first thing that could not be done, or nil.
func (e *Effects) Err() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.err
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

// outgoingMetadata returns what the handler added to its context for the other command, or
// nil.
func outgoingMetadata(ctx context.Context) *protocol.Metadata {
	md, _ := metadata.FromOutgoingContext(ctx)
	return toMetadata(md)
}

// toMetadata returns gRPC metadata as that of the protocol, sorted by key, and nil if
// there is none. Values of keys that end in "-bin" become bytes.
func toMetadata(md metadata.MD) *protocol.Metadata {
	if len(md) == 0 {
		return nil
	}
	m := &protocol.Metadata{}
	for _, key := range slices.Sorted(maps.Keys(md)) {
		for _, value := range md[key] {
			entry := &protocol.MetadataEntry{Key: key}
			if strings.HasSuffix(key, binarySuffix) {
				entry.Value = &protocol.MetadataEntry_BytesValue{BytesValue: []byte(value)}
			} else {
				entry.Value = &protocol.MetadataEntry_StringValue{StringValue: value}
			}
			m.Entries = append(m.Entries, entry)
		}
	}
	return m
}
