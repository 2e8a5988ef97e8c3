package program

import (
	"context"
	"io"
	"net/http"

	"github.com/cloudstate-go/cloudstate/proxy"
)

// addHealth adds GET /alive and GET /ready (protocol section 2.9): being alive is being able to
// answer, and ready is a proxy that serves clients and will go on, which it does not when the
// context has ended.
func addHealth(ctx context.Context, mux *http.ServeMux, of *proxy.Proxy) {
	mux.HandleFunc("GET /alive", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "alive") })
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) {
		if ctx.Err() != nil {
			answer(w, http.StatusServiceUnavailable, "not ready: the proxy is stopping")
			return
		}
		select {
		case <-of.Ready():
			answer(w, http.StatusOK, "ready")
		default:
			answer(w, http.StatusServiceUnavailable, "not ready: the user function has not been discovered yet; see the log")
		}
	})
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n") //nolint:gosec // it is plain text; and who asked may have gone
}
