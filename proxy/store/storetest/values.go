package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// RunValues runs the conformance tests for values, in the way of [Run].
func RunValues(t *testing.T, name string, open func(t *testing.T) store.Values) {
	t.Helper()
	tests := map[string]func(*valuesFixture){
		"nothing is stored of a new entity":                               testNoValue,
		"a value is stored":                                               testPut,
		"a value is replaced":                                             testReplace,
		"a deleted value is gone, but not its version":                    testDelete,
		"what does not exist can be deleted":                              testDeleteNothing,
		"a deleted value can be stored again":                             testPutAfterDelete,
		"a write that expects an old version is refused":                  testOldVersion,
		"a write that expects a version that never was is refused":        testFutureVersion,
		"a refused write says where to go on":                             testRefusalRecovers,
		"a write without an operation id is refused":                      testWriteWithoutOpID,
		"of concurrent writers exactly one wins":                          testOneWriteWins,
		"concurrent writers that retry lose nothing":                      testValueWritersRetry,
		"a stored write resolves to its version":                          testResolveStoredWrite,
		"a write that was never made resolves to not stored":              testResolveUnknownWrite,
		"a write that may have been overwritten is not called not stored": testResolveOverwritten,
		"a write that is repeated is refused and stored once":             testRepeatedWrite,
		"a cancelled context stores nothing that is not resolvable":       testCancelledWrite,
		"a cancelled context reads nothing":                               testCancelledGet,
		"large, empty and binary values survive":                          testOddValues,
		"keys may contain anything":                                       testOddValueKeys,
		"what the caller does to its bytes afterwards has no effect":      testNoValueAliasing,
	}
	run(t, name, tests, func(t *testing.T) *valuesFixture {
		t.Helper()
		return &valuesFixture{T: t, values: open(t), key: store.Key{Type: t.Name(), ID: "e1"}}
	})
}

// A valuesFixture is a store of values and an entity that nobody else uses.
type valuesFixture struct {
	*testing.T

	values store.Values
	key    store.Key
}

// expecting returns a write to the entity of f.
func (f *valuesFixture) expecting(version store.Version) store.Write {
	return store.Write{Key: f.key, Expected: version, OpID: newOpID()}
}

// put stores a value and returns its version.
func (f *valuesFixture) put(expected store.Version, value string) store.Version {
	f.Helper()
	version, err := f.values.Put(f.Context(), f.expecting(expected), []byte(value))
	require.NoError(f, err)
	return version
}

// delete deletes the value and returns the version after it.
func (f *valuesFixture) delete(expected store.Version) store.Version {
	f.Helper()
	version, err := f.values.Delete(f.Context(), f.expecting(expected))
	require.NoError(f, err)
	return version
}

// requireValue requires that this is stored.
func (f *valuesFixture) requireValue(version store.Version, value string) {
	f.Helper()
	stored, err := f.values.Get(f.Context(), f.key)
	require.NoError(f, err)
	require.True(f, stored.Exists)
	require.Equal(f, value, string(stored.Data))
	require.Equal(f, version, stored.Version)
}

// requireNothing requires that no value is stored.
func (f *valuesFixture) requireNothing(version store.Version) {
	f.Helper()
	stored, err := f.values.Get(f.Context(), f.key)
	require.NoError(f, err)
	require.False(f, stored.Exists)
	require.Empty(f, stored.Data)
	require.Equal(f, version, stored.Version)
}

// requireRefused requires that a write was refused, and returns the actual version.
func (f *valuesFixture) requireRefused(w store.Write, err error) store.Version {
	f.Helper()
	var refused *store.VersionError
	require.ErrorAs(f, err, &refused)
	require.NotErrorIs(f, err, store.ErrUnknown)
	require.Equal(f, w.Key, refused.Key)
	require.Equal(f, w.Expected, refused.Expected)
	return refused.Actual
}

// refused does writes that must be refused, and returns the actual version.
func (f *valuesFixture) refused(expected store.Version) store.Version {
	f.Helper()
	w := f.expecting(expected)
	_, err := f.values.Put(f.Context(), w, []byte("refused"))
	f.requireRefused(w, err)
	w = f.expecting(expected)
	_, err = f.values.Delete(f.Context(), w)
	return f.requireRefused(w, err)
}

func testNoValue(f *valuesFixture) {
	f.requireNothing(0)
}

