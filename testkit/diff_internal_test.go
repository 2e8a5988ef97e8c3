package testkit

import (
	"maps"
	"math"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/domain"
)

type node struct {
	name  string
	next  *node
	table map[point][]int
}

type point struct{ X, Y int }

type everything struct {
	node

	Any     any
	at      time.Time
	ratio   float64
	raw     []byte
	array   [2]point
	byValue domain.LineItem
	message *domain.Cart
	fn      func()
	ch      chan int
	synced  sync.Map
	mu      sync.Mutex
	cache   int `cloudstate:"-"`
	_       int
}

// filled returns a value with something in every field, nothing of which is shared.
func filled() *everything {
	e := &everything{
		node:    node{name: "a", next: &node{name: "b"}, table: map[point][]int{{1, 2}: {3}}},
		Any:     point{1, 2},
		at:      time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC),
		ratio:   math.NaN(),
		raw:     []byte("raw"),
		array:   [2]point{{1, 2}, {3, 4}},
		message: &domain.Cart{Items: []*domain.LineItem{{ProductId: "a"}}},
		fn:      func() {},
		ch:      make(chan int),
	}
	e.byValue.ProductId = "v"
	e.next.next = e.next // a circle
	e.synced.Store("k", point{5, 6})
	return e
}

func TestDiff_FindsWhatDiffers(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(e *everything){
		``:                                     func(*everything) {},
		`node.name: "a", "x"`:                  func(e *everything) { e.name = "x" },
		`node.next.name: "b", "x"`:             func(e *everything) { e.next.name = "x" },
		`node.table[{X:1 Y:2}][0]: 3, 4`:       func(e *everything) { e.table[point{1, 2}][0] = 4 },
		`node.table[{X:1 Y:2}][1]: nothing, 4`: func(e *everything) { e.table[point{1, 2}] = []int{3, 4} },
		`node.table[{X:0 Y:0}]: nothing, nil`:  func(e *everything) { e.table[point{}] = nil },
		`node.table[{X:1 Y:2}]: [3], nothing`:  func(e *everything) { e.table = nil },
		`Any: testkit.point, int`:              func(e *everything) { e.Any = 1 },
		`Any.Y: 2, 3`:                          func(e *everything) { e.Any = point{1, 3} },
		`Any: {X:1 Y:2}, nothing`:              func(e *everything) { e.Any = nil },
		`at: 2026-01-02 03:04:05.000000006 +0000 UTC, 2026-01-02 03:04:05.000000007 +0000 UTC`: func(e *everything) { e.at = e.at.Add(1) },
		`ratio: NaN, 1`:                         func(e *everything) { e.ratio = 1 },
		`raw: [114 97 119], [114 97]`:           func(e *everything) { e.raw = e.raw[:2] },
		`array[1].X: 3, 9`:                      func(e *everything) { e.array[1].X = 9 },
		`byValue.productId: "v", "x"`:           func(e *everything) { e.byValue.ProductId = "x" },
		`message.items[0].productId: "a", "x"`:  func(e *everything) { e.message.Items[0].ProductId = "x" },
		`message.items[1]: nothing, {}`:         func(e *everything) { e.message.Items = append(e.message.Items, &domain.LineItem{}) },
		`message: {items:{productId:"a"}}, nil`: func(e *everything) { e.message = nil },
		`ch: 0, nil`:                            func(e *everything) { e.ch = nil },
		`synced["k"].Y: 6, 7`:                   func(e *everything) { e.synced.Store("k", point{5, 7}) },
	} {
		left, right := filled(), filled()
		change(right)
		d := diff(left, right)
		if want == "" {
			require.Nil(t, d)
			continue
		}
		require.NotNil(t, d, want)
		left.ch = nil
		if d.path == "ch" {
			d.left = "0" // it is an address
		}
		require.Equal(t, want, d.path+": "+d.left+", "+d.right)
	}
}

