package conformance

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/api/httpbody"

	"github.com/cloudstate-go/cloudstate/conformance/internal/probepb"
	"github.com/cloudstate-go/cloudstate/protocol"
)

// checkStreamedJSON requires that each reply arrives before the next one is made. A line begins
// with a prefix; if that is not empty, a space and an empty line may follow, as for server-sent
// events.
func checkStreamedJSON(t *trial, r *rig, accept, contentType, prefix string) {
	request := &probepb.Fields{Text: r.newID("watch")}
	header := http.Header{}
	if accept != "" {
		header.Set("Accept", accept)
	}
	call := r.sendWith(t, "GET", "/probe/watch/"+request.GetText(), "", header)
	d := r.acceptRequest(t, probeName, "Watch", request)
	d.requireHeader(probeName, "Watch", request)
	var lines *bufio.Reader
	for _, text := range []string{"one", "two", "three"} {
		d.say(actionReply(&probepb.Fields{Text: text}))
		if lines == nil {
			lines = bufio.NewReader(call.begun().Body) //nolint:bodyclose // closed with the trial
		}
		line, found := strings.CutPrefix(readLine(t, r, lines), prefix)
		require.True(t, found, "the line %q begins with %q", line, prefix)
		if prefix != "" {
			line = strings.TrimPrefix(line, " ")
			require.Empty(t, readLine(t, r, lines), "the line after an event")
		}
		require.Equal(t, strings.Replace(emptyJSON, `"text":""`, `"text":"`+text+`"`, 1), line, "the next reply") //nolint:testifylint // byte for byte
	}
	require.Equal(t, http.StatusOK, call.response.StatusCode, "the status")
	mediaType, _, _ := strings.Cut(call.response.Header.Get("Content-Type"), ";")
	require.Equal(t, contentType, mediaType, "the content type")
	d.End(nil)
	rest, err := io.ReadAll(lines)
	require.NoError(t, err, "the end of the body")
	require.Empty(t, string(rest), "the rest of the body")
}

// checkStreamedCRDT watches a CRDT entity, and leaves.
func checkStreamedCRDT(t *trial, r *rig) {
	w := &watched{specimen: r.specimen(t, crdtKind, watchedName)}
	call := r.send(t, "POST", "/"+watchedName+"/Watch", `{"id":"`+w.id+`"}`)
	w.d = w.accept()
	w.d.require(w.init(), w.watching())
	w.d.say(w.opened())
	require.Contains(t, readLine(t, r, bufio.NewReader(call.begun().Body)), `"text":"open"`, "the first line") //nolint:bodyclose // closed with the trial
	require.NoError(t, call.response.Body.Close(), "leave")
	w.d.require(streamCancelled(w.id, 1))
	w.d.say(w.confirm())
}

// readLine reads a line, or fails the check when that takes too long.
func readLine(t *trial, r *rig, from *bufio.Reader) string {
	var line string
	r.reading(t, func() (err error) {
		line, err = from.ReadString('\n')
		return err
	})
	return strings.TrimSuffix(line, "\n")
}

// reading reads something, or fails the check when that takes too long.
func (r *rig) reading(t *trial, read func() error) {
	ctx, cancel := r.limit(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- read() }() // ends with the trial, at the latest
	select {
	case err := <-done:
		require.NoError(t, err, "read the body")
	case <-ctx.Done():
		t.Fatalf("the body has not gone on: %v", context.Cause(ctx))
	}
}

// checkDownload streams pieces of a body. The metadata of the first may name the content type.
func checkDownload(t *trial, r *rig, inMetadata, contentType string) {
	request := &probepb.Fields{Text: r.newID("download")}
	call := r.send(t, "GET", "/probe/download/"+request.GetText(), "")
	d := r.acceptRequest(t, probeName, "Download", request)
	d.requireHeader(probeName, "Download", request)
	var entries []*protocol.MetadataEntry
	if inMetadata != "" {
		entries = append(entries, textEntry("content-type", inMetadata))
	}
	for i, piece := range []string{"one,", "", "two\n"} {
		d.say(actionReply(&httpbody.HttpBody{Data: []byte(piece)}, entries...))
		if i == 0 {
			got := make([]byte, len(piece))
			body := call.begun().Body //nolint:bodyclose // closed with the trial
			r.reading(t, func() error {
				_, err := io.ReadFull(body, got)
				return err
			})
			require.Equal(t, piece, string(got), "the first piece")
		}
	}
	d.End(nil)
	require.Equal(t, "two\n", call.body(), "the rest")
	require.Equal(t, contentType, call.response.Header.Get("Content-Type"), "the content type")
}

// checkRawBody has a body instead of a reply in JSON.
func checkRawBody(t *trial, r *rig) {
	request := &probepb.Fields{Text: r.newID("raw")}
	call := r.send(t, "GET", "/probe/raw/"+request.GetText(), "")
	r.answerProbe(t, "Raw", request, &httpbody.HttpBody{ContentType: "image/png", Data: []byte("\x89PNG")})
	call.requireText(http.StatusOK, "\x89PNG")
	require.Equal(t, "image/png", call.response.Header.Get("Content-Type"), "the content type")
}

func checkAnyRequest(t *trial, r *rig) {
	for _, method := range []string{"GET", "POST"} {
		_ = r.send(t, method, "/", "").body()
	}
}

func checkNetworkProbe(t *trial, r *rig, value string, status int, text string) {
	header := http.Header{"K-Network-Probe": {value}}
	r.sendWith(t, "GET", "/", "", header).requireText(status, text)
}
