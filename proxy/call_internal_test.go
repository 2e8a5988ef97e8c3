package proxy

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/metadata"
)

// A header that is not text in UTF-8 could not be encoded as text. Clients of grpc-go do
// not send such headers, but others may.
func TestRequestMetadata_IsAlwaysText(t *testing.T) {
	t.Parallel()
	ctx := metadata.NewIncomingContext(t.Context(), metadata.MD{"name": {"J\xf6rg"}, "te": {"trailers"}, ":authority": {"here"}})
	entries := requestMetadata(ctx).GetEntries()
	require.Len(t, entries, 1)
	require.Equal(t, "J\uFFFDrg", entries[0].GetStringValue())
	require.Nil(t, requestMetadata(t.Context()))
}