func testPut(f *valuesFixture) {
	version := f.put(0, "a")
	require.NotZero(f, version)
	f.requireValue(version, "a")
}

func testReplace(f *valuesFixture) {
	first := f.put(0, "a")
	second := f.put(first, "b")
	require.NotEqual(f, first, second)
	f.requireValue(second, "b")
}

func testDelete(f *valuesFixture) {
	stored := f.put(0, "a")
	deleted := f.delete(stored)
	require.NotEqual(f, stored, deleted)
	require.NotZero(f, deleted)
	f.requireNothing(deleted)
	require.Equal(f, deleted, f.refused(0))
	require.Equal(f, deleted, f.refused(stored))
}

func testDeleteNothing(f *valuesFixture) {
	first := f.delete(0)
	require.NotZero(f, first)
	f.requireNothing(first)
	f.requireNothing(f.delete(first))
}

func testPutAfterDelete(f *valuesFixture) {
	first := f.put(0, "a")
	deleted := f.delete(first)
	second := f.put(deleted, "b")
	require.NotEqual(f, first, second)
	require.NotEqual(f, deleted, second)
	f.requireValue(second, "b")
}

func testOldVersion(f *valuesFixture) {
	first := f.put(0, "a")
	second := f.put(first, "b")
	require.Equal(f, second, f.refused(first))
	require.Equal(f, second, f.refused(0))
	f.requireValue(second, "b")
}

func testFutureVersion(f *valuesFixture) {
	const never = 1 << 40
	require.Equal(f, store.Version(0), f.refused(never))
	version := f.put(0, "a")
	require.Equal(f, version, f.refused(never))
	f.requireValue(version, "a")
}

func testRefusalRecovers(f *valuesFixture) {
	f.put(0, "a")
	f.requireValue(f.put(f.refused(0), "b"), "b")
}

func testWriteWithoutOpID(f *valuesFixture) {
	_, err := f.values.Put(f.Context(), store.Write{Key: f.key}, []byte("a"))
	require.ErrorContains(f, err, "the operation id is zero")
	require.NotErrorIs(f, err, store.ErrUnknown)
	_, err = f.values.Delete(f.Context(), store.Write{Key: f.key})
	require.ErrorContains(f, err, "the operation id is zero")
	f.requireNothing(0)
}

func testOneWriteWins(f *valuesFixture) {
	version := f.put(0, "a")
	const writers = 8
	var wins atomic.Int32
	var group sync.WaitGroup
	errs := make([]error, writers)
	for i := range writers {
		group.Go(func() {
			_, errs[i] = f.values.Put(f.Context(), f.expecting(version), []byte("b"))
			if errs[i] == nil {
				wins.Add(1)
			}
		})
	}
	group.Wait()
	require.Equal(f, int32(1), wins.Load())
	for _, err := range errs {
		if err == nil {
			continue
		}
		var refused *store.VersionError
		require.ErrorAs(f, err, &refused)
		f.requireValue(refused.Actual, "b")
	}
}

func testValueWritersRetry(f *valuesFixture) {
	const writers, each = 4, 25
	var group sync.WaitGroup
	errs := make([]error, writers)
	for i := range writers {
		group.Go(func() { errs[i] = f.count(each) })
	}
	group.Wait()
	for _, err := range errs {
		require.NoError(f, err)
	}
	stored, err := f.values.Get(f.Context(), f.key)
	require.NoError(f, err)
	require.Equal(f, fmt.Sprint(writers*each), string(stored.Data))
}

// count increases the value, and starts over when another writer was faster.
func (f *valuesFixture) count(times int) error {
	for done := 0; done < times; {
		stored, err := f.values.Get(f.Context(), f.key)
		if err != nil {
			return err
		}
		n := 0
		if stored.Exists {
			if _, err := fmt.Sscan(string(stored.Data), &n); err != nil {
				return err
			}
		}
		_, err = f.values.Put(f.Context(), f.expecting(stored.Version), []byte(fmt.Sprint(n+1)))
		var refused *store.VersionError
		switch {
		case err == nil:
			done++
		case !errors.As(err, &refused):
			return err
		}
	}
	return nil
}

func testResolveStoredWrite(f *valuesFixture) {
	w := f.expecting(0)
	version, err := f.values.Put(f.Context(), w, []byte("a"))
	require.NoError(f, err)
	f.requireStored(w, version)
	w = f.expecting(version)
	version, err = f.values.Delete(f.Context(), w)
	require.NoError(f, err)
	f.requireStored(w, version)
}

