package program

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/proxy"
)

func TestManagement_DealsWithDeadLettersForTheMachineOnly(t *testing.T) {
	t.Parallel()
	handler := management(t.Context(), &proxy.Proxy{})
	for addr, want := range map[string]int{
		"127.0.0.1:1": http.StatusConflict, "[::1]:1": http.StatusConflict, // it does not run
		"10.0.0.1:1": http.StatusForbidden, "[fe80::1]:1": http.StatusForbidden, "nonsense": http.StatusForbidden,
	} {
		for path, method := range map[string]string{"/dead-letters/1": http.MethodDelete, "/dead-letters/1/redeliver": http.MethodPost} {
			request := httptest.NewRequestWithContext(t.Context(), method, path, nil)
			request.RemoteAddr = addr
			response := httptest.NewRecorder()
			handler.ServeHTTP(response, request)
			require.Equal(t, want, response.Code, "%s %s", addr, path)
		}
	}
}
