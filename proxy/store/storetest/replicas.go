package storetest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// RunReplicas runs the conformance tests for the CRDTs of a proxy, in the way of [Run].
func RunReplicas(t *testing.T, name string, open func(t *testing.T) store.Replicas) {
	t.Helper()
	tests := map[string]func(*replicasFixture){
		"there are no parts of what nobody has added": testNoParts,
		"parts are added":                                            testAddParts,
		"a part may be there twice":                                  testAddTwice,
		"no parts are added":                                         testAddNothing,
		"all parts are replaced by one":                              testReplaceParts,
		"what was replaced does not come back":                       testAddAfterReplace,
		"parts are replaced where there are none":                    testReplaceNothing,
		"entities do not run into each other":                        testPartsOfOthers,
		"writers of different entities lose nothing":                 testConcurrentParts,
		"large, empty and binary parts survive":                      testOddParts,
		"keys may contain anything":                                  testOddPartKeys,
		"what is long is listed completely":                          testManyParts,
		"a list may be ended early and used again":                   testPartsEndEarly,
		"writers do not wait for a slow consumer":                    testAddDuringParts,
		"a cancelled context lists nothing":                          testCancelledParts,
		"after a cancelled context, parts can be added":              testCancelledAdd,
		"what the caller does to its bytes afterwards has no effect": testNoPartAliasing,
	}
	run(t, name, tests, func(t *testing.T) *replicasFixture {
		t.Helper()
		return &replicasFixture{T: t, replicas: open(t), key: store.Key{Type: t.Name(), ID: "e1"}}
	})
}

// A replicasFixture is a store of CRDTs and an entity that nobody else uses.
type replicasFixture struct {
	*testing.T

	replicas store.Replicas
	key      store.Key
}

// of returns a fixture for another entity.
func (f *replicasFixture) of(typ, id string) *replicasFixture {
	return &replicasFixture{T: f.T, replicas: f.replicas, key: store.Key{Type: typ, ID: id}}
}

// add adds parts.
func (f *replicasFixture) add(parts ...string) {
	f.Helper()
	encoded := make([][]byte, 0, len(parts))
	for _, part := range parts {
		encoded = append(encoded, []byte(part))
	}
	require.NoError(f, f.replicas.AddParts(f.Context(), f.key, encoded...))
}

// replace replaces all parts.
func (f *replicasFixture) replace(part string) {
	f.Helper()
	require.NoError(f, f.replicas.ReplaceParts(f.Context(), f.key, []byte(part)))
}

// requireParts requires that the entity has exactly these parts, in any order.
func (f *replicasFixture) requireParts(want ...string) {
	f.Helper()
	got := []string{}
	for part, err := range f.replicas.Parts(f.Context()) {
		require.NoError(f, err)
		if part.Key == f.key {
			got = append(got, string(part.Data))
		}
	}
	require.ElementsMatch(f, want, got)
}

func testNoParts(f *replicasFixture) {
	f.requireParts()
}

func testAddParts(f *replicasFixture) {
	f.add("a")
	f.requireParts("a")
	f.add("b", "c")
	f.requireParts("a", "b", "c")
}

// A store may keep parts that are equal once.
func testAddTwice(f *replicasFixture) {
	f.add("a", "b")
	f.add("a")
	distinct := map[string]bool{}
	for part, err := range f.replicas.Parts(f.Context()) {
		require.NoError(f, err)
		if part.Key == f.key {
			distinct[string(part.Data)] = true
		}
	}
	require.Equal(f, map[string]bool{"a": true, "b": true}, distinct)
}

func testAddNothing(f *replicasFixture) {
	f.add()
	f.requireParts()
	f.add("a")
	f.add()
	f.requireParts("a")
}

func testReplaceParts(f *replicasFixture) {
	f.add("a", "b")
	f.add("c")
	f.replace("abc")
	f.requireParts("abc")
	f.replace("ABC")
	f.requireParts("ABC")
}

func testAddAfterReplace(f *replicasFixture) {
	f.add("a", "b")
	f.replace("ab")
	f.add("c")
	f.requireParts("ab", "c")
	f.replace("abc")
	f.requireParts("abc")
}

func testReplaceNothing(f *replicasFixture) {
	f.replace("a")
	f.requireParts("a")
}

func testPartsOfOthers(f *replicasFixture) {
	base := f.key.Type
	others := []*replicasFixture{
		f.of(base+"a", "b|c"), f.of(base+"a|b", "c"), f.of(base+"a", "bc"), f.of(base+"ab", "c"), f.of(base+"a", "b"), f.of(base+"b", "a"),
	}
	for _, other := range others {
		other.add("one of "+other.key.String(), "two of "+other.key.String())
	}
	others[0].replace("replaced")
	others[0].requireParts("replaced")
	for _, other := range others[1:] {
		other.requireParts("one of "+other.key.String(), "two of "+other.key.String())
	}
}

