package testkit

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/internal/command"
	"github.com/cloudstate-go/cloudstate/protocol"
)

// A Call is what a command asks of another service: a forward, or a side effect.
type Call struct {
	// Method is the full name of the method, which generated code has as a constant, such as
	// pb.ShoppingCart_AddItem_FullMethodName.
	Method string
	// Request is what it is called with.
	Request proto.Message
	// Metadata goes with it. Keys are in lower case.
	Metadata metadata.MD
	// Synchronous is whether the client waits for a side effect.
	Synchronous bool
}

func newCall(service, name string, payload *anypb.Any, m *protocol.Metadata) Call {
	return Call{Method: "/" + service + "/" + name, Request: message(payload), Metadata: header(m)}
}

// header returns metadata of the protocol as gRPC has it, and nil if there is none.
func header(m *protocol.Metadata) metadata.MD {
	if len(m.GetEntries()) == 0 {
		return nil
	}
	return command.MD(m)
}

// message returns the message in an Any. If the program does not know it, it is the Any.
func message(payload *anypb.Any) proto.Message {
	if payload == nil {
		return nil
	}
	m, err := payload.UnmarshalNew()
	if err != nil {
		return proto.CloneOf(payload)
	}
	return m
}

// describe returns the call as text, such that two calls with the same text are the same.
func (c Call) describe() string {
	var b strings.Builder
	b.WriteString(c.Method)
	if c.Synchronous {
		b.WriteString(" (synchronous)")
	}
	for _, key := range slices.Sorted(maps.Keys(c.Metadata)) {
		fmt.Fprintf(&b, "\n%s: %q", key, c.Metadata[key])
	}
	request := nothing
	if c.Request != nil {
		request = describeMessage(c.Request)
	}
	return b.String() + "\n" + request
}

func describeCalls(calls []Call) []string {
	texts := make([]string, 0, len(calls))
	for _, c := range calls {
		texts = append(texts, c.describe())
	}
	return texts
}
