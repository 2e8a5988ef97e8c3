package replica_test

import (
	"bytes"
	"encoding/hex"
	goflag "flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
	"github.com/cloudstate-go/cloudstate/proxy/internal/replica"
)

var update = goflag.Bool("update", false, "write the golden files")

// goldenValue has a CRDT of each type.
func goldenValue() *crdtpb.CrdtDelta {
	entries := &crdtpb.ORMapDelta{}
	for _, e := range []struct {
		key   string
		delta *crdtpb.CrdtDelta
	}{
		{"counter", gcounter(3)},
		{"flag", flag(true)},
		{"growing", gset("a", "b")},
		{"map", ormapOf("inner", pncounter(-1))},
		{"pn", pncounter(-7)},
		{"register", register("value", crdtpb.CrdtClock_CUSTOM, 9)},
		{"set", added("x", "y")},
		{"vote", vote(true, 0, 0)},
	} {
		entries.Added = append(entries.Added, at(e.key, e.delta)...)
	}
	return ormap(entries)
}

// What is kept in stores, and sent by proxies of other releases, can be read for ever. To
// change the encoding is to give it another version, and to read both.
func TestDecode_ReadsWhatWasKept(t *testing.T) {
	t.Parallel()
	a, b := newNode(t, "a"), newNode(t, "b")
	a.write(goldenValue())
	b.merge(a.state)
	b.tell()
	part := b.write(ormap(&crdtpb.ORMapDelta{Updated: at("counter", gcounter(4)), Removed: texts("pn")}))
	for name, state := range map[string]*replica.State{"whole": a.state, "part": part, "tombstone": replica.Tombstone()} {
		path := filepath.Join("testdata", "golden", name+".hex")
		if *update {
			require.NoError(t, os.WriteFile(path, []byte(hex.EncodeToString(state.Encode())+"\n"), 0o600))
		}
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		golden, err := hex.DecodeString(string(bytes.TrimSpace(text)))
		require.NoError(t, err)
		decoded, err := replica.Decode(golden)
		require.NoError(t, err)
		require.True(t, decoded.Equal(state), "%s is not what it was", name)
	}
}
