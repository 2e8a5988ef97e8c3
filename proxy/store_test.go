package proxy_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/proxy/internal/scripted"
	"github.com/cloudstate-go/cloudstate/proxy/store/memory"
)

// A store that is set as Journal keeps whatever else it can, so that a proxy with a durable
// one does not keep values in memory by mistake.
func TestProxy_KeepsInTheJournalWhatHasNoStoreOfItsOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stored := memory.New()
		keeping := func(f *fixture) { f.proxy.Journal = stored }
		f := start(t, keeping).ready()
		c := f.askOf(t.Context(), scripted.Value, "v1")
		value := f.AcceptValue()
		value.RequireInit("v1")
		value.Reply(value.RequireCommand(1, "Ask"), scripted.Answer("kept"), scripted.Update(scripted.Question("v1", "state")))
		c.requireAnswer("kept")
		f.stop()
		require.NoError(t, <-f.done)
		descriptors, err := stored.Descriptors(t.Context())
		require.NoError(t, err)
		require.NotEmpty(t, descriptors)

		f = start(t, keeping).ready()
		c = f.askOf(t.Context(), scripted.Value, "v1")
		value = f.AcceptValue()
		require.Equal(t, scripted.Question("v1", "state").GetValue(), value.RequireInit("v1").GetValue().GetValue())
		value.Reply(value.RequireCommand(1, "Ask"), scripted.Answer("still there"), nil)
		c.requireAnswer("still there")
	})
}

// A journal that cannot keep anything else is no reason not to serve.
func TestProxy_KeepsInMemoryWhatTheJournalCannot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := start(t, func(f *fixture) { f.proxy.Journal = onlyJournal{memory.New()} }).ready()
		c := f.askOf(t.Context(), scripted.Value, "v1")
		value := f.AcceptValue()
		value.RequireInit("v1")
		value.Reply(value.RequireCommand(1, "Ask"), scripted.Answer("kept"), scripted.Update(scripted.Question("v1", "state")))
		c.requireAnswer("kept")
	})
}
