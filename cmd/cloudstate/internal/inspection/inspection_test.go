package inspection_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate"
	"github.com/cloudstate-go/cloudstate/cmd/cloudstate/internal/inspection"
	"github.com/cloudstate-go/cloudstate/entity"
	"github.com/cloudstate-go/cloudstate/examples/presence"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/cart"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/domain"
	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
	"github.com/cloudstate-go/cloudstate/proxy"
	"github.com/cloudstate-go/cloudstate/proxy/eventing"
	"github.com/cloudstate-go/cloudstate/proxy/store"
	"github.com/cloudstate-go/cloudstate/proxy/store/memory"
)

var update = flag.Bool("update", false, "write the golden files")

// packed returns a value as it is stored.
func packed[T any](t *testing.T, value T, options ...entity.CodecOption) *anypb.Any {
	t.Helper()
	codec, err := entity.NewCodec[T](options...)
	require.NoError(t, err)
	encoded, err := codec.Encode(value)
	require.NoError(t, err)
	return encoded
}

func encode(t *testing.T, value *anypb.Any) []byte {
	t.Helper()
	data, err := proto.Marshal(value)
	require.NoError(t, err)
	return data
}

// A shop is a store with something of everything, written by a proxy where nobody else can.
type shop struct {
	*memory.Store

	t *testing.T
}

// open opens a shop, in a bubble. Its proxy has stopped.
func open(t *testing.T) *shop {
	t.Helper()
	s := &shop{Store: memory.New(), t: t}
	s.serve(func(p *proxy.Proxy) {
		for id, delta := range deltas(t) {
			require.NoError(t, p.ChangeReplica(proxy.Replica{PersistenceID: "Presence", ID: id}, delta))
		}
	})
	added := func(product string, quantity int32) *anypb.Any {
		return packed(t, &domain.ItemAdded{Item: &domain.LineItem{ProductId: product, Name: "<" + product + ">", Quantity: quantity}})
	}
	s.append("jo", nil, added("shirt", 2), added("hat", 1))
	s.append("jo", packed(t, &domain.Cart{Items: []*domain.LineItem{{ProductId: "shirt", Quantity: 2}}}), packed(t, &domain.ItemRemoved{ProductId: "hat"}))
	s.append("jo", nil, added("coat", 1))
	s.append("di", nil,
		&anypb.Any{TypeUrl: "type.googleapis.com/com.example.Forgotten", Value: []byte("\x08\x01")},
		&anypb.Any{TypeUrl: "type.googleapis.com/com.example.Forgotten", Value: []byte("\x08\x02")},
		&anypb.Any{TypeUrl: "type.googleapis.com/com.example.shoppingcart.persistence.ItemAdded", Value: []byte("\xff")},
		packed(t, "a text"), packed(t, []byte{0, 255}), packed(t, int32(-3)), packed(t, int64(1)<<60), packed(t, float32(0.5)), packed(t, 0.1), packed(t, true),
		packed(t, map[string]any{"b": 1, "a": []string{"<>"}}, entity.JSON("notes")),
		&anypb.Any{TypeUrl: "p.cloudstate.io/int128", Value: []byte("\x08\x01")},
		&anypb.Any{TypeUrl: "json.cloudstate.io/broken", Value: []byte("\x0a\x01{")},
	)
	s.bury("shopping-cart", packed(t, &domain.ItemRemoved{ProductId: "hat"}))
	s.bury("audit", packed(t, "a text"))
	letter := s.bury("audit", &anypb.Any{TypeUrl: "type.googleapis.com/com.example.Forgotten", Value: []byte("\x08\x01")})
	require.Equal(t, uint64(3), letter)
	version := s.put("account", "jo", 0, packed(t, &domain.LineItem{ProductId: "coat"}))
	s.put("account", "jo", version, packed(t, &domain.LineItem{ProductId: "hat"}))
	version = s.put("account", "di", 0, packed(t, "soon deleted"))
	_, err := s.Delete(t.Context(), store.Write{Key: store.Key{Type: "account", ID: "di"}, Expected: version, OpID: store.OpID(uuid.New())})
	require.NoError(t, err)
	return s
}

