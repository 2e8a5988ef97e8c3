package frontend

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// A refusal is why a request is not carried out, with its HTTP status.
type refusal struct {
	code int
	err  error
}

func (r *refusal) Error() string { return http.StatusText(r.code) + ": " + r.err.Error() }

func refuse(code int, format string, args ...any) error {
	return &refusal{code: code, err: fmt.Errorf(format, args...)}
}

// readEntity reads the body of a request, up to a size that holds before and after it is
// decompressed.
func readEntity(w http.ResponseWriter, r *http.Request, maxSize int64) ([]byte, error) {
	body := io.Reader(http.MaxBytesReader(w, r.Body, maxSize))
	switch encoding := strings.ToLower(r.Header.Get("Content-Encoding")); encoding {
	case "", "identity":
	case "gzip":
		unzipped, err := gzip.NewReader(body)
		if err != nil {
			return nil, unreadable(err, maxSize)
		}
		body = unzipped
	default:
		return nil, refuse(http.StatusUnsupportedMediaType, "the content encoding is %q, want gzip or none", encoding)
	}
	data, err := io.ReadAll(io.LimitReader(body, maxSize+1))
	if err == nil && int64(len(data)) > maxSize {
		err = &http.MaxBytesError{Limit: maxSize}
	}
	if err != nil {
		return nil, unreadable(err, maxSize)
	}
	return data, nil
}

// unreadable says why a body cannot be read.
func unreadable(err error, maxSize int64) error {
	_, tooLarge := errors.AsType[*http.MaxBytesError](err)
	timeout, timed := errors.AsType[net.Error](err)
	switch {
	case tooLarge:
		return refuse(http.StatusRequestEntityTooLarge, "the body has more than %d bytes", maxSize)
	case timed && timeout.Timeout():
		return refuse(http.StatusRequestTimeout, "the body did not arrive in time")
	default:
		return refuse(http.StatusBadRequest, "read the body: %w", err)
	}
}
