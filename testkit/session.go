package testkit

import (
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/internal/component"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// entitySession is what the sessions of all kinds have in common.
type entitySession struct {
	kit     *Kit
	link    *link
	probe   *component.Probe
	service string
	key     store.Key
	place   string                 // for messages
	typ     *component.Declaration // nil for a service that is not the kit's
}

func newEntitySession(l *link, probe *component.Probe) entitySession {
	return entitySession{kit: l.kit, link: l, probe: probe}
}

// init takes the init message of a stream.
func (s *entitySession) init(entityType, service, id string) {
	s.service, s.key.ID = service, id
	for persistenceID, declarations := range s.kit.entities {
		for _, d := range declarations {
			if d.Service.ServiceName == service && d.Kind.EntityType == entityType {
				s.key.Type, s.typ = persistenceID, d
			}
		}
	}
	s.place = s.key.String()
	s.kit.activated(s.link, s.key)
	s.probe.Encoded = func(value, decoded any, err error) {
		if err != nil {
			s.violatedf(LawPayload, "a %T was encoded, but does not decode: %v. What is stored now can never be read again", value, err)
			return
		}
		if d := diff(value, decoded); d != nil {
			s.violatedf(LawPayload, "a %T was encoded, but decodes to something else: %s was %s, and is %s then. "+
				"It is lost whenever it is read. %s", value, orTheValue(d.path), d.left, d.right, payloadHint(value))
		}
	}
	s.probe.Misused = func(text string) { s.violatedf(LawBase, "%s", text) }
}

// orTheValue names a part of a value, or the value if it has none.
func orTheValue(path string) string {
	if path == "" {
		return "the value"
	}
	return path
}

func payloadHint(value any) string {
	if _, ok := value.(proto.Message); ok {
		return "Protobuf stores the fields of the .proto file only."
	}
	return "JSON stores exported fields only; export it, or implement json.Marshaler and json.Unmarshaler."
}

func (s *entitySession) violatedf(law Law, format string, args ...any) {
	s.kit.tb.Helper()
	s.kit.violated(violation{law: law, place: s.place, found: fmt.Sprintf(format, args...)})
}

// ended implements session.
func (s *entitySession) ended() {}

// begin returns the outcome of a command, of which nothing is known yet.
func (s *entitySession) begin(c *protocol.Command) *Outcome {
	return &Outcome{
		Method:   "/" + s.service + "/" + c.GetName(),
		EntityID: s.key.ID,
		Request:  message(c.GetPayload()),
		Metadata: header(c.GetMetadata()),
		tb:       s.kit.tb,
		place:    s.place + ": " + c.GetName(),
	}
}

// fault adds the outcome of a command that cost its entity its place in memory, if there is one.
func (s *entitySession) fault(o *Outcome, failure *protocol.Failure) {
	if o != nil {
		o.Fault = failure.GetDescription()
		s.kit.outcomes.add(o)
	}
}

func cloneAll(list []*anypb.Any) []*anypb.Any {
	clones := make([]*anypb.Any, 0, len(list))
	for _, a := range list {
		clones = append(clones, proto.CloneOf(a))
	}
	return clones
}
