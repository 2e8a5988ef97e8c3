package entity

import (
	"fmt"
	"strings"
	"time"
)

// The metadata keys of CloudEvent attributes (protocol section 6.3).
const (
	keySpecVersion     = "ce-specversion"
	keyID              = "ce-id"
	keySource          = "ce-source"
	keyType            = "ce-type"
	keyDataContentType = "Content-Type"
	keyDataSchema      = "ce-dataschema"
	keySubject         = "ce-subject"
	keyTime            = "ce-time"
)

// A CloudEvent has the attributes of an event that a command delivers, by the names of the
// CloudEvents specification.
type CloudEvent struct {
	// SpecVersion, ID, Source and Type are never absent. Of an event from the journal of an
	// entity, Source is the persistence id and Type the type URL of the event.
	SpecVersion, ID, Source, Type string

	// DataContentType is the media type of the payload; "" if it is absent.
	DataContentType string
	// DataSchema is the URI of the schema of the payload; "" if it is absent.
	DataSchema string
	// Subject is what the event is about; "" if it is absent. Of an event from the journal
	// of an entity it is the entity id.
	Subject string
	// Time is when the event happened; the zero time if it is absent.
	Time time.Time
}

// CloudEvent returns the attributes of the event that m describes. It fails if one of the
// four required attributes is missing, which means that m describes no event, or if the
// time is not in the format of RFC 3339.
func (m Metadata) CloudEvent() (CloudEvent, error) {
	e := CloudEvent{
		SpecVersion:     m.Get(keySpecVersion),
		ID:              m.Get(keyID),
		Source:          m.Get(keySource),
		Type:            m.Get(keyType),
		DataContentType: m.Get(keyDataContentType),
		DataSchema:      m.Get(keyDataSchema),
		Subject:         m.Get(keySubject),
	}
	var missing []string
	for _, key := range []string{keySpecVersion, keyID, keySource, keyType} {
		if len(m.GetAll(key)) == 0 {
			missing = append(missing, key)
		}
	}
	if len(missing) > 0 {
		return CloudEvent{}, fmt.Errorf("the metadata is not that of a CloudEvent: it has no %s", strings.Join(missing, ", "))
	}
	if m.Has(keyTime) {
		t, err := time.Parse(time.RFC3339, m.Get(keyTime))
		if err != nil {
			return CloudEvent{}, fmt.Errorf("the attribute %s of the CloudEvent: %w", keyTime, err)
		}
		e.Time = t
	}
	return e, nil
}
