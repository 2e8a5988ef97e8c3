package httprule_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/proxy/internal/httprule"
)

// P-185: what is wrong with a template is said, and where.
func TestParse_Mistakes(t *testing.T) {
	t.Parallel()
	for template, want := range map[string]string{
		"":                       "Template must start with a slash at character 1 of ''",
		"a":                      "Template must start with a slash at character 1 of 'a'",
		"/":                      "Expected a segment: *, **, a variable in braces, or text at character 2 of '/'",
		"/a//b":                  "Expected a segment: *, **, a variable in braces, or text at character 4 of '/a//b'",
		"/a/":                    "Expected a segment: *, **, a variable in braces, or text at character 4 of '/a/'",
		"/ä/{x}/{x}":             "Duplicate path in template at character 9 of '/ä/{x}/{x}'",
		"/{x=a/*}/{y}/{x=**}":    "Duplicate path in template at character 15 of '/{x=a/*}/{y}/{x=**}'",
		"/{x={y}}":               "Variables must not be nested at character 5 of '/{x={y}}'",
		"/{x=a/{y}}":             "Variables must not be nested at character 7 of '/{x=a/{y}}'",
		"/**/a":                  "Nothing but a verb may follow ** at character 5 of '/**/a'",
		"/{x=**}/a":              "Nothing but a verb may follow ** at character 9 of '/{x=**}/a'",
		"/{x=**/a}":              "Nothing but a verb may follow ** at character 8 of '/{x=**/a}'",
		"/{":                     "Expected the name of a field, of letters, digits and _, with a letter first at character 3 of '/{'",
		"/{}":                    "Expected the name of a field, of letters, digits and _, with a letter first at character 3 of '/{}'",
		"/{1a}":                  "Expected the name of a field, of letters, digits and _, with a letter first at character 3 of '/{1a}'",
		"/{a.}":                  "Expected the name of a field, of letters, digits and _, with a letter first at character 5 of '/{a.}'",
		"/{a":                    "Expected } at the end of a variable at character 4 of '/{a'",
		"/{a-b}":                 "Expected } at the end of a variable at character 4 of '/{a-b}'",
		"/{a=}":                  "Expected a segment: *, **, a variable in braces, or text at character 5 of '/{a=}'",
		"/a}":                    "Expected a slash, a colon with a verb, or the end of the template at character 3 of '/a}'",
		"/a{b}":                  "Expected a slash, a colon with a verb, or the end of the template at character 3 of '/a{b}'",
		"/***":                   "Expected a slash, a colon with a verb, or the end of the template at character 4 of '/***'",
		"/a:":                    "Expected a verb at character 4 of '/a:'",
		"/a:b/c":                 "Expected a slash, a colon with a verb, or the end of the template at character 5 of '/a:b/c'",
		"/a:b:c":                 "Expected a slash, a colon with a verb, or the end of the template at character 5 of '/a:b:c'",
		"/a%zz":                  "Expected two hexadecimal digits after each % (invalid URL escape \"%zz\") at character 2 of '/a%zz'",
		"/a\nb":                  "Expected a slash, a colon with a verb, or the end of the template at character 3 of '/a\nb'",
		"/a%0ab":                 "Expected text without control characters, in UTF-8 at character 2 of '/a%0ab'",
		"/a\xff":                 "Expected text without control characters, in UTF-8 at character 2 of '/a\xff'",
		"http://example.com/{x}": "Template must start with a slash at character 1 of 'http://example.com/{x}'",
	} {
		t.Run(template, func(t *testing.T) {
			t.Parallel()
			_, err := httprule.Parse(template)
			require.EqualError(t, err, want)
		})
	}
}