func testConcurrentParts(f *replicasFixture) {
	const writers, each = 4, 25
	var group sync.WaitGroup
	errs := make([]error, writers)
	for i := range writers {
		group.Go(func() {
			key := store.Key{Type: f.key.Type, ID: fmt.Sprint("e", i)}
			for n := range each {
				if errs[i] = f.replicas.AddParts(f.Context(), key, fmt.Append(nil, n)); errs[i] != nil {
					return
				}
				if n == each/2 {
					errs[i] = f.replicas.ReplaceParts(f.Context(), key, []byte("the first half"))
				}
			}
		})
	}
	group.Wait()
	want := []string{"the first half"}
	for n := each/2 + 1; n < each; n++ {
		want = append(want, fmt.Sprint(n))
	}
	for i, err := range errs {
		require.NoError(f, err)
		f.of(f.key.Type, fmt.Sprint("e", i)).requireParts(want...)
	}
}

func testOddParts(f *replicasFixture) {
	parts := []string{"", "\x00", "\xff\xfe\x00\n'", string(bytes.Repeat([]byte("large"), 1<<20/5))}
	f.add(parts...)
	f.requireParts(parts...)
	f.replace("")
	f.requireParts("")
}

func testOddPartKeys(f *replicasFixture) {
	for _, id := range odd {
		f.of(f.key.Type, id).add("part of " + id)
	}
	for _, id := range odd {
		f.of(f.key.Type, id).requireParts("part of " + id)
	}
}

func testManyParts(f *replicasFixture) {
	const entities, each = 300, 10
	want := map[store.Key]int{}
	for i := range entities {
		one := f.of(f.key.Type, fmt.Sprint("e", i))
		want[one.key] = each
		one.add(slices.Repeat([]string{"part"}, each-1)...)
		one.add("another part")
	}
	got := map[store.Key]int{}
	for part, err := range f.replicas.Parts(f.Context()) {
		require.NoError(f, err)
		if part.Key.Type == f.key.Type {
			got[part.Key]++
		}
	}
	require.Equal(f, want, got)
}

func testPartsEndEarly(f *replicasFixture) {
	f.add("a", "b", "c")
	seq := f.replicas.Parts(f.Context())
	for _, err := range seq {
		require.NoError(f, err)
		break
	}
	count := 0
	for part, err := range seq {
		require.NoError(f, err)
		if part.Key == f.key {
			count++
		}
	}
	require.Equal(f, 3, count)
}

func testAddDuringParts(f *replicasFixture) {
	f.add("a", "b")
	other := f.of(f.key.Type, "other")
	for _, err := range f.replicas.Parts(f.Context()) {
		require.NoError(f, err)
		f.replace("ab")
		other.add("c")
		break
	}
	f.requireParts("ab")
	other.requireParts("c")
}

func testCancelledParts(f *replicasFixture) {
	f.add("a")
	ctx, cancel := context.WithCancel(f.Context())
	cancel()
	calls := 0
	for part, err := range f.replicas.Parts(ctx) {
		calls++
		require.ErrorIs(f, err, context.Canceled)
		require.Zero(f, part)
	}
	require.Equal(f, 1, calls)
}

func testCancelledAdd(f *replicasFixture) {
	f.add("a")
	ctx, cancel := context.WithCancel(f.Context())
	cancel()
	if err := f.replicas.AddParts(ctx, f.key, []byte("b")); err != nil {
		require.ErrorIs(f, err, context.Canceled)
	}
	if err := f.replicas.ReplaceParts(ctx, f.key, []byte("ab")); err != nil {
		require.ErrorIs(f, err, context.Canceled)
	}
	f.replace("abc")
	f.requireParts("abc")
}

func testNoPartAliasing(f *replicasFixture) {
	for _, keep := range []func(part []byte) error{
		func(part []byte) error { return f.replicas.AddParts(f.Context(), f.key, part) },
		func(part []byte) error { return f.replicas.ReplaceParts(f.Context(), f.key, part) },
	} {
		part := []byte("part")
		require.NoError(f, keep(part))
		clear(part)
		for range 2 { // the second time shows whether the first one was a copy
			for stored, err := range f.replicas.Parts(f.Context()) {
				require.NoError(f, err)
				if stored.Key == f.key {
					require.Equal(f, "part", string(stored.Data))
					clear(stored.Data)
				}
			}
		}
	}
}