// serve runs a proxy on the store, in front of a service with several kinds.
func (s *shop) serve(use func(p *proxy.Proxy)) {
	s.t.Helper()
	service := &cloudstate.Service{Components: []cloudstate.Component{cart.Entity, presence.Entity}, Logger: slog.New(slog.DiscardHandler)}
	p := &proxy.Proxy{UserFunction: proxy.Embed(service), Replicas: s, Descriptors: s, Logger: slog.New(slog.DiscardHandler)}
	ctx, stop := context.WithCancel(s.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Serve(ctx, bufconn.Listen(1<<20)) }()
	<-p.Ready()
	use(p)
	stop()
	require.NoError(s.t, <-ended)
}

func (s *shop) append(id string, snapshot *anypb.Any, events ...*anypb.Any) {
	s.t.Helper()
	<-time.After(time.Hour)
	key := store.Key{Type: "shopping-cart", ID: id}
	head, err := s.Load(s.t.Context(), key, func(store.Record) error { return nil })
	require.NoError(s.t, err)
	a := store.Append{Key: key, Expected: head, OpID: store.OpID(uuid.New())}
	if snapshot != nil {
		a.Snapshot = encode(s.t, snapshot)
	}
	for _, event := range events {
		a.Events = append(a.Events, encode(s.t, event))
	}
	_, err = s.Append(s.t.Context(), a)
	require.NoError(s.t, err)
}

// bury adds an event to the dead letters, and returns its number.
func (s *shop) bury(subject string, payload *anypb.Any) uint64 {
	s.t.Helper()
	<-time.After(time.Hour)
	event := eventing.Event{ID: "1", Source: "shop", SpecVersion: eventing.SpecVersion, Subject: subject, Time: time.Now().UTC()}
	require.NoError(s.t, event.SetPayload(payload))
	encoded, err := event.MarshalBinary()
	require.NoError(s.t, err)
	id, err := s.AddDeadLetter(s.t.Context(), store.DeadLetter{
		Consumer: store.Consumer{Kind: store.TopicSource, Source: "shop", Service: "com.example.Audit", Group: "auditors"},
		Event:    encoded, Attempts: 10, Reason: "no", Time: time.Now(),
	})
	require.NoError(s.t, err)
	return id
}

func (s *shop) put(typ, id string, expected store.Version, value *anypb.Any) store.Version {
	s.t.Helper()
	<-time.After(time.Hour)
	version, err := s.Put(s.t.Context(), store.Write{Key: store.Key{Type: typ, ID: id}, Expected: expected, OpID: store.OpID(uuid.New())}, encode(s.t, value))
	require.NoError(s.t, err)
	return version
}

// deltas make a CRDT of each type, by id.
func deltas(t *testing.T) map[string]*crdtpb.CrdtDelta {
	t.Helper()
	counter := &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Gcounter{Gcounter: &crdtpb.GCounterDelta{Increment: 7}}}
	texts := []*anypb.Any{packed(t, "b"), packed(t, "a"), packed(t, int32(1))}
	return map[string]*crdtpb.CrdtDelta{
		"gcounter":  counter,
		"pncounter": {Delta: &crdtpb.CrdtDelta_Pncounter{Pncounter: &crdtpb.PNCounterDelta{Change: -3}}},
		"gset":      {Delta: &crdtpb.CrdtDelta_Gset{Gset: &crdtpb.GSetDelta{Added: texts}}},
		"orset":     {Delta: &crdtpb.CrdtDelta_Orset{Orset: &crdtpb.ORSetDelta{Added: texts}}},
		"flag":      {Delta: &crdtpb.CrdtDelta_Flag{Flag: &crdtpb.FlagDelta{Value: true}}},
		"register": {Delta: &crdtpb.CrdtDelta_Lwwregister{Lwwregister: &crdtpb.LWWRegisterDelta{
			Value: packed(t, &domain.LineItem{ProductId: "coat"}),
		}}},
		"map": {Delta: &crdtpb.CrdtDelta_Ormap{Ormap: &crdtpb.ORMapDelta{Added: []*crdtpb.ORMapEntryDelta{
			{Key: packed(t, "y"), Delta: counter}, {Key: packed(t, "x"), Delta: counter},
		}}}},
		"vote": {Delta: &crdtpb.CrdtDelta_Vote{Vote: &crdtpb.VoteDelta{SelfVote: true}}},
	}
}