// Section 8.4, and the published semantics: what a template matches, and what of it
// variables get.
func TestTemplate_Match(t *testing.T) {
	t.Parallel()
	none := []string{}
	tests := map[string]struct {
		template, path string
		want           []string // nil: it does not match
	}{
		"text":                           {"/v1/messages", "/v1/messages", none},
		"other text":                     {"/v1/messages", "/v1/message", nil},
		"text has a case":                {"/v1/messages", "/v1/Messages", nil},
		"less":                           {"/v1/messages", "/v1", nil},
		"more":                           {"/v1/messages", "/v1/messages/1", nil},
		"a slash more":                   {"/v1/messages", "/v1/messages/", nil},
		"nothing":                        {"/v1", "", nil},
		"no slash":                       {"/v1", "v1", nil},
		"all of the server":              {"/**", "*", nil},
		"text that a client has encoded": {"/v1/messages", "/v1/%6dessages", none},
		"text that must be encoded":      {"/a b/ü", "/a%20b/%C3%BC", none},
		"text that is encoded in the template too": {"/a%20b", "/a%20b", none},
		"text with a percent sign":                 {"/100%25", "/100%25", none},
		"a variable is one segment":                {"/v1/{id}", "/v1/1", []string{"1"}},
		"not two":                                  {"/v1/{id}", "/v1/1/2", nil},
		"not none":                                 {"/v1/{id}", "/v1", nil},
		"it may be empty":                          {"/v1/{id}", "/v1/", []string{""}},
		"also in the middle":                       {"/v1/{id}/items", "/v1//items", []string{""}},
		"it has no colon":                          {"/v1/{id}", "/v1/a:b", nil},
		"unless encoded":                           {"/v1/{id}", "/v1/a%3Ab", []string{"a:b"}},
		"it is decoded":                            {"/v1/{id}", "/v1/a%20%2F%c3%BC", []string{"a /ü"}},
		"a plus is a plus (A-35)":                  {"/v1/{id}", "/v1/a+b", []string{"a+b"}},
		"the same, in full":                        {"/v1/{id=*}", "/v1/a%2Fb", []string{"a/b"}},
		"several variables":                        {"/{a}/x/{b}/{c}", "/1/x/2/3", []string{"1", "2", "3"}},
		"a star without name":                      {"/*/{b}", "/1/2", []string{"2"}},
		"a star has no colon either":               {"/*/{b}", "/1:/2", nil},
		"text in a variable":                       {"/v1/{name=messages/*}", "/v1/messages/123456", []string{"messages/123456"}},
		"other text in a variable":                 {"/v1/{name=messages/*}", "/v1/message/123456", nil},
		"a resource name":                          {"/{name=shelves/*/books/*}", "/shelves/1/books/2", []string{"shelves/1/books/2"}},
		"slashes of several segments stay encoded": {"/{name=shelves/*}/x", "/shelves/a%2Fb%2f%20c/x", []string{"shelves/a%2Fb%2f c"}},
		"the rest":                                 {"/files/{path=**}", "/files/a/b/c", []string{"a/b/c"}},
		"the rest may have colons":                 {"/files/{path=**}", "/files/a:b/c:d", []string{"a:b/c:d"}},
		"slashes of the rest stay encoded":         {"/files/{path=**}", "/files/a%2Fb/c", []string{"a%2Fb/c"}},
		"the rest may be one empty segment":        {"/files/{path=**}", "/files/", []string{""}},
		"the rest may be no segment":               {"/files/{path=**}", "/files", []string{""}},
		"the rest after text":                      {"/v1/{name=files/**}", "/v1/files/a/b", []string{"files/a/b"}},
		"nothing after text":                       {"/v1/{name=files/**}", "/v1/files", []string{"files"}},
		"the rest without name":                    {"/v1/**", "/v1/a/b", none},
		"everything":                               {"/**", "/", none},
		"a verb":                                   {"/v1/{id}:cancel", "/v1/1:cancel", []string{"1"}},
		"no verb":                                  {"/v1/{id}:cancel", "/v1/1", nil},
		"another verb":                             {"/v1/{id}:cancel", "/v1/1:delete", nil},
		"a verb that is not wanted":                {"/v1/1", "/v1/1:delete", nil},
		"an encoded verb":                          {"/v1/{id}:cancel", "/v1/1:c%61ncel", []string{"1"}},
		"a verb after the rest":                    {"/v1/{path=**}:cancel", "/v1/a:b/c:cancel", []string{"a:b/c"}},
		"a verb after nothing":                     {"/**:cancel", ":cancel", nil},
		"no UTF-8":                                 {"/v1/{id}", "/v1/%ff", []string{"\xff"}},
		"no hexadecimal digits":                    {"/v1/{id}", "/v1/%zz", nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			template, err := httprule.Parse(tt.template)
			require.NoError(t, err)
			got, ok := template.Match(tt.path)
			require.Equal(t, tt.want != nil, ok)
			if ok {
				require.Equal(t, tt.want, append([]string{}, got...))
				require.Len(t, got, len(template.Variables()))
			}
		})
	}
}

