// Package inspection shows what a store has, as JSON: one object a line.
package inspection

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/proxy"
	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// A Source is a store as far as it can be looked into.
type Source interface {
	store.Lister
	Load(ctx context.Context, key store.Key, fn func(store.Record) error) (store.Head, error)
	Get(ctx context.Context, key store.Key) (store.Value, error)
	Parts(ctx context.Context) iter.Seq2[store.Part, error]
	Descriptors(ctx context.Context) ([]byte, error)
	DeadLetters(ctx context.Context, after uint64, limit int) ([]store.DeadLetter, error)
}

// An Inspector looks into a store.
type Inspector struct {
	source  Source
	spec    *protocol.EntitySpec
	decoder *decoder
	output  *json.Encoder
}

// New returns an inspector that writes to output. Hint is called with what the user may want
// to know besides, each thing once.
func New(ctx context.Context, source Source, output io.Writer, hint func(string)) (*Inspector, error) {
	encoded, err := source.Descriptors(ctx)
	if err != nil {
		return nil, err
	}
	if encoded == nil {
		hint("The store has no descriptors, so messages cannot be shown: no proxy has kept any.")
	}
	i := &Inspector{source: source, spec: &protocol.EntitySpec{}, output: json.NewEncoder(lines{output})}
	i.output.SetEscapeHTML(false)
	if err := (proto.UnmarshalOptions{}).Unmarshal(encoded, i.spec); err != nil {
		return nil, fmt.Errorf("decode the descriptors in the store: %w", err)
	}
	told := map[string]bool{}
	i.decoder, err = newDecoder(i.spec, func(typeURL string, why error) {
		if !told[typeURL] {
			told[typeURL] = true
			hint(printable(fmt.Sprintf("%s is shown in base64: %v.", typeURL, why)))
		}
	})
	if err != nil { // what is stored may be needed all the more
		hint(printable(fmt.Sprintf("Messages are shown in base64: %v.", err)))
	}
	return i, nil
}

// printable replaces what a terminal might obey.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}

// Lines writes JSON, which may have anything in its strings: clients choose the ids of entities.
// What a terminal might obey is escaped, so that the JSON still has the same meaning.
type lines struct{ to io.Writer }

// Write writes whole lines.
func (l lines) Write(text []byte) (int, error) {
	var escaped []byte
	for _, r := range string(text) { // outside of strings, and below DEL, JSON is harmless
		switch {
		case r < '\x7f' || unicode.IsPrint(r):
			escaped = utf8.AppendRune(escaped, r)
		case r > '\uffff':
			high, low := utf16.EncodeRune(r)
			escaped = fmt.Appendf(escaped, `\u%04x\u%04x`, high, low)
		default:
			escaped = fmt.Appendf(escaped, `\u%04x`, r)
		}
	}
	if _, err := l.to.Write(escaped); err != nil {
		return 0, err
	}
	return len(text), nil
}

// A Range is a part of a list. The zero value is all of it.
type Range struct {
	// From is where it begins: with an id, or with the number of an event or a dead letter.
	From string
	// Limit is how many elements it has at most. Zero means that there is no limit.
	Limit int
}

// limit ends a sequence.
func limit[T any](all iter.Seq2[T, error], to Range) iter.Seq2[T, error] {
	if to.Limit == 0 {
		return all
	}
	return func(yield func(T, error) bool) {
		left := to.Limit
		for element, err := range all {
			left--
			if !yield(element, err) || left == 0 {
				return
			}
		}
	}
}

// Names of kinds.
const (
	eventSourced = "event sourced"
	valueEntity  = "value"
	crdtEntity   = "crdt"
)

// kinds are the kinds of the protocol, by entity type.
var kinds = map[string]string{
	"cloudstate.eventsourced.EventSourced": eventSourced,
	"cloudstate.valueentity.ValueEntity":   valueEntity,
	"cloudstate.crdt.Crdt":                 crdtEntity,
}

// typeLine is a line about a type of entities.
type typeLine struct {
	Type    string `json:"type"`
	Kind    string `json:"kind,omitempty"`
	Service string `json:"service,omitempty"`
}

// Types lists the types of entities that are in the store, which are persistence ids, with the
// services that they belong to.
func (i *Inspector) Types(ctx context.Context) error {
	types, err := i.types(ctx)
	if err != nil {
		return err
	}
	for _, typ := range types {
		lines := []typeLine{}
		for _, e := range i.spec.GetEntities() {
			persistenceID := e.GetPersistenceId()
			if persistenceID == "" {
				persistenceID = e.GetServiceName()
			}
			if kind := kinds[e.GetEntityType()]; kind != "" && persistenceID == typ {
				lines = append(lines, typeLine{Type: typ, Kind: kind, Service: e.GetServiceName()})
			}
		}
		if len(lines) == 0 {
			lines = append(lines, typeLine{Type: typ})
		}
		for _, line := range lines {
			if err := i.output.Encode(line); err != nil {
				return err
			}
		}
	}
	return nil
}

// types returns all types, sorted.
func (i *Inspector) types(ctx context.Context) ([]string, error) {
	types, err := i.source.Types(ctx)
	if err != nil {
		return nil, err
	}
	for part, err := range i.source.Parts(ctx) {
		if err != nil {
			return nil, err
		}
		if at, found := slices.BinarySearch(types, part.Key.Type); !found {
			types = slices.Insert(types, at, part.Key.Type)
		}
	}
	return types, nil
}

// known returns an error if there is nothing of a type.
func (i *Inspector) known(ctx context.Context, typ string) error {
	types, err := i.types(ctx)
	switch {
	case err != nil:
		return err
	case len(types) == 0:
		return fmt.Errorf("there is no type of entities %q: the store is empty", typ)
	case !slices.Contains(types, typ):
		return fmt.Errorf("there is no type of entities %q in the store, want one of: %s", typ, strings.Join(types, ", "))
	default:
		return nil
	}
}

// parts are those of the CRDTs of a type, or of one of them if the id is not empty.
func (i *Inspector) parts(ctx context.Context, of proxy.Replica) iter.Seq2[store.Part, error] {
	return func(yield func(store.Part, error) bool) {
		for part, err := range i.source.Parts(ctx) {
			if err == nil && (part.Key.Type != of.PersistenceID || of.ID != "" && part.Key.ID != of.ID) {
				continue
			}
			if !yield(part, err) {
				return
			}
		}
	}
}
