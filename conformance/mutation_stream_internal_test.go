package conformance

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
	"github.com/cloudstate-go/cloudstate/protocol/valueentitypb"
)

// onFailure changes the failures that end streams.
func onFailure(change func(failure *protocol.Failure)) mutation {
	return outEach(func(m proto.Message) {
		if failure := m.(answer).GetFailure(); failure != nil { //nolint:errcheck // all of them are answers
			change(failure)
		}
	})
}

// commandOf returns the command in a message to an entity, or nil.
func commandOf(m proto.Message) *protocol.Command {
	c, _ := m.(interface{ GetCommand() *protocol.Command })
	if c == nil {
		return nil
	}
	return c.GetCommand()
}

// An entityReply is a reply of any kind of entity.
type entityReply interface {
	GetClientAction() *protocol.ClientAction
	GetCommandId() int64
}

// replyOf returns the reply in a message of an entity, or nil.
func replyOf(m proto.Message) entityReply {
	switch m := m.(type) {
	case *eventsourcedpb.EventSourcedStreamOut:
		if r := m.GetReply(); r != nil {
			return r
		}
	case *valueentitypb.ValueEntityStreamOut:
		if r := m.GetReply(); r != nil {
			return r
		}
	case *crdtpb.CrdtStreamOut:
		if r := m.GetReply(); r != nil {
			return r
		}
	}
	return nil
}

var anotherID = onFailure(func(failure *protocol.Failure) { failure.CommandId++ })

// streamMutations are those of all kinds of entities.
var streamMutations = mutations{
	"P-022": {
		"a message after the half-close": endingWith(func(empty proto.Message) ([]proto.Message, error) {
			return []proto.Message{empty}, nil
		}),
		"an error at the end": endingWith(func(proto.Message) ([]proto.Message, error) {
			return nil, status.Error(codes.Canceled, "the stream was closed")
		}),
	},
	"P-025": {
		"a command without an init is ignored": mutation{open: func() fault {
			inited := false
			return fault{in: func(m proto.Message) []proto.Message {
				if commandOf(m) != nil && !inited {
					return nil
				}
				inited = true
				return []proto.Message{m}
			}}
		}},
		"another text":                onFailure(func(failure *protocol.Failure) { failure.Description = "something is wrong" }),
		"the stream ends in an error": endingWith(func(proto.Message) ([]proto.Message, error) { return nil, status.Error(codes.Aborted, "a failure") }),
	},
	"P-026": {"an id in the failure": anotherID},
	"P-027": {"an empty message is ignored": losing(func(m proto.Message) bool { return proto.Size(m) == 0 })},
	"P-028": {"another text": onFailure(func(failure *protocol.Failure) { failure.Description = "No such service" })},
	"P-029": {
		"another id": anotherID,
		"the id of the entity is not looked at": inEach(func(m proto.Message) {
			if c := commandOf(m); c != nil && c.GetId() == 7 {
				c.Id = 1
				c.Name = "NoSuchCommand"
			}
		}),
	},
	"P-030": {"no id in the failure": onFailure(func(failure *protocol.Failure) { failure.CommandId = 0 })},
	"P-031": {
		"no id in the failure": onFailure(func(failure *protocol.Failure) { failure.CommandId = 0 }),
		"the stream stays open": mutation{open: func() fault {
			return fault{ending: func(proto.Message, error) ([]proto.Message, error) { return nil, errNothing }}
		}},
	},
	"P-033": {
		"another command id": outEach(func(m proto.Message) {
			switch r := replyOf(m).(type) {
			case *eventsourcedpb.EventSourcedReply:
				r.CommandId++
			case *valueentitypb.ValueEntityReply:
				r.CommandId++
			case *crdtpb.CrdtReply:
				r.CommandId++
			}
		}),
		"empty metadata": outEach(func(m proto.Message) {
			if r := replyOf(m); r != nil {
				r.GetClientAction().GetReply().Metadata = &protocol.Metadata{}
			}
		}),
		"an empty snapshot": outEach(func(m proto.Message) {
			if r, ok := replyOf(m).(*eventsourcedpb.EventSourcedReply); ok {
				r.Snapshot = es.snapshot("")
			}
		}),
		"an empty state action": outEach(func(m proto.Message) {
			if r, ok := replyOf(m).(*crdtpb.CrdtReply); ok {
				r.StateAction = &crdtpb.CrdtStateAction{}
			}
		}),
	},
}

// errNothing stands for a stream that stays open.
var errNothing = status.Error(codes.DeadlineExceeded, "nothing came")
