package storetest

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// RunDescriptors runs the conformance tests for descriptors, in the way of [Run], except
// that open must return a new store each time.
func RunDescriptors(t *testing.T, name string, open func(t *testing.T) store.Descriptors) {
	t.Helper()
	tests := map[string]func(*descriptorsFixture){
		"a new store has none":                                       testNoDescriptors,
		"the last ones are kept":                                     testLastDescriptors,
		"empty ones are not none":                                    testEmptyDescriptors,
		"large ones survive":                                         testLargeDescriptors,
		"a cancelled context reads nothing":                          testCancelledDescriptors,
		"what the caller does to its bytes afterwards has no effect": testNoDescriptorsAliasing,
	}
	run(t, name, tests, func(t *testing.T) *descriptorsFixture {
		t.Helper()
		return &descriptorsFixture{T: t, descriptors: open(t)}
	})
}

// A descriptorsFixture is a store that nobody else uses.
type descriptorsFixture struct {
	*testing.T

	descriptors store.Descriptors
}

// require requires that this is kept.
func (f *descriptorsFixture) require(want []byte) {
	f.Helper()
	got, err := f.descriptors.Descriptors(f.Context())
	require.NoError(f, err)
	require.True(f, bytes.Equal(want, got))
	require.Equal(f, want == nil, got == nil)
}

func testNoDescriptors(f *descriptorsFixture) {
	f.require(nil)
}

func testLastDescriptors(f *descriptorsFixture) {
	for _, spec := range []string{"first", "\x00second\xff", "third"} {
		require.NoError(f, f.descriptors.SaveDescriptors(f.Context(), []byte(spec)))
		f.require([]byte(spec))
	}
}

func testEmptyDescriptors(f *descriptorsFixture) {
	require.NoError(f, f.descriptors.SaveDescriptors(f.Context(), nil))
	f.require([]byte{})
}

func testLargeDescriptors(f *descriptorsFixture) {
	large := bytes.Repeat([]byte("0123456789abcdef"), 256<<10) // 4 MiB
	require.NoError(f, f.descriptors.SaveDescriptors(f.Context(), large))
	f.require(large)
}

func testCancelledDescriptors(f *descriptorsFixture) {
	require.NoError(f, f.descriptors.SaveDescriptors(f.Context(), []byte("spec")))
	ctx, cancel := context.WithCancel(f.Context())
	cancel()
	_, err := f.descriptors.Descriptors(ctx)
	require.ErrorIs(f, err, context.Canceled)
}

func testNoDescriptorsAliasing(f *descriptorsFixture) {
	spec := []byte("spec")
	require.NoError(f, f.descriptors.SaveDescriptors(f.Context(), spec))
	clear(spec)
	for range 2 { // the second time shows whether the first one was a copy
		got, err := f.descriptors.Descriptors(f.Context())
		require.NoError(f, err)
		require.Equal(f, "spec", string(got))
		clear(got)
	}
}
