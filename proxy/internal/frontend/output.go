package frontend

import (
	"net/http"
	"strconv"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cloudstate-go/cloudstate/protocol"
)

// pieceSize is how much of a response a client must accept within the time for writing.
const pieceSize = 64 << 10

// An output is the response to a request.
type output struct {
	http.ResponseWriter

	control *http.ResponseController
	timeout time.Duration
	// contentType is what the component wants it to be, where it has a say.
	contentType string
	// started is set when status and headers have been written.
	started bool
}

func newOutput(w http.ResponseWriter, timeout time.Duration) *output {
	return &output{ResponseWriter: w, control: http.NewResponseController(w), timeout: timeout}
}

// SetHeader implements Call.
func (o *output) SetHeader(from *protocol.Metadata) error {
	for name, value := range replyHeaders(from) {
		o.Header().Add(name, value)
	}
	for name, value := range textEntries(from) {
		if name == "content-type" && sendable(name, value) {
			o.contentType = value
		}
	}
	return nil
}

// start writes status and headers, for which there is time even if nothing follows.
func (o *output) start(code int, contentType string) {
	o.started = true
	o.Header().Set("Content-Type", contentType)
	_ = o.extend() // what does not work now does not work later
	o.WriteHeader(code)
}

// extend gives the client the time to accept what is written next.
func (o *output) extend() error {
	return o.control.SetWriteDeadline(time.Now().Add(o.timeout))
}

// write writes data in pieces, each of which has its time.
func (o *output) write(data []byte) error {
	for len(data) > 0 {
		piece := data[:min(len(data), pieceSize)]
		data = data[len(piece):]
		if err := o.extend(); err != nil {
			return o.lost(err)
		}
		if _, err := o.Write(piece); err != nil { //nolint:gosec // the content type says that it is no page
			return o.lost(err)
		}
	}
	return nil
}

// stream writes a part of a response, and sends it.
func (o *output) stream(contentType string, data []byte) error {
	if !o.started {
		o.start(http.StatusOK, contentType)
	}
	if err := o.write(data); err != nil {
		return err
	}
	return o.lost(o.control.Flush())
}

// lost returns the status for an error of writing.
func (o *output) lost(err error) error {
	if err == nil {
		return nil
	}
	return status.Errorf(codes.Canceled, "the client does not take the response: %v", err)
}

// abort breaks the connection, so that a client does not take for complete what is not.
func (o *output) abort() {
	panic(http.ErrAbortHandler) //nolint:forbidigo // net/http closes the connection and says nothing
}

// whole writes a response as a whole.
func (o *output) whole(code int, contentType string, data []byte) {
	o.Header().Set("Content-Length", strconv.Itoa(len(data)))
	o.start(code, contentType)
	_ = o.write(data) // nobody is left to be told
}

// text writes a response as plain text, which no browser may take for something else.
func (o *output) text(code int, text string) {
	o.Header().Set("X-Content-Type-Options", "nosniff")
	o.whole(code, "text/plain; charset=utf-8", []byte(text))
}

// fail writes the response to a call that has failed: its status as HTTP has it, and its
// description as text (protocol section 8.6).
func (o *output) fail(err error) {
	failed := status.Convert(err)
	o.text(httpStatus(failed.Code()), failed.Message())
}

// httpStatus returns the HTTP status of a gRPC status (protocol section 8.6). A timeout is
// that of a gateway (protocol section 3.6).
func httpStatus(code codes.Code) int {
	switch code {
	case codes.OK:
		return http.StatusOK
	case codes.Canceled, codes.InvalidArgument:
		return http.StatusBadRequest
	case codes.DeadlineExceeded:
		return http.StatusGatewayTimeout
	case codes.NotFound:
		return http.StatusNotFound
	case codes.AlreadyExists:
		return http.StatusConflict
	case codes.PermissionDenied:
		return http.StatusForbidden
	case codes.Unauthenticated:
		return http.StatusUnauthorized
	case codes.ResourceExhausted:
		return http.StatusInsufficientStorage
	case codes.FailedPrecondition:
		return http.StatusPreconditionFailed
	case codes.OutOfRange:
		return http.StatusRequestedRangeNotSatisfiable
	case codes.Unimplemented:
		return http.StatusNotImplemented
	case codes.Unavailable:
		return http.StatusServiceUnavailable
	case codes.Unknown, codes.Aborted, codes.Internal, codes.DataLoss:
		return http.StatusInternalServerError
	default:
		return http.StatusInternalServerError
	}
}
