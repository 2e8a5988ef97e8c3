package frontend

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A header that is not text in UTF-8 could not be encoded as text. Clients of grpc-go do
// not send such headers, but others may.
func TestRequestMetadata_IsAlwaysText(t *testing.T) {
	t.Parallel()
	same := func(_, value string) string { return value }
	entries := requestMetadata(map[string][]string{"Name": {"J\xf6rg"}, "Te": {"trailers"}, ":authority": {"here"}}, same).GetEntries()
	require.Len(t, entries, 1)
	require.Equal(t, "name", entries[0].GetKey())
	require.Equal(t, "J\uFFFDrg", entries[0].GetStringValue())
	require.Nil(t, requestMetadata(nil, same))
}

// Sections 6.2 and 6.4: what a proxy and its client say to each other is not for a
// component, neither to read nor to write.
func TestReserved_HopByHop(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
	} {
		require.True(t, reserved(name), name)
	}
	for _, name := range []string{"authorization", "www-authenticate", "x-proxy", "vary"} {
		require.False(t, reserved(name), name)
	}
}
