package replication

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/proxy/internal/replica"
)

// FuzzDecode checks that decoding never panics, and that what it accepts survives a
// round trip.
func FuzzDecode(f *testing.F) {
	for _, m := range []*message{
		{op: opWrite, request: 300, key: Key{Type: "cart", ID: "u1"}, state: []byte{1, 2}},
		{op: opAck, request: 1, key: Key{Type: "", ID: "u1"}},
		{op: opDigest},
		{op: opSummary, state: encodeSummary([buckets]uint64{1, 2, 3})},
		{op: opDiffer, state: []byte{0, 0, 0, 0, 0, 0, 0, 9}},
		{op: opDigest, digests: []digest{{key: Key{Type: "cart", ID: "u1"}, sum: replica.Digest{1}}, {key: Key{Type: "cart", ID: "u2"}}}},
	} {
		f.Add(m.encode())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := decode(data)
		if err != nil {
			return
		}
		again, err := decode(m.encode())
		require.NoError(t, err)
		require.Equal(t, m, again)
	})
}
