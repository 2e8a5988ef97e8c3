package proxy_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/proxy/internal/scripted"
	"github.com/cloudstate-go/cloudstate/proxy/store/memory"
)

func TestProxy_KeepsWhatTheUserFunctionSaysOfItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stored := memory.New()
		start(t, func(f *fixture) { f.proxy.Descriptors = stored }).ready()
		kept, err := stored.Descriptors(t.Context())
		require.NoError(t, err)
		var answer protocol.EntitySpec
		require.NoError(t, proto.Unmarshal(kept, &answer))
		require.True(t, proto.Equal(scripted.Spec(t), &answer))
	})
}

// noDescriptors is a store that cannot keep descriptors.
type noDescriptors struct{ *memory.Store }

func (noDescriptors) SaveDescriptors(context.Context, []byte) error { return errors.New("no space") }

func TestProxy_ServesWhenDescriptorsCannotBeKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t, func(f *fixture) { f.proxy.Descriptors = noDescriptors{memory.New()} }).ready()
		f.open("u1").Close()
	})
}
