package testkit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// A goldenFile is what a version of some components has stored, and how they show it.
type goldenFile struct {
	Entities []*goldenEntity `json:"entities"`
	Replies  []*goldenReply  `json:"replies"`
}

// A goldenEntity is what is stored of an entity: events, with or without a snapshot after the
// last one, or a state, or a CRDT.
type goldenEntity struct {
	PersistenceID string          `json:"persistenceId"`
	ID            string          `json:"id"`
	Events        []*goldenStored `json:"events,omitempty"`
	Snapshot      *goldenStored   `json:"snapshot,omitempty"`
	State         *goldenStored   `json:"state,omitempty"`
	CRDT          *goldenStored   `json:"crdt,omitempty"`
}

// A goldenStored is a value as it is stored. The bytes count; the rest is for readers.
type goldenStored struct {
	Type  string          `json:"type"`
	Shows json.RawMessage `json:"shows,omitempty"`
	Bytes []byte          `json:"bytes"`
}

// A goldenReply is a command and what its client gets.
type goldenReply struct {
	Method  string          `json:"method"`
	Request json.RawMessage `json:"request"`
	Reply   json.RawMessage `json:"reply,omitempty"`
	Failure string          `json:"failure,omitempty"`
}

func readGolden(name string) (*goldenFile, error) {
	data, err := os.ReadFile(name) //nolint:gosec // a test names it
	if err != nil {
		return nil, err
	}
	file := &goldenFile{}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(file); err != nil {
		return nil, fmt.Errorf("it is no golden file: %w", err)
	}
	if len(file.Entities) == 0 || len(file.Replies) == 0 {
		return nil, errors.New("it is no golden file: it has no entities, or no replies")
	}
	return file, nil
}

func (f *goldenFile) write(name string) error {
	data, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
		return err
	}
	return os.WriteFile(name, append(data, '\n'), 0o600)
}

// storesAs reports whether two files have stored the same.
func (f *goldenFile) storesAs(other *goldenFile) bool {
	return f.stores((*goldenStored).bytes) == other.stores((*goldenStored).bytes)
}

// storesLike reports whether two files have stored values of the same types.
func (f *goldenFile) storesLike(other *goldenFile) bool {
	return f.stores((*goldenStored).typ) == other.stores((*goldenStored).typ)
}

// stores returns what is stored as text.
func (f *goldenFile) stores(how func(*goldenStored) string) string {
	var b strings.Builder
	for _, e := range f.Entities {
		fmt.Fprintf(&b, "%s\n", e.PersistenceID)
		for _, s := range slices.Concat(e.Events, []*goldenStored{e.Snapshot, e.State, e.CRDT}) {
			fmt.Fprintf(&b, "%s\n", how(s))
		}
	}
	return b.String()
}

func (s *goldenStored) bytes() string {
	if s == nil {
		return nothing
	}
	return fmt.Sprintf("%s %x", s.Type, s.Bytes)
}

func (s *goldenStored) typ() string {
	if s == nil {
		return nothing
	}
	return s.Type
}

// newGoldenStored returns a stored value for a file; nil for nil.
func newGoldenStored(stored *anypb.Any) (*goldenStored, error) {
	if stored == nil {
		return nil, nil //nolint:nilnil // as documented
	}
	shows, err := show(stored)
	if err != nil {
		return nil, err
	}
	return &goldenStored{Type: stored.GetTypeUrl(), Bytes: stored.GetValue(), Shows: shows}, nil
}

// show returns a stored value as JSON.
func show(stored *anypb.Any) (json.RawMessage, error) {
	if m, err := stored.UnmarshalNew(); err == nil {
		if text, err := protojson.Marshal(m); err == nil {
			return text, nil
		}
	}
	text, err := describeStored(stored)
	if err != nil {
		return nil, fmt.Errorf("what is stored cannot be decoded: %w", err)
	}
	if document, ok := strings.CutPrefix(text, "JSON "); ok {
		return json.RawMessage(document), nil
	}
	return json.Marshal(oneSpace(text))
}

// oneSpace takes out spaces that the text format of protobuf has at random.
func oneSpace(text string) string { return strings.ReplaceAll(text, ":  ", ": ") }

func (s *goldenStored) any() *anypb.Any {
	return &anypb.Any{TypeUrl: s.Type, Value: s.Bytes}
}

// text returns a reply as text that is the same for equal replies.
func (r *goldenReply) text() string {
	var reply bytes.Buffer
	if err := json.Indent(&reply, r.Reply, "", "  "); err != nil {
		reply.Reset()
		reply.Write(r.Reply)
	}
	request, err := compact(r.Request)
	if err != nil {
		request = r.Request
	}
	return fmt.Sprintf("%s %s\n%s%s", r.Method, request, reply.String(), r.Failure)
}

// compact removes the spaces between the tokens of JSON.
func compact(document []byte) ([]byte, error) {
	var b bytes.Buffer
	err := json.Compact(&b, document)
	return b.Bytes(), err
}

// jsonOf returns a message as JSON, with its fields in the order of the .proto file.
func jsonOf(m proto.Message) (json.RawMessage, error) {
	text, err := protojson.Marshal(m)
	if err != nil {
		return nil, err
	}
	return compact(text) // protojson has spaces at random
}
