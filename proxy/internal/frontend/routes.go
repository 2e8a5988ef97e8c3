package frontend

import (
	"slices"

	"github.com/cloudstate-go/cloudstate/proxy/internal/httprule"
	"github.com/cloudstate-go/cloudstate/proxy/internal/spec"
)

// A route is an HTTP binding of a method.
type route struct {
	*httprule.Binding

	method *spec.Method
}

// routes are in the order in which they are tried: the last declared comes first.
type routes []route

func newRoutes(published *spec.Spec) routes {
	var all routes
	for _, service := range published.Services {
		for _, method := range service.Methods {
			for _, binding := range method.Bindings {
				all = append(all, route{binding, method})
			}
		}
	}
	slices.Reverse(all)
	return all
}

// find returns the route for an HTTP method and an encoded path, and the values of the
// variables in it. If there is none for that HTTP method, allowed lists those that there
// are some for.
func (r routes) find(verb, path string) (found *route, values []string, allowed []string) {
	for i := range r {
		values, ok := r[i].Path.Match(path)
		switch {
		case !ok:
		case r[i].Verb == verb || r[i].Verb == "*":
			return &r[i], values, nil
		case !slices.Contains(allowed, r[i].Verb):
			allowed = append(allowed, r[i].Verb)
		}
	}
	return nil, nil, allowed
}
