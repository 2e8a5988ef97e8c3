package testkit_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate"
	"github.com/cloudstate-go/cloudstate/examples/popular/popularpb"
	"github.com/cloudstate-go/cloudstate/examples/popular/projection"
	"github.com/cloudstate-go/cloudstate/proxy"
	"github.com/cloudstate-go/cloudstate/proxy/eventing"
	"github.com/cloudstate-go/cloudstate/testkit"
)

func TestPublish_ReachesMethodsAndTopics(t *testing.T) {
	t.Parallel()
	kit := testkit.New(t, projection.Bestsellers)
	hat := &popularpb.Popularity{List: "l", ProductId: "hat", Items: 1}
	kit.RequirePublished("popularity")
	kit.Publish("popularity", hat)
	kit.Publish("other", &anypb.Any{TypeUrl: "json.cloudstate.io/x", Value: []byte("\x0a\x02{}")})
	kit.Publish("other", eventing.Event{ID: "7", DataContentType: "text/plain", Data: []byte("hi")})
	kit.Settle()
	kit.RequireState("bestsellers", "l", &popularpb.BestsellerList{Products: []*popularpb.Popularity{hat}})
	kit.RequirePublished("popularity", hat)
	kit.RequirePublished("other", map[string]any{}, "hi")
	require.Equal(t, "7", kit.Published("other")[1].ID)
	require.Equal(t, "testkit", kit.Published("other")[1].Source)
}

func TestTopics_SayWhatIsWrong(t *testing.T) {
	t.Parallel()
	fail := func(configure func(*proxy.Proxy), do func(*testkit.Kit)) string {
		return record(t, func(tb testing.TB) {
			tb.Helper()
			do(testkit.Start(tb, &cloudstate.Service{Components: []cloudstate.Component{basketEntity()}}, configure))
		})
	}
	for want, got := range map[string]string{
		`publish to the topic "t": a string cannot be published, want a protobuf message`: fail(func(*proxy.Proxy) {}, func(k *testkit.Kit) { k.Publish("t", "text") }),
		`the topic "t" differs`: fail(func(*proxy.Proxy) {}, func(k *testkit.Kit) { k.RequirePublished("t", "a") }),
		`the topic "t" is not in the store: the proxy has another broker`: fail(func(p *proxy.Proxy) { p.Eventing.Broker = elsewhere{} }, func(k *testkit.Kit) { k.Published("t") }),
		`event 1 of the topic "t": the content type is "text/plain"`: fail(func(*proxy.Proxy) {}, func(k *testkit.Kit) {
			k.Publish("t", eventing.Event{DataContentType: "text/plain", Data: []byte{0xff}})
			k.RequirePublished("t")
		}),
	} {
		require.Contains(t, got, want)
	}
}

// elsewhere is a broker that nobody asks.
type elsewhere struct{ eventing.Broker }
