package spec_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	httpannotations "google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/proxy/internal/spec"
)

// withGet gives a method the rule to be called by GET.
func withGet(method *descriptorpb.MethodDescriptorProto, path string) *descriptorpb.MethodDescriptorProto {
	options := &descriptorpb.MethodOptions{}
	proto.SetExtension(options, httpannotations.E_Http, &httpannotations.HttpRule{Pattern: &httpannotations.HttpRule_Get{Get: path}})
	method.Options = options
	return method
}

// ruled is the answer of a user function with two actions, of which each has a method.
func ruled(tb testing.TB, first, second *descriptorpb.MethodDescriptorProto) *protocol.EntitySpec {
	tb.Helper()
	f := serviceFile(service("S", first), service("T", second))
	return answer(tb, files(f), entity(spec.Action, "test.S"), entity(spec.Action, "test.T"))
}

// Section 8.4: the rules of a method come with it.
func TestNew_BindsMethodsToHTTP(t *testing.T) {
	t.Parallel()
	s, err := spec.New(cartAnswer(t), spec.Options{})
	require.NoError(t, err)
	cart := s.Service(shoppingCart)
	patterns := func(method string) (all []string) {
		for _, b := range cart.Method(method).Bindings {
			all = append(all, b.Pattern())
		}
		return all
	}
	require.Equal(t, []string{"POST /cart/*/items/add"}, patterns("AddItem"))
	require.Equal(t, []string{"GET /carts/*", "GET /carts/*/items"}, patterns("GetCart"))

	s, err = spec.New(ruled(t, rpc("A", "Keyed", "Keyed"), rpc("A", "Keyed", "Keyed")), spec.Options{})
	require.NoError(t, err)
	require.Equal(t, "POST /test.S/A", s.Service("test.S").Method("A").Bindings[0].Pattern())
}

// P-185: a rule that is wrong, or at odds with another one, is a mistake of the user
// function like any other, and reported to it.
func TestDiscover_ReportsWrongRules(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		first, second *descriptorpb.MethodDescriptorProto
		want          string
	}{
		"an unknown field": {
			withGet(rpc("A", "Keyed", "Keyed"), "/{other}"),
			rpc("B", "Keyed", "Keyed"),
			"HTTP API Config: Unknown field name [other] in type [test.Keyed] reference in path template for method [test.S.A]\n" +
				`  in the google.api.http rule [get:"/{other}"] of test.S.A`,
		},
		"two rules for the same requests": {
			withGet(rpc("A", "Keyed", "Keyed"), "/a/{id}"),
			withGet(rpc("B", "Keyed", "Keyed"), "/a/*"),
			"HTTP API Config: [GET /a/*] calls both [test.S.A] and [test.T.B], want one method for each pattern; change the google.api.http rule of one of them",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := &userFunction{discover: answers(ruled(t, tt.first, tt.second))}
			_, err := spec.Discover(t.Context(), u, spec.Config{})
			var invalid *spec.ValidationError
			require.ErrorAs(t, err, &invalid)
			require.Equal(t, tt.want, invalid.Text)
			require.Equal(t, []string{tt.want}, u.reports)
		})
	}
}

// Two rules of the same method may be for the same requests: then the last counts.
func TestNew_AcceptsEqualRulesOfOneMethod(t *testing.T) {
	t.Parallel()
	m := withGet(rpc("A", "Keyed", "Keyed"), "/a/{id}")
	rule := &httpannotations.HttpRule{
		Pattern:            &httpannotations.HttpRule_Get{Get: "/a/{id}"},
		AdditionalBindings: []*httpannotations.HttpRule{{Pattern: &httpannotations.HttpRule_Get{Get: "/a/{id}"}}},
	}
	proto.SetExtension(m.GetOptions(), httpannotations.E_Http, rule)
	_, err := spec.New(ruled(t, m, rpc("B", "Keyed", "Keyed")), spec.Options{})
	require.NoError(t, err)
}