// look returns what an inspector writes, and its hints.
func look(t *testing.T, source inspection.Source, at func(*inspection.Inspector) error) (string, string, error) {
	t.Helper()
	var output, hints bytes.Buffer
	inspector, err := inspection.New(t.Context(), source, &output, func(hint string) { hints.WriteString(hint + "\n") })
	if err == nil {
		err = at(inspector)
	}
	return output.String(), hints.String(), err
}

func TestInspector_ShowsAStore(t *testing.T) {
	t.Parallel()
	tests := map[string]func(context.Context, *inspection.Inspector) error{
		"types": func(ctx context.Context, i *inspection.Inspector) error { return i.Types(ctx) },
		"journals": func(ctx context.Context, i *inspection.Inspector) error {
			return i.Entities(ctx, "shopping-cart", inspection.Range{})
		},
		"journals from jo": func(ctx context.Context, i *inspection.Inspector) error {
			return i.Entities(ctx, "shopping-cart", inspection.Range{From: "jo"})
		},
		"one journal": func(ctx context.Context, i *inspection.Inspector) error {
			return i.Entities(ctx, "shopping-cart", inspection.Range{Limit: 1})
		},
		"values": func(ctx context.Context, i *inspection.Inspector) error {
			return i.Entities(ctx, "account", inspection.Range{})
		},
		"crdts": func(ctx context.Context, i *inspection.Inspector) error {
			return i.Entities(ctx, "Presence", inspection.Range{})
		},
		"two crdts from gset": func(ctx context.Context, i *inspection.Inspector) error {
			return i.Entities(ctx, "Presence", inspection.Range{From: "gset", Limit: 2})
		},
		"journal": func(ctx context.Context, i *inspection.Inspector) error {
			return i.Entity(ctx, "shopping-cart", "jo", inspection.Range{})
		},
		"journal from the snapshot": func(ctx context.Context, i *inspection.Inspector) error {
			return i.Entity(ctx, "shopping-cart", "jo", inspection.Range{From: "3", Limit: 1})
		},
		"journal after the snapshot": func(ctx context.Context, i *inspection.Inspector) error {
			return i.Entity(ctx, "shopping-cart", "jo", inspection.Range{From: "4"})
		},
		"journal with all types": func(ctx context.Context, i *inspection.Inspector) error {
			return i.Entity(ctx, "shopping-cart", "di", inspection.Range{})
		},
		"dead letters": func(ctx context.Context, i *inspection.Inspector) error {
			return i.DeadLetters(ctx, inspection.Range{})
		},
		"one dead letter from the second": func(ctx context.Context, i *inspection.Inspector) error {
			return i.DeadLetters(ctx, inspection.Range{From: "2", Limit: 1})
		},
		"value": func(ctx context.Context, i *inspection.Inspector) error {
			return i.Entity(ctx, "account", "jo", inspection.Range{})
		},
		"deleted value": func(ctx context.Context, i *inspection.Inspector) error {
			return i.Entity(ctx, "account", "di", inspection.Range{})
		},
		"crdt": func(ctx context.Context, i *inspection.Inspector) error {
			for _, id := range []string{"gcounter", "pncounter", "gset", "orset", "register", "flag", "map", "vote"} {
				if err := i.Entity(ctx, "Presence", id, inspection.Range{}); err != nil {
					return err
				}
			}
			return nil
		},
	}
	for name, at := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				output, hints, err := look(t, open(t), func(i *inspection.Inspector) error { return at(t.Context(), i) })
				require.NoError(t, err)
				if hints != "" {
					output += "\nhints:\n" + hints
				}
				golden := filepath.Join("testdata", strings.ReplaceAll(name, " ", "-")+".golden")
				if *update {
					require.NoError(t, os.WriteFile(golden, []byte(output), 0o600))
				}
				want, err := os.ReadFile(golden)
				require.NoError(t, err)
				require.Equal(t, string(want), output)
			})
		})
	}
}

