package transcode_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/cloudstate-go/cloudstate/proxy/internal/httprule"
	"github.com/cloudstate-go/cloudstate/proxy/internal/transcode"
	"github.com/cloudstate-go/cloudstate/proxy/internal/webtest"
)

// A route is one way to call one method.
type route struct {
	*httprule.Binding

	method protoreflect.MethodDescriptor
}

// routes returns all ways to call the methods of webtest.
func routes(tb testing.TB) []route {
	tb.Helper()
	var all []route
	services := webtest.File_webtest_webtest_proto.Services()
	for i := range services.Len() {
		for j := range services.Get(i).Methods().Len() {
			method := services.Get(i).Methods().Get(j)
			bindings, err := httprule.Bindings(method)
			require.NoError(tb, err)
			for _, b := range bindings {
				all = append(all, route{b, method})
			}
		}
	}
	return all
}

// find returns the route of a request, and the values of the variables.
func find(tb testing.TB, verb, path string) (route, []string) {
	tb.Helper()
	for _, r := range routes(tb) {
		if values, ok := r.Path.Match(path); ok && (r.Verb == verb || r.Verb == "*") {
			return r, values
		}
	}
	require.Fail(tb, "no route", "%s %s", verb, path)
	return route{}, nil
}

// transcoder knows the types of webtest and those that it imports.
func transcoder(tb testing.TB) *transcode.Transcoder {
	tb.Helper()
	files := new(protoregistry.Files)
	register(tb, files, webtest.File_webtest_webtest_proto)
	return transcode.New(files)
}

func register(tb testing.TB, files *protoregistry.Files, file protoreflect.FileDescriptor) {
	tb.Helper()
	if _, err := files.FindFileByPath(file.Path()); err == nil {
		return
	}
	for i := range file.Imports().Len() {
		register(tb, files, file.Imports().Get(i).FileDescriptor)
	}
	require.NoError(tb, files.RegisterFile(file))
}

const jsonType = "application/json"

// request returns the message that a request stands for, into a message of its type. The
// call is an HTTP method and a target, such as "GET /query?a=b".
func request[M proto.Message](tb testing.TB, into M, call, contentType, body string) (M, error) {
	tb.Helper()
	verb, target, _ := strings.Cut(call, " ")
	u, err := url.ParseRequestURI(target)
	require.NoError(tb, err)
	r, values := find(tb, verb, u.EscapedPath())
	encoded, err := transcoder(tb).Request(r.method, r.Binding, transcode.Request{
		Variables: values, Query: u.RawQuery, ContentType: contentType, Body: []byte(body),
	})
	if err == nil {
		require.Equal(tb, r.method.Input().FullName(), into.ProtoReflect().Descriptor().FullName())
		require.NoError(tb, proto.Unmarshal(encoded, into))
	}
	return into, err
}
