package httprule_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	httpannotations "google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/cloudstate-go/cloudstate/proxy/internal/httprule"
	"github.com/cloudstate-go/cloudstate/proxy/internal/webtest"
)

// withRule returns a method rules.Rules.Do, of the type webtest.Everything, with a rule in text format; none if
// that is empty.
func withRule(tb testing.TB, rule string) protoreflect.MethodDescriptor {
	tb.Helper()
	options := &descriptorpb.MethodOptions{}
	if rule != "" {
		parsed := &httpannotations.HttpRule{}
		require.NoError(tb, prototext.Unmarshal([]byte(rule), parsed))
		proto.SetExtension(options, httpannotations.E_Http, parsed)
	}
	return method(tb, ".webtest.Everything", options)
}

func method(tb testing.TB, input string, options *descriptorpb.MethodOptions) protoreflect.MethodDescriptor {
	tb.Helper()
	file, err := protodesc.FileOptions{AllowUnresolvable: true}.New(&descriptorpb.FileDescriptorProto{
		Name:       new("rules.proto"),
		Package:    new("rules"),
		Syntax:     new("proto3"),
		Dependency: []string{webtest.File_webtest_webtest_proto.Path()},
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: new("Rules"), Method: []*descriptorpb.MethodDescriptorProto{{
			Name: new("Do"), InputType: new(input), OutputType: new(".webtest.Everything"), Options: options,
		}}}},
	}, protoregistry.GlobalFiles)
	require.NoError(tb, err)
	return file.Services().Get(0).Methods().Get(0)
}

// P-185: every mistake has its text, and a line that says where it is.
func TestBindings_Mistakes(t *testing.T) {
	t.Parallel()
	for rule, want := range map[string]string{
		`selector: "rules.Rules.Other" get: "/a"`: "Rule selector [rules.Rules.Other] must be empty or [rules.Rules.Do]",
		`body: "*"`:                                         `Pattern missing for rule [body:"*"]!`,
		`custom { kind: "HEAD" path: "/a" }`:                "Only Custom patterns with [*] kind supported but [HEAD] found!",
		`get: "a"`:                                          "Template must start with a slash at character 1 of 'a'",
		`get: "/{a_string}/{a_string}"`:                     "Duplicate path in template at character 14 of '/{a_string}/{a_string}'",
		`get: "/{other}"`:                                   "Unknown field name [other] in type [webtest.Everything] reference in path template for method [rules.Rules.Do]",
		`get: "/{aString}"`:                                 "Unknown field name [aString] in type [webtest.Everything] reference in path template for method [rules.Rules.Do]",
		`get: "/{strings}"`:                                 "Repeated parameters [strings] are not allowed as path variables",
		`get: "/{several}"`:                                 "Repeated parameters [several] are not allowed as path variables",
		`get: "/{colors}"`:                                  "Repeated parameters [colors] are not allowed as path variables",
		`get: "/{counts}"`:                                  "Map parameters [counts] are not allowed as path variables",
		`get: "/{nested.text}"`:                             "Multiple fields in field path not yet implemented: nested.text",
		`get: "/{color}"`:                                   "Enum path parameters not supported!",
		`get: "/{nested}"`:                                  "Message path parameters not supported!",
		`get: "/{wrapped}"`:                                 "Message path parameters not supported!",
		`post: "/a" body: "other"`:                          "Body configured to [other] but that field does not exist on input type.",
		`post: "/a" body: "several"`:                        "Body configured to [several] but that field is a repeated field.",
		`post: "/a" body: "counts"`:                         "Body configured to [counts] but that field is a repeated field.",
		`post: "/a" response_body: "other"`:                 "Response body field [other] does not exist on type [webtest.Everything]",
		`get: "/a" additional_bindings { get: "/{color}" }`: "Enum path parameters not supported!",
		`get: "/a" additional_bindings { body: "*" }`:       `Pattern missing for rule [body:"*"]!`,
		`get: "/a" additional_bindings { get: "/b" additional_bindings { get: "/c" } }`: "Only one level of additionalBindings supported, " +
			`but [get:"/a" additional_bindings:{get:"/b" additional_bindings:{get:"/c"}}] has more than one!`,
	} {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			_, err := httprule.Bindings(withRule(t, rule))
			require.Error(t, err)
			first, second, _ := strings.Cut(err.Error(), "\n")
			require.Equal(t, "HTTP API Config: "+want, first)
			require.Regexp(t, `^  in the google\.api\.http rule \[.+\] of rules\.Rules\.Do$`, second)
		})
	}
}

// A rule cannot work if nobody knows what its messages look like.
func TestBindings_OfUnknownTypes(t *testing.T) {
	t.Parallel()
	bindings, err := httprule.Bindings(method(t, ".gone.Message", nil))
	require.NoError(t, err)
	require.Empty(t, bindings)
	options := &descriptorpb.MethodOptions{}
	proto.SetExtension(options, httpannotations.E_Http, &httpannotations.HttpRule{Pattern: &httpannotations.HttpRule_Get{Get: "/a"}})
	_, err = httprule.Bindings(method(t, ".gone.Message", options))
	require.ErrorContains(t, err, "HTTP API Config: The type of [gone.Message] is not in the descriptor set; include the file that declares it\n")
}

// P-175: only a method without rule has the default one.
func TestBindings_ByDefault(t *testing.T) {
	t.Parallel()
	bindings, err := httprule.Bindings(withRule(t, ""))
	require.NoError(t, err)
	require.Len(t, bindings, 1)
	require.Equal(t, "POST /rules.Rules/Do", bindings[0].Pattern())
	require.True(t, bindings[0].HasBody)
	require.Nil(t, bindings[0].Body)

	bindings, err = httprule.Bindings(withRule(t, `get: "/a"`))
	require.NoError(t, err)
	require.Len(t, bindings, 1)
	require.Equal(t, "GET /a", bindings[0].Pattern())
	require.False(t, bindings[0].HasBody)
}

func TestBindings_OfARule(t *testing.T) {
	t.Parallel()
	bindings, err := httprule.Bindings(withRule(t, `
		selector: "rules.Rules.Do"
		get: "/a/{a_string}/{an_int64}"
		additional_bindings { put: "/b" body: "nested" response_body: "longs" }
		additional_bindings { post: "/c" body: "*" }
		additional_bindings { delete: "/d" }
		additional_bindings { patch: "/e" }
		additional_bindings { custom { kind: "*" path: "/f" } }`))
	require.NoError(t, err)
	patterns := make([]string, len(bindings))
	for i, b := range bindings {
		patterns[i] = b.Pattern()
	}
	require.Equal(t, []string{"GET /a/*/*", "PUT /b", "POST /c", "DELETE /d", "PATCH /e", "* /f"}, patterns)
	require.Len(t, bindings[0].Variables, 2)
	require.Equal(t, protoreflect.Name("an_int64"), bindings[0].Variables[1].Name())
	require.Equal(t, protoreflect.Name("nested"), bindings[1].Body.Name())
	require.Equal(t, protoreflect.Name("longs"), bindings[1].ResponseBody.Name())
	require.True(t, bindings[2].HasBody)
	require.Nil(t, bindings[2].Body)
}
