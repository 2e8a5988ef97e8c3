package eventing

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// SpecVersion is the version of the CloudEvents specification that events have.
const SpecVersion = "1.0"

// An Event is a CloudEvent: some data, and attributes that say what it is, by the names of
// the specification.
type Event struct { //nolint:recvcheck // it is a value, which Set and UnmarshalBinary fill in
	// ID tells the event from all others of its source.
	ID string
	// Source is where the event comes from. It is a URI reference.
	Source string
	// SpecVersion is the version of the CloudEvents specification: "1.0".
	SpecVersion string
	// Type says what has happened.
	Type string

	// DataContentType is the media type of the data; empty if it is unknown.
	DataContentType string
	// DataSchema is the URI of the schema of the data; may be empty.
	DataSchema string
	// Subject is what the event is about; may be empty.
	Subject string
	// Time is when the event happened; may be zero.
	Time time.Time
	// Extensions are further attributes by name, in lower case. Nil for none.
	Extensions map[string]string

	// Data is the event itself, in the format that DataContentType says.
	Data []byte
}

// Validate returns an error if an attribute is missing that tells the event from others:
// id, source or version. Unlike the specification it does not insist on a type, because the
// protocol does not give one to text (protocol section 9.4).
func (e Event) Validate() error {
	var missing []string
	for name, value := range map[string]string{"id": e.ID, "source": e.Source, "specversion": e.SpecVersion} {
		if value == "" {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		return fmt.Errorf("the event %q of type %q has no %s; set what is missing", e.ID, e.Type, strings.Join(missing, ", "))
	}
	return nil
}

// The names of attributes.
const (
	attributeID              = "id"
	attributeSource          = "source"
	attributeSpecVersion     = "specversion"
	attributeType            = "type"
	attributeDataContentType = "datacontenttype"
	attributeDataSchema      = "dataschema"
	attributeSubject         = "subject"
	attributeTime            = "time"
)

// core are the attributes that are no extensions.
var core = []string{
	attributeID, attributeSource, attributeSpecVersion, attributeType,
	attributeDataContentType, attributeDataSchema, attributeSubject, attributeTime,
}

// An Attribute is an attribute of an event as text.
type Attribute struct {
	Name, Value string
}

// Attributes returns the attributes as text, such as for the headers of a message: first
// id, source, specversion and type, which may be empty, then datacontenttype, dataschema,
// subject and time as far as they are there, and then the extensions by name.
func (e Event) Attributes() []Attribute {
	attributes := []Attribute{
		{attributeID, e.ID},
		{attributeSource, e.Source},
		{attributeSpecVersion, e.SpecVersion},
		{attributeType, e.Type},
	}
	add := func(name, value string) {
		if value != "" {
			attributes = append(attributes, Attribute{name, value})
		}
	}
	add(attributeDataContentType, e.DataContentType)
	add(attributeDataSchema, e.DataSchema)
	add(attributeSubject, e.Subject)
	if !e.Time.IsZero() {
		add(attributeTime, e.Time.Format(time.RFC3339Nano))
	}
	for _, name := range slices.Sorted(maps.Keys(e.Extensions)) {
		if !slices.Contains(core, name) { // that would be the attribute twice
			attributes = append(attributes, Attribute{name, e.Extensions[name]})
		}
	}
	return attributes
}

var errNoName = errors.New("an attribute has no name")

// Set sets an attribute by its name, in any case. It fails if the name is empty, or if the
// time is not in the format of RFC 3339.
func (e *Event) Set(name, value string) error {
	switch name = strings.ToLower(name); name {
	case "":
		return errNoName
	case attributeID:
		e.ID = value
	case attributeSource:
		e.Source = value
	case attributeSpecVersion:
		e.SpecVersion = value
	case attributeType:
		e.Type = value
	case attributeDataContentType:
		e.DataContentType = value
	case attributeDataSchema:
		e.DataSchema = value
	case attributeSubject:
		e.Subject = value
	case attributeTime:
		t, err := time.Parse(time.RFC3339, value)
		if err != nil {
			return fmt.Errorf("the attribute time of event %q: want a time in the format of RFC 3339, such as 2006-01-02T15:04:05Z: %w", e.ID, err)
		}
		e.Time = t
	default:
		e.extend(name, value)
	}
	return nil
}

func (e *Event) extend(name, value string) {
	if e.Extensions == nil {
		e.Extensions = map[string]string{}
	}
	e.Extensions[name] = value
}