// requireStored requires that a write resolves to a version.
func (f *valuesFixture) requireStored(w store.Write, version store.Version) {
	f.Helper()
	resolved, stored, err := f.values.ResolveWrite(f.Context(), w)
	require.NoError(f, err)
	require.True(f, stored)
	require.Equal(f, version, resolved)
}

// requireNotStored requires that a write resolves to not stored.
func (f *valuesFixture) requireNotStored(w store.Write) {
	f.Helper()
	_, stored, err := f.values.ResolveWrite(f.Context(), w)
	require.NoError(f, err)
	require.False(f, stored)
}

func testResolveUnknownWrite(f *valuesFixture) {
	f.requireNotStored(f.expecting(0))
	version := f.put(0, "a")
	f.requireNotStored(f.expecting(version))
	other := f.expecting(0)
	other.Key.ID = "other"
	f.requireNotStored(other)
}

// A store that remembers all operations may know better than one that does not.
func testResolveOverwritten(f *valuesFixture) {
	w := f.expecting(0)
	version, err := f.values.Put(f.Context(), w, []byte("a"))
	require.NoError(f, err)
	actual := f.put(version, "b")
	resolved, stored, err := f.values.ResolveWrite(f.Context(), w)
	if err == nil {
		require.True(f, stored)
		require.Equal(f, version, resolved)
		return
	}
	require.Equal(f, actual, f.requireRefused(w, err))
}

func testRepeatedWrite(f *valuesFixture) {
	w := f.expecting(0)
	version, err := f.values.Put(f.Context(), w, []byte("a"))
	require.NoError(f, err)
	_, err = f.values.Put(f.Context(), w, []byte("a"))
	require.Equal(f, version, f.requireRefused(w, err))
	f.requireValue(version, "a")
	f.requireStored(w, version)
}

func testCancelledWrite(f *valuesFixture) {
	ctx, cancel := context.WithCancel(f.Context())
	cancel()
	w := f.expecting(0)
	_, err := f.values.Put(ctx, w, []byte("a"))
	require.Error(f, err)
	version, stored, resolveErr := f.values.ResolveWrite(f.Context(), w)
	require.NoError(f, resolveErr)
	if stored {
		require.ErrorIs(f, err, store.ErrUnknown)
		f.requireValue(version, "a")
		return
	}
	f.requireNothing(0)
	_, _, err = f.values.ResolveWrite(ctx, w)
	require.ErrorIs(f, err, context.Canceled)
}

func testCancelledGet(f *valuesFixture) {
	f.put(0, "a")
	ctx, cancel := context.WithCancel(f.Context())
	cancel()
	_, err := f.values.Get(ctx, f.key)
	require.ErrorIs(f, err, context.Canceled)
}

func testOddValues(f *valuesFixture) {
	large := string(bytes.Repeat([]byte("0123456789abcdef"), 256<<10)) // 4 MiB
	var version store.Version
	for _, value := range []string{"", "\x00", "\xff\xfe", "'; DROP TABLE entity_values; --", large} {
		version = f.put(version, value)
		f.requireValue(version, value)
	}
}

func testOddValueKeys(f *valuesFixture) {
	base := f.key.Type
	versions := map[store.Key]store.Version{
		{Type: base + "a", ID: "b|c"}: 0, {Type: base + "a|b", ID: "c"}: 0, {Type: base + "a", ID: "bc"}: 0, {Type: base + "ab", ID: "c"}: 0,
	}
	for _, id := range odd {
		versions[store.Key{Type: base, ID: id}] = 0
	}
	for key := range versions {
		entity := &valuesFixture{T: f.T, values: f.values, key: key}
		versions[key] = entity.put(0, "value of "+key.String())
	}
	for key := range versions {
		entity := &valuesFixture{T: f.T, values: f.values, key: key}
		entity.requireValue(versions[key], "value of "+key.String())
	}
}

func testNoValueAliasing(f *valuesFixture) {
	value := []byte("value")
	version, err := f.values.Put(f.Context(), f.expecting(0), value)
	require.NoError(f, err)
	clear(value)
	for range 2 { // the second time shows whether the first one was a copy
		stored, err := f.values.Get(f.Context(), f.key)
		require.NoError(f, err)
		require.Equal(f, "value", string(stored.Data))
		clear(stored.Data)
	}
	f.requireValue(version, "value")
}
