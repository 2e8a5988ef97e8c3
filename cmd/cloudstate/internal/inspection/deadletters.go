package inspection

import (
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"time"

	"github.com/cloudstate-go/cloudstate/proxy/eventing"
	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// letterLine is a line about a dead letter.
type letterLine struct {
	letter
	*payload
}

// A letter is an event that its consumer has given up, without its content.
type letter struct {
	ID         uint64            `json:"deadLetter"`
	Time       time.Time         `json:"time"`
	Service    string            `json:"service"`
	Group      string            `json:"group"`
	SourceKind store.SourceKind  `json:"from"`
	Source     string            `json:"source"`
	Attempts   int               `json:"attempts"`
	Reason     string            `json:"reason"`
	Event      map[string]string `json:"event"` // the attributes
}

// DeadLetters lists the events that consumers have given up. The range begins with a number.
func (i *Inspector) DeadLetters(ctx context.Context, part Range) error {
	after := uint64(0)
	if part.From != "" {
		from, err := strconv.ParseUint(part.From, 10, 64)
		if err != nil {
			return fmt.Errorf("%q is not the number of a dead letter", part.From)
		}
		after = max(from, 1) - 1
	}
	for written := 0; ; {
		page := 100
		if part.Limit > 0 {
			page = min(page, part.Limit-written)
		}
		if page == 0 {
			return nil
		}
		letters, err := i.source.DeadLetters(ctx, after, page)
		if err != nil || len(letters) == 0 {
			return err
		}
		for _, stored := range letters {
			line, err := i.letter(stored)
			if err != nil {
				return fmt.Errorf("dead letter %d: %w", stored.ID, err)
			}
			if err := i.output.Encode(line); err != nil {
				return err
			}
			after = stored.ID
			written++
		}
	}
}

func (i *Inspector) letter(stored store.DeadLetter) (letterLine, error) {
	var event eventing.Event
	if err := event.UnmarshalBinary(stored.Event); err != nil {
		return letterLine{}, err
	}
	line := letterLine{letter: letter{
		ID: stored.ID, Time: stored.Time.UTC(),
		Service: stored.Consumer.Service, Group: stored.Consumer.Group, SourceKind: stored.Consumer.Kind, Source: stored.Consumer.Source,
		Attempts: stored.Attempts, Reason: stored.Reason,
		Event: map[string]string{},
	}}
	for _, attribute := range event.Attributes() {
		line.Event[attribute.Name] = attribute.Value
	}
	content, err := event.Payload()
	if err != nil { // a method could not have it either
		i.decoder.unknown(event.Type, err)
		line.payload = &payload{TypeURL: event.Type, Base64: base64.StdEncoding.EncodeToString(event.Data)}
		return line, nil
	}
	shown := i.decoder.payload(content)
	line.payload = &shown
	return line, nil
}