// Templates with the same shape match the same paths.
func TestTemplate_Shape(t *testing.T) {
	t.Parallel()
	for template, want := range map[string]string{
		"/a/{b}/c":         "/a/*/c",
		"/a/{b=*}/c":       "/a/*/c",
		"/{x=a/*/c}":       "/a/*/c",
		"/a/{rest=**}:run": "/a/**:run",
		"/a%20b/ü":         "/a%20b/%C3%BC",
		"/a b/%c3%bc":      "/a%20b/%C3%BC",
		"/a%2Ab":           "/a%2Ab",
	} {
		t.Run(template, func(t *testing.T) {
			t.Parallel()
			parsed, err := httprule.Parse(template)
			require.NoError(t, err)
			require.Equal(t, want, parsed.Shape())
			require.Equal(t, template, parsed.String())
			again, err := httprule.Parse(want)
			require.NoError(t, err)
			require.Equal(t, want, again.Shape())
		})
	}
}

func seedTemplates(f *testing.F) {
	f.Helper()
	for _, template := range []string{
		"/", "/a", "/a/{b}/c", "/{name=shelves/*/books/*}:read", "/**", "/*/{x=**}", "/{x={y}}", "/a%20b", "/a:b:c", "/{a.b}", "/%", "/a//b", "/{x}/{x}", "/ü{",
	} {
		for _, path := range []string{"", "/", "/a", "/a/b/c", "/shelves/1/books/2:read", "/a%20b", "/%2F/%zz", ":read", "*"} {
			f.Add(template, path)
		}
	}
}

// FuzzTemplate checks that parser and matcher take anything, and that a template and its
// shape match the same paths.
func FuzzTemplate(f *testing.F) {
	seedTemplates(f)
	f.Fuzz(func(t *testing.T, source, path string) {
		template, err := httprule.Parse(source)
		if err != nil {
			require.Contains(t, err.Error(), " at character ")
			return
		}
		shape, err := httprule.Parse(template.Shape())
		require.NoError(t, err)
		require.Equal(t, template.Shape(), shape.Shape())
		values, ok := template.Match(path)
		if _, same := shape.Match(path); ok != same {
			_, encodingErr := url.PathUnescape(path)
			require.Error(t, encodingErr, "only variables are decoded, so only a wrong encoding makes a difference")
		}
		if ok {
			require.Len(t, values, len(template.Variables()))
		}
	})
}

// FuzzTemplate_Expansion checks that a variable gets what a client has put into the path,
// whatever it is.
func FuzzTemplate_Expansion(f *testing.F) {
	f.Add("1", "a/b")
	f.Add("", "")
	f.Add("a:b/c%2F", "ü/ /%")
	f.Fuzz(func(t *testing.T, id, file string) {
		template, err := httprule.Parse("/carts/{id}/files/{file=**}:get")
		require.NoError(t, err)
		segments := strings.Split(file, "/")
		for i, segment := range segments {
			segments[i] = url.PathEscape(segment)
		}
		values, ok := template.Match("/carts/" + strings.ReplaceAll(url.PathEscape(id), ":", "%3A") + "/files/" + strings.Join(segments, "/") + ":get")
		require.True(t, ok)
		require.Equal(t, []string{id, file}, values)
	})
}

func BenchmarkTemplate_Match(b *testing.B) {
	template, err := httprule.Parse("/cart/{user_id}/items/{product_id}/remove")
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := template.Match("/cart/user-0001/items/product-17/remove"); !ok {
			b.Fatal("it does not match")
		}
	}
}