func TestDiff_KnowsWhatIsNoDifference(t *testing.T) {
	t.Parallel()
	local := time.FixedZone("here", 3600)
	for name, change := range map[string]func(e *everything){
		"a field with the tag":          func(e *everything) { e.cache = 1 },
		"another function":              func(e *everything) { e.fn = func() { e.cache++ } },
		"another zone":                  func(e *everything) { e.at = e.at.In(local) },
		"a copy of a message":           func(e *everything) { e.message = proto.CloneOf(e.message) },
		"another order of a map":        func(e *everything) { e.table = map[point][]int{{1, 2}: {3}} },
		"a slice with a larger memory":  func(e *everything) { e.raw = append(make([]byte, 0, 100), e.raw...) },
		"a lock that nobody looks into": func(e *everything) { e.mu.TryLock(); e.mu.Unlock() },
	} {
		left, right := filled(), filled()
		change(right)
		require.Nil(t, diff(left, right), name)
	}
	require.Nil(t, diff(nil, nil))
	require.Nil(t, diff([]int(nil), []int{}))
	require.Nil(t, diff(map[string]int(nil), map[string]int{}))
	require.Nil(t, diff([]byte(nil), []byte{}))
	require.Nil(t, diff(map[float64]int{math.NaN(): 1}, map[float64]int{math.NaN(): 1}))
	require.Equal(t, &difference{"", "1", "2"}, diff(1, 2))
	require.Equal(t, &difference{"", "nothing", "2"}, diff(nil, 2))
}

// A struct that embeds a message is more than that.
func TestDiff_LooksBesideEmbeddedMessages(t *testing.T) {
	t.Parallel()
	type cart struct {
		*domain.LineItem

		discount int
	}
	type outer struct {
		cart

		Any proto.Message
	}
	require.Nil(t, diff(&cart{&domain.LineItem{}, 1}, &cart{&domain.LineItem{}, 1}))
	require.Equal(t, &difference{"discount", "1", "2"}, diff(&cart{&domain.LineItem{}, 1}, &cart{&domain.LineItem{}, 2}))
	require.Equal(t, &difference{"LineItem", "nil", "{}"}, diff(&cart{}, &cart{LineItem: &domain.LineItem{}}))
	require.Equal(t, &difference{"cart.discount", "1", "2"}, diff(outer{cart: cart{discount: 1}}, outer{cart: cart{discount: 2}}))
	require.Equal(t, &difference{"Any.discount", "1", "2"}, diff(outer{Any: &cart{discount: 1}}, outer{Any: &cart{discount: 2}}))
}

// Of several differences, it is always the same that is found.
func TestDiff_FindsTheFirst(t *testing.T) {
	t.Parallel()
	same, other := &point{1, 2}, &point{1, 3}
	for range 20 {
		d := diff(map[string]*point{"a": same, "b": same, "c": same}, map[string]*point{"a": other, "b": other, "c": other})
		require.Equal(t, &difference{`["a"].Y`, "2", "3"}, d)
	}
}

// Messages differ where proto.Equal says so, and the path leads there.
func TestDiff_FindsWhatDiffersInMessages(t *testing.T) {
	t.Parallel()
	object := func(fields map[string]any) *structpb.Struct {
		s, err := structpb.NewStruct(fields)
		require.NoError(t, err)
		return s
	}
	unknown := &domain.LineItem{}
	unknown.ProtoReflect().SetUnknown([]byte{0x78, 1})
	for want, messages := range map[string][2]proto.Message{
		`fields["a"].number_value: 1, 2`:              {object(map[string]any{"a": 1}), object(map[string]any{"a": 2})},
		`fields["b"]: nothing, {string_value:"x"}`:    {object(map[string]any{"a": 1}), object(map[string]any{"a": 1, "b": "x"})},
		`fields["a"].number_value: 1, nothing`:        {object(map[string]any{"a": 1}), object(map[string]any{"a": true})},
		`fields["a"].null_value: NULL_VALUE, nothing`: {object(map[string]any{"a": nil}), object(map[string]any{"a": map[string]any{}})},
		`nanos: 0, 1`:  {&timestamppb.Timestamp{}, &timestamppb.Timestamp{Nanos: 1}},
		`: {}, {15:1}`: {&domain.LineItem{}, unknown},
		`: *domain.LineItem, *timestamppb.Timestamp`: {&domain.LineItem{}, &timestamppb.Timestamp{Seconds: 1}},
		`label: LABEL_REPEATED, LABEL_OPTIONAL`:      {labelled(descriptorpb.FieldDescriptorProto_LABEL_REPEATED), labelled(descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL)},
		`label: nothing, LABEL_OPTIONAL`:             {&descriptorpb.FieldDescriptorProto{}, labelled(descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL)},
	} {
		d := diff(messages[0], messages[1])
		require.NotNil(t, d, want)
		require.Equal(t, want, d.path+": "+d.left+", "+d.right)
	}
}

func labelled(label descriptorpb.FieldDescriptorProto_Label) *descriptorpb.FieldDescriptorProto {
	return &descriptorpb.FieldDescriptorProto{Label: label.Enum()}
}

