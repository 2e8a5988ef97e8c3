package repository_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A layer is a part of the module: the packages at and below a path.
type layer struct {
	// below lists the other layers that it may depend on, directly or not.
	below []string
	// tests is whether it is for tests, and may depend on testing and testify.
	tests bool
}

// layers are the import rules of design section 3, by path; "." is the package in
// the root. The longest path that matches a package is its layer.
var layers = map[string]layer{
	"protocol":                    {},
	"internal":                    {below: []string{"protocol", "entity"}},
	"entity":                      {below: []string{"protocol", "internal"}},
	"eventsourced":                {below: shared},
	"valueentity":                 {below: shared},
	"crdt":                        {below: shared},
	"action":                      {below: shared},
	".":                           {below: shared},
	"proxy":                       {below: shared},
	"proxy/internal/scripted":     {below: shared, tests: true}, // a user function for the proxy's tests
	"proxy/eventing/eventingtest": {below: append([]string{"proxy"}, shared...), tests: true},
	"proxy/store/storetest":       {below: append([]string{"proxy"}, shared...), tests: true},
	"testkit":                     {below: libraries, tests: true},
	"benchmarks":                  {below: libraries},
	"cmd":                         {below: libraries},
	"conformance":                 {below: append([]string{"conformance/models", "conformance/modelpb"}, libraries...), tests: true},
	"conformance/cmd":             {below: append([]string{"conformance", "conformance/models", "conformance/modelpb"}, libraries...), tests: true},
	"conformance/modelpb":         {below: []string{"protocol"}},
	"conformance/models":          {below: modeled},
	"conformance/userfunction":    {below: append([]string{"conformance/models"}, modeled...)},
	"examples":                    {below: libraries},
}

var (
	// shared is what kinds, root and proxy build on.
	shared = []string{"protocol", "internal", "entity"}
	// libraries is what a program may link.
	libraries = append([]string{".", "eventsourced", "valueentity", "crdt", "action", "proxy"}, shared...)
	// modeled is what the models of the conformance kit build on: the public API.
	modeled = []string{".", "eventsourced", "valueentity", "crdt", "action", "entity", "protocol", "internal", "conformance/modelpb"}
)

// A goPackage is a package as a program links it, without its tests.
type goPackage struct {
	path string
	deps []string // direct and indirect
}

func TestImports_KeepTheLayers(t *testing.T) {
	t.Parallel()
	list := runGo(t, "list", "-f", `{{.ImportPath}} {{join .Deps " "}}`, "work")
	require.NotEmpty(t, list)
	for line := range strings.Lines(string(list)) {
		paths := strings.Fields(line)
		require.Empty(t, violations(goPackage{path: paths[0], deps: paths[1:]}))
	}
}

// violations tells which of the dependencies of a package break the rules.
func violations(p goPackage) []string {
	path := layerOf(p.path)
	rules, found := layers[path]
	if !found {
		return []string{p.path + " belongs to no layer; say in layers what it may depend on"}
	}
	var broken []string
	for _, dep := range p.deps {
		switch {
		case isForTests(dep) && !rules.tests:
			broken = append(broken, fmt.Sprintf("%s depends on %s, which is for tests", p.path, dep))
		case isOurs(dep) && layerOf(dep) != path && !slices.Contains(rules.below, layerOf(dep)):
			broken = append(broken, fmt.Sprintf("%s depends on %s; below layer %q are only %q", p.path, dep, path, rules.below))
		}
	}
	return broken
}

// layerOf returns the path of the layer of one of our packages, or "".
func layerOf(importPath string) string {
	if importPath == module {
		return "."
	}
	longest := ""
	for path := range layers {
		if within(importPath, module+"/"+path) && len(path) > len(longest) {
			longest = path
		}
	}
	return longest
}

func isOurs(importPath string) bool {
	return within(importPath, module)
}

func isForTests(importPath string) bool {
	return within(importPath, "testing") || within(importPath, "github.com/stretchr/testify")
}

// within reports whether an import path is that of a tree or of something below it.
func within(importPath, tree string) bool {
	return importPath == tree || strings.HasPrefix(importPath, tree+"/")
}

func TestViolations_FindWhatBreaksTheLayers(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		path  string
		deps  []string
		wants []string // a part of each violation
	}{
		"a kind may depend on what is shared":        {"/crdt", []string{"/entity", "/internal/command", "/protocol/crdtpb"}, nil},
		"a package may depend on its own layer":      {"/proxy/internal/frontend", []string{"/proxy", "/proxy/store"}, nil},
		"the store's suite is for tests":             {"/proxy/store/storetest", []string{"testing", "/proxy/store", "/entity"}, nil},
		"the testkit is for tests":                   {"/testkit", []string{"testing", "github.com/stretchr/testify/require", "", "/crdt"}, nil},
		"an example may depend on the root":          {"/examples/shoppingcart", []string{"", "/eventsourced"}, nil},
		"a longer name is another package":           {"/crdt", []string{"testingx", "github.com/stretchr/testifyx"}, nil},
		"kinds do not depend on each other":          {"/crdt", []string{"/eventsourced"}, []string{"/crdt depends on " + module + "/eventsourced"}},
		"entity depends on no kind":                  {"/entity", []string{"/action"}, []string{"/action"}},
		"the root depends on no kind":                {"", []string{"/valueentity"}, []string{"/valueentity"}},
		"the root does not depend on the proxy":      {"", []string{"/proxy"}, []string{"/proxy"}},
		"the proxy does not depend on the root":      {"/proxy/store", []string{""}, []string{"depends on " + module + ";"}},
		"the proxy does not depend on its suite":     {"/proxy", []string{"/proxy/store/storetest"}, []string{"storetest"}},
		"the proxy does not link what tests it":      {"/proxy", []string{"/proxy/internal/scripted"}, []string{"/scripted"}},
		"the protocol depends on nothing of ours":    {"/protocol/actionpb", []string{"/protocol", "/internal/command"}, []string{"/internal/command"}},
		"a library does not depend on tests":         {"/entity", []string{"testing/fstest", "github.com/stretchr/testify"}, []string{"testing/fstest", "testify"}},
		"a program does not depend on the testkit":   {"/cmd/cloudstate", []string{"/testkit"}, []string{"/testkit"}},
		"a new layer needs a rule":                   {"/telemetry", nil, []string{"/telemetry belongs to no layer"}},
		"a new layer is none that a kind may import": {"/action", []string{"/telemetry"}, []string{"/telemetry"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := goPackage{path: module + tt.path}
			for _, dep := range tt.deps {
				if dep == "" || dep[0] == '/' {
					dep = module + dep
				}
				p.deps = append(p.deps, dep)
			}
			got := violations(p)
			require.Len(t, got, len(tt.wants))
			for i, want := range tt.wants {
				require.Contains(t, got[i], want)
			}
		})
	}
}
