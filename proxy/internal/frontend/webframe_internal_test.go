package frontend

import (
	"encoding/base64"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseTimeout(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"1H": time.Hour, "2M": 2 * time.Minute, "3S": 3 * time.Second, "4m": 4 * time.Millisecond, "5u": 5 * time.Microsecond, "6n": 6,
		"0S": 0, "99999999n": 99999999, "99999999H": 2562047 * time.Hour,
	} {
		got, ok := parseTimeout(text)
		require.True(t, ok, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "1", "S", "-1S", "+1S", "1s", "100000000S", "1 S", "x"} {
		_, ok := parseTimeout(text)
		require.False(t, ok, text)
	}
}

// FuzzWebEncoding checks that any body is a list of messages or an error, and that messages
// survive a round trip.
func FuzzWebEncoding(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\x01a\x00\x00\x00\x00\x00"))
	f.Add([]byte("\x01\x00\x00\x00\x01a"))
	f.Add([]byte("\x80\x00\x00\x00\x01a"))
	f.Add([]byte("\x00\xff\xff\xff\xff"))
	f.Add([]byte("AAAAAAA=AAAAAAA="))
	f.Add([]byte("=A"))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, encoding := range []webEncoding{{text: true}, {text: false}} {
			messages, err := encoding.messages(body, "gzip", 100)
			if err != nil {
				require.NotEmpty(t, err.Error())
				continue
			}
			again := make([]byte, 0, len(body))
			for _, message := range messages {
				require.LessOrEqual(t, len(message), 100)
				again = append(again, encoding.frame(0, message)...)
			}
			copied, err := encoding.messages(again, "", 100)
			require.NoError(t, err)
			require.Len(t, copied, len(messages))
			for i := range copied {
				require.Equal(t, string(messages[i]), string(copied[i]))
			}
		}
	})
}

// FuzzDecodePadded checks that parts of base64 are decoded wherever they are cut.
func FuzzDecodePadded(f *testing.F) {
	f.Add([]byte("a"), []byte("bc"))
	f.Add([]byte(""), []byte("def"))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		text := base64.StdEncoding.EncodeToString(first) + base64.StdEncoding.EncodeToString(second)
		got, err := decodePadded([]byte(text))
		require.NoError(t, err)
		require.Equal(t, string(first)+string(second), string(got))
	})
}