func TestDiff_ShortensWhatIsLong(t *testing.T) {
	t.Parallel()
	d := diff(string(make([]byte, 1000)), "")
	require.Less(t, len(d.left), maxText+10)
	require.Equal(t, `""`, d.right)
}

// However much is the same, it is to be seen what is not.
func TestDiff_ShowsWhatDiffersInWhatIsLong(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 1000)
	for name, values := range map[string][2]any{
		"strings":  {long + "x" + long, long + "y" + long},
		"bytes":    {[]byte(long + "x"), []byte(long + "y")},
		"arrays":   {[300]byte{299: 'x'}, [300]byte{299: 'y'}},
		"messages": {&domain.LineItem{ProductId: long + "x"}, &domain.LineItem{ProductId: long + "y"}},
		"ends":     {long, long + "x"},
		"runes":    {strings.Repeat("ä", 500) + "x", strings.Repeat("ä", 500) + "y"},
	} {
		d := diff(values[0], values[1])
		require.NotNil(t, d, name)
		require.NotEqual(t, d.left, d.right, name)
		for _, shown := range []string{d.left, d.right} {
			require.Less(t, len(shown), maxText+10, name)
			require.True(t, utf8.ValidString(shown), name)
			require.True(t, strings.HasPrefix(shown, "…"), name)
		}
	}
}

// An entity may have much state, and is compared after each of its commands.
func BenchmarkDiff(b *testing.B) {
	left, right := map[string]*point{}, map[string]*point{}
	for i := range 10_000 {
		left[strconv.Itoa(i)], right[strconv.Itoa(i)] = &point{i, i}, &point{i, i}
	}
	b.ReportAllocs()
	for b.Loop() {
		if diff(left, right) != nil {
			b.Fatal("they are the same")
		}
	}
}

// A person knows everybody, so that there are many ways from one to another.
type person struct {
	name  string
	knows map[string]*person
}

func people(first string) map[string]*person {
	all := map[string]*person{}
	for i := range 50 {
		all[strconv.Itoa(i)] = &person{name: "somebody", knows: all}
	}
	all["0"].name = first
	for _, p := range all {
		p.knows = maps.Clone(all)
	}
	return all
}

func TestDiff_ComparesEachPairOnce(t *testing.T) {
	t.Parallel()
	t.Run("graph", func(t *testing.T) { // has more simple paths than can be counted
		t.Parallel()
		for range 10 { // whatever the order of the maps
			require.Equal(t, &difference{`["0"].name`, `"a"`, `"b"`}, diff(people("a"), people("b")))
		}
		require.Nil(t, diff(people("a"), people("a")))
	})
	t.Run("maps in maps", func(t *testing.T) {
		t.Parallel()
		nested := func(leaf string) (value any) {
			value = leaf
			for range 100 {
				value = map[string]any{"a": value}
			}
			return value
		}
		require.Equal(t, &difference{strings.Repeat(`["a"]`, 100), `"x"`, `"y"`}, diff(nested("x"), nested("y")))
	})
	t.Run("a map that contains itself", func(t *testing.T) {
		t.Parallel()
		loop := func(leaf string) map[string]any {
			m := map[string]any{"leaf": leaf}
			m["self"] = m
			return m
		}
		require.Nil(t, diff(loop("x"), loop("x")))
		require.Equal(t, &difference{`["leaf"]`, `"x"`, `"y"`}, diff(loop("x"), loop("y")))
	})
}

func TestDiff_KnowsWhatIsSynchronised(t *testing.T) {
	t.Parallel()
	type counters struct {
		n    atomic.Int32
		last atomic.Pointer[point]
		any  atomic.Value
		pool sync.Pool
	}
	counted := func() *counters {
		c := &counters{}
		c.n.Add(1)
		c.last.Store(&point{X: 1})
		c.any.Store(point{Y: 1})
		return c
	}
	one := counted()
	one.pool.Put(new(point))
	require.Nil(t, diff(one, counted()), "a pool has no state")
	for want, change := range map[string]func(c *counters){
		"n.v":     func(c *counters) { c.n.Add(1) },
		"last.X":  func(c *counters) { c.last.Load().X++ },
		"last":    func(c *counters) { c.last.Store(nil) },
		"any.v.Y": func(c *counters) { c.any.Store(point{Y: 2}) },
	} {
		other := counted()
		change(other)
		require.Equal(t, want, diff(one, other).path)
	}
}
