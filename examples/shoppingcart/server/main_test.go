package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// addrs gets the address of each proxy that serves, from its log.
type addrs chan string

func (a addrs) Write(line []byte) (int, error) {
	var record struct {
		Msg  string `json:"msg"`
		Addr string `json:"addr"`
	}
	if err := json.Unmarshal(line, &record); err != nil {
		return 0, err
	}
	if record.Msg == "proxy serves" {
		a <- record.Addr
	}
	return len(line), nil
}

// call returns the body of what a call is answered with.
func call(t *testing.T, method, url, body string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close() //nolint:errcheck // it is read
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode, "%s", text)
	return string(text)
}

// What the README does with curl: add an item, show the cart, and find it after a restart.
func TestServer_FindsTheCartAfterARestart(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "cart.db")
	serve := func(use func(addr string)) {
		serving, ended := make(addrs, 1), make(chan error, 1)
		ctx, stop := context.WithCancel(t.Context())
		go func() { ended <- withProxy(ctx, "127.0.0.1:0", file, slog.New(slog.NewJSONHandler(serving, nil))) }()
		use("http://" + <-serving)
		stop()
		require.NoError(t, <-ended)
	}
	const want = `{"items": [{"productId": "shirt", "name": "T-shirt", "quantity": 2}]}`
	serve(func(addr string) {
		require.JSONEq(t, `{}`, call(t, http.MethodPost, addr+"/cart/jo/items/add", `{"productId": "shirt", "name": "T-shirt", "quantity": 2}`))
		require.JSONEq(t, want, call(t, http.MethodGet, addr+"/carts/jo", ""))
	})
	serve(func(addr string) {
		require.JSONEq(t, want, call(t, http.MethodGet, addr+"/carts/jo", ""))
	})
}

func TestServer_SaysWhatIsWrongWithTheFile(t *testing.T) {
	t.Parallel()
	err := withProxy(t.Context(), "127.0.0.1:0", filepath.Join(t.TempDir(), "none", "cart.db"), slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "there is no directory")
}
