package conformance

import (
	"context"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/cloudstate-go/cloudstate/conformance/internal/relay"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
	"github.com/cloudstate-go/cloudstate/protocol/eventsourcedpb"
	"github.com/cloudstate-go/cloudstate/protocol/valueentitypb"
	"github.com/cloudstate-go/cloudstate/proxy"
)

// proxyDiscoveryMutations are those of discovery.
var proxyDiscoveryMutations = brokenProxies{
	"P-001": {
		"another version": eachSent(func(m proto.Message) {
			if info, ok := m.(*protocol.ProxyInfo); ok {
				info.ProtocolMinorVersion = 3
			}
		}),
		"a type is missing": eachSent(func(m proto.Message) {
			if info, ok := m.(*protocol.ProxyInfo); ok {
				info.SupportedEntityTypes = info.GetSupportedEntityTypes()[1:]
			}
		}),
	},
	"P-010": {
		"any version is accepted": {proxy: func(p *proxy.Proxy) { p.SkipVersionCheck = true }},
		"another text":            anotherReport,
		"nothing is reported":     unreported,
	},
	"P-011": {"the version is checked all the same": {proxy: func(p *proxy.Proxy) { p.SkipVersionCheck = false }}},
	"P-012": {"another text": anotherReport, "nothing is reported": unreported},
	"P-013": {"only files after their dependencies are accepted": eachTaken(func(m proto.Message) {
		if spec, ok := m.(*protocol.EntitySpec); ok && !inOrder(spec) {
			spec.Entities = nil
		}
	})},
	"P-014": {"another text": anotherReport, "nothing is reported": unreported},
	"P-015": {"another field is the key": anotherEntity("Keys")},
	"P-016": {
		"a user function that is late is reported": {handle: func(life context.Context, call *relay.Call, to grpc.ClientConnInterface) (bool, error) {
			if call.Method.Name() != "discover" {
				return false, nil
			}
			err := call.Relay(call.Context(), to, relay.Pass, relay.Pass)
			if err != nil {
				_, _ = protocol.NewEntityDiscoveryClient(to).ReportError(life, &protocol.UserFunctionError{Message: err.Error()})
			}
			return true, err
		}},
	},
	"P-017": {"ready from the beginning": {running: func(r *RunningProxy) {
		r.Ready = func(context.Context) error { return nil }
	}}},
}

// inOrder says whether each file comes after its dependencies.
func inOrder(spec *protocol.EntitySpec) bool {
	set := &descriptorpb.FileDescriptorSet{}
	if err := proto.Unmarshal(spec.GetProto(), set); err != nil {
		return false
	}
	known := map[string]bool{}
	for _, file := range set.GetFile() {
		for _, dependency := range file.GetDependency() {
			if !known[dependency] {
				return false
			}
		}
		known[file.GetName()] = true
	}
	return true
}

// anotherEntity changes the id in all messages for the entities of a service.
func anotherEntity(service string) proxyMutation {
	return eachSent(func(m proto.Message) {
		in, ok := m.(*eventsourcedpb.EventSourcedStreamIn)
		if !ok {
			return
		}
		if init := in.GetInit(); init != nil && protoreflect.FullName(init.GetServiceName()).Name() == protoreflect.Name(service) {
			init.EntityId += "x"
		}
	})
}

// proxyStreamMutations are those of streams of all kinds of entities.
var proxyStreamMutations = brokenProxies{
	"P-020": {
		"numbered from 0":       renumbered(func(id int64) int64 { return id - 1 }),
		"always 1":              renumbered(func(int64) int64 { return 1 }),
		"in steps of 2":         renumbered(func(id int64) int64 { return 2*id - 1 }),
		"without starting over": renumberedForever(),
	},
	"P-021": {
		"with metadata":      eachCommand(func(c *protocol.Command) { c.Metadata = &protocol.Metadata{} }),
		"with the full name": eachCommand(func(c *protocol.Command) { c.Name = "service." + c.GetName() }),
		"of another type":    eachCommand(func(c *protocol.Command) { c.Payload.TypeUrl = "type.googleapis.com/google.protobuf.Any" }),
		"streamed":           eachCommand(func(c *protocol.Command) { c.Streamed = true }),
	},
	"P-023": {
		"streams are not half-closed": unended,
	},
	"P-024": {
		"the stream is for another entity": anotherInit(),
	},
	"P-034": {"a command before the answer to another": repeated(func(m proto.Message) bool { return commandOf(m) != nil })},
}

// setReplyID sets the id of the command in a reply.
func setReplyID(m proto.Message, id int64) {
	switch m := m.(type) {
	case *eventsourcedpb.EventSourcedStreamOut:
		if m.GetReply() != nil {
			m.GetReply().CommandId = id
		}
	case *valueentitypb.ValueEntityStreamOut:
		if m.GetReply() != nil {
			m.GetReply().CommandId = id
		}
	case *crdtpb.CrdtStreamOut:
		if m.GetReply() != nil {
			m.GetReply().CommandId = id
		}
	}
}

// renumbered gives commands other ids, and the proxy the replies that it waits for.
func renumbered(number func(id int64) int64) proxyMutation {
	return proxyMutation{talk: func(proto.Message) lies {
		var last int64
		return lies{
			in: func(m proto.Message) []proto.Message {
				if c := commandOf(m); c != nil {
					last = c.GetId()
					c.Id = number(last)
				}
				return []proto.Message{m}
			},
			out: func(m proto.Message) []proto.Message {
				setReplyID(m, last)
				return []proto.Message{m}
			},
		}
	}}
}

// renumberedForever numbers the commands of all streams in a row.
func renumberedForever() proxyMutation {
	var mu sync.Mutex
	next := int64(0)
	return renumbered(func(int64) int64 {
		mu.Lock()
		defer mu.Unlock()
		next++
		return next
	})
}

// eachCommand changes each command to an entity.
func eachCommand(change func(c *protocol.Command)) proxyMutation {
	return eachSent(func(m proto.Message) {
		if c := commandOf(m); c != nil {
			change(c)
		}
	})
}

// repeated sends messages twice.
func repeated(which func(m proto.Message) bool) proxyMutation {
	return instead(func(m proto.Message) []proto.Message {
		if m != nil && which(m) {
			return []proto.Message{m, m}
		}
		return []proto.Message{m}
	})
}

// anotherInit lets streams begin with the init message of another entity.
func anotherInit() proxyMutation {
	return eachSent(func(m proto.Message) {
		switch m := m.(type) {
		case *eventsourcedpb.EventSourcedStreamIn:
			if m.GetInit() != nil {
				m.GetInit().EntityId += "x"
			}
		case *valueentitypb.ValueEntityStreamIn:
			if m.GetInit() != nil {
				m.GetInit().EntityId += "x"
			}
		case *crdtpb.CrdtStreamIn:
			if m.GetInit() != nil {
				m.GetInit().EntityId += "x"
			}
		}
	})
}