func TestInspector_SaysWhatIsNotThere(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		at   func(context.Context, *inspection.Inspector) error
		want string
	}{
		"a type": {func(ctx context.Context, i *inspection.Inspector) error {
			return i.Entities(ctx, "cart", inspection.Range{})
		}, `there is no type of entities "cart" in the store, want one of: Presence, account, shopping-cart`},
		"the type of an entity": {func(ctx context.Context, i *inspection.Inspector) error {
			return i.Entity(ctx, "cart", "jo", inspection.Range{})
		}, `there is no type of entities "cart" in the store`},
		"an entity": {func(ctx context.Context, i *inspection.Inspector) error {
			return i.Entity(ctx, "shopping-cart", "jim", inspection.Range{})
		}, `there is no entity "jim" of type "shopping-cart"`},
		"a number of a dead letter": {func(ctx context.Context, i *inspection.Inspector) error {
			return i.DeadLetters(ctx, inspection.Range{From: "x"})
		}, `"x" is not the number of a dead letter`},
		"a number of an event": {func(ctx context.Context, i *inspection.Inspector) error {
			return i.Entity(ctx, "shopping-cart", "jo", inspection.Range{From: "x"})
		}, `"x" is not the number of an event`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				output, _, err := look(t, open(t), func(i *inspection.Inspector) error { return tt.at(t.Context(), i) })
				require.ErrorContains(t, err, tt.want)
				require.Empty(t, output)
			})
		})
	}
}

func TestInspector_HintsAtMissingDescriptors(t *testing.T) {
	t.Parallel()
	output, hints, err := look(t, memory.New(), func(i *inspection.Inspector) error { return i.Types(t.Context()) })
	require.NoError(t, err)
	require.Empty(t, output)
	require.Contains(t, hints, "has no descriptors")
	_, _, err = look(t, memory.New(), func(i *inspection.Inspector) error { return i.Entities(t.Context(), "cart", inspection.Range{}) })
	require.ErrorContains(t, err, "the store is empty")
}

// damaged is a store that has nonsense.
type damaged struct {
	*memory.Store

	descriptors []byte
	part        []byte
	none        bool // there are no parts
}

func (d damaged) Descriptors(context.Context) ([]byte, error) { return d.descriptors, nil }

func (d damaged) Parts(context.Context) iter.Seq2[store.Part, error] {
	return func(yield func(store.Part, error) bool) {
		if d.none {
			return
		}
		if d.part == nil {
			yield(store.Part{}, errors.New("the disk is gone"))
			return
		}
		yield(store.Part{Key: store.Key{Type: "Presence", ID: "jo"}, Data: d.part}, nil)
	}
}

func TestInspector_SaysWhatIsDamaged(t *testing.T) {
	t.Parallel()
	types := func(i *inspection.Inspector) error { return i.Types(t.Context()) }
	_, _, err := look(t, damaged{Store: memory.New(), descriptors: []byte("x")}, types)
	require.ErrorContains(t, err, "decode the descriptors in the store")
	_, _, err = look(t, damaged{Store: memory.New()}, types)
	require.ErrorContains(t, err, "the disk is gone")
	entities := func(i *inspection.Inspector) error { return i.Entities(t.Context(), "Presence", inspection.Range{}) }
	_, _, err = look(t, damaged{Store: memory.New(), part: []byte("x")}, entities)
	require.ErrorContains(t, err, `Presence "jo"`)

	s := &shop{Store: memory.New(), t: t}
	_, err = s.Append(t.Context(), store.Append{Key: store.Key{Type: "cart", ID: "jo"}, Events: [][]byte{[]byte("x")}, OpID: store.OpID(uuid.New())})
	require.NoError(t, err)
	_, _, err = look(t, s, func(i *inspection.Inspector) error { return i.Entity(t.Context(), "cart", "jo", inspection.Range{}) })
	require.ErrorContains(t, err, `event 1 of cart "jo": it is not an encoded google.protobuf.Any`)
}

