package frontend_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/proxy/internal/frontend"
)

// Pages of other origins are let in only if that is configured.
func TestCORS(t *testing.T) {
	t.Parallel()
	const shop, other = "https://shop.example.com", "https://other.example.com"
	tests := map[string]struct {
		origins []string
		origin  string
		allowed bool
	}{
		"nobody, by default":     {nil, shop, false},
		"one that is configured": {[]string{other, shop}, shop, true},
		"one that is not":        {[]string{other}, shop, false},
		"anybody":                {[]string{"*"}, shop, true},
		"no page":                {[]string{"*"}, "", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := start(t, frontend.Config{Handler: echo, Origins: tt.origins})
			n.Publish(kinds(t))
			preflight := n.do(t, "OPTIONS", "/webtest.Kinds/Echo", "", "Origin", tt.origin,
				"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type,x-grpc-web")
			call := n.do(t, "POST", "/webtest.Kinds/In", `{"name":"a"}`, "Origin", tt.origin, "Content-Type", "application/json")
			call.require(t, http.StatusOK, "application/json", `{"name":"a"}`) // it is for the browser to refuse

			// Or a cache could give the response to a page that may not have it, or withhold it.
			if len(tt.origins) > 0 {
				require.Equal(t, []string{"Origin"}, call.Header.Values("Vary"))
			} else {
				require.Empty(t, call.Header.Values("Vary"))
			}
			if !tt.allowed {
				require.Equal(t, http.StatusMethodNotAllowed, preflight.StatusCode)
				require.Empty(t, preflight.Header.Get("Access-Control-Allow-Origin"))
				require.Empty(t, call.Header.Get("Access-Control-Allow-Origin"))
				return
			}
			require.Equal(t, http.StatusNoContent, preflight.StatusCode)
			require.Equal(t, tt.origin, preflight.Header.Get("Access-Control-Allow-Origin"))
			require.Equal(t, "POST", preflight.Header.Get("Access-Control-Allow-Methods"))
			require.Equal(t, "content-type,x-grpc-web", preflight.Header.Get("Access-Control-Allow-Headers"))
			require.Equal(t, tt.origin, call.Header.Get("Access-Control-Allow-Origin"))
			require.Equal(t, "*", call.Header.Get("Access-Control-Expose-Headers"))
		})
	}
}