// Descriptors that are of no use cost only the JSON of messages. What a hint repeats cannot
// control a terminal.
func TestInspector_LivesWithoutDescriptors(t *testing.T) {
	t.Parallel()
	entity := func(i *inspection.Inspector) error { return i.Entity(t.Context(), "cart", "jo", inspection.Range{}) }
	file := &descriptorpb.FileDescriptorProto{Name: new("a.proto"), MessageType: []*descriptorpb.DescriptorProto{{Name: new("A")}, {Name: new("A")}}}
	twice, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{file}})
	require.NoError(t, err)
	event, err := proto.Marshal(&anypb.Any{TypeUrl: "type.googleapis.com/a.\x1b[2J", Value: []byte("x")})
	require.NoError(t, err)
	for want, set := range map[string][]byte{
		"Messages are shown in base64: decode the descriptors of the service: ": []byte("x"),
		"Messages are shown in base64: link the descriptors of the service: ":   twice,
	} {
		spec, err := proto.Marshal(&protocol.EntitySpec{Proto: set})
		require.NoError(t, err)
		s := damaged{Store: memory.New(), descriptors: spec, none: true}
		_, err = s.Append(t.Context(), store.Append{Key: store.Key{Type: "cart", ID: "jo"}, Events: [][]byte{event}, OpID: store.OpID(uuid.New())})
		require.NoError(t, err)
		output, hints, err := look(t, s, entity)
		require.NoError(t, err)
		require.Contains(t, output, `"base64":"eA=="`)
		require.Contains(t, hints, want)
		require.Contains(t, hints, "type.googleapis.com/a.\ufffd[2J is shown in base64: ")
		require.NotContains(t, hints, "\x1b")
	}
}

// A closed output ends it.
type closedOutput struct{}

func (closedOutput) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestInspector_EndsWithItsOutput(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		inspector, err := inspection.New(t.Context(), open(t), closedOutput{}, func(string) {})
		require.NoError(t, err)
		require.ErrorIs(t, inspector.Types(t.Context()), os.ErrClosed)
		require.ErrorIs(t, inspector.Entities(t.Context(), "account", inspection.Range{}), os.ErrClosed)
		require.ErrorIs(t, inspector.Entity(t.Context(), "shopping-cart", "jo", inspection.Range{}), os.ErrClosed)
	})
}

// Clients choose ids, with which they could control the terminal of who looks at them: C1 controls
// are not escaped in JSON, nor is what turns the direction of text.
func TestInspector_EscapesWhatATerminalMightObey(t *testing.T) {
	t.Parallel()
	id := "jo é\x1b[2J\u007f\u009b2J\u202e\U000e0001😀"
	s := &shop{Store: memory.New(), t: t}
	_, err := s.Append(t.Context(), store.Append{Key: store.Key{Type: "cart", ID: id}, Events: [][]byte{encode(t, packed(t, id))}, OpID: store.OpID(uuid.New())})
	require.NoError(t, err)
	for _, show := range []func(*inspection.Inspector) error{
		func(i *inspection.Inspector) error { return i.Entities(t.Context(), "cart", inspection.Range{}) },
		func(i *inspection.Inspector) error { return i.Entity(t.Context(), "cart", id, inspection.Range{}) },
	} {
		output, _, err := look(t, s, show)
		require.NoError(t, err)
		require.Contains(t, output, `"jo é\u001b[2J\u007f\u009b2J\u202e\udb40\udc01😀"`)
		require.True(t, json.Valid([]byte(output)))
	}
	_, _, err = look(t, s, func(i *inspection.Inspector) error {
		return i.Entity(t.Context(), "cart", "\u009b", inspection.Range{})
	})
	require.EqualError(t, err, `there is no entity "\u009b" of type "cart" in the store`)
}
