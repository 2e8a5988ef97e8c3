package frontend

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/status"
)

// Flags of a frame of gRPC-Web.
const (
	compressedFlag = 0x01
	trailersFlag   = 0x80
)

// frameHeader is the size of flags and length in front of a message.
const frameHeader = 5

// A webEncoding is how a message of gRPC-Web is written.
type webEncoding struct {
	known bool
	text  bool // in base64
}

// webEncodingOf returns the encoding of a request.
func webEncodingOf(r *http.Request) webEncoding {
	mediaType, _, _ := strings.Cut(strings.ToLower(r.Header.Get("Content-Type")), ";")
	base, codec, _ := strings.Cut(strings.TrimSpace(mediaType), "+")
	return webEncoding{known: (base == webType || base == webTextType) && (codec == "" || codec == "proto"), text: base == webTextType}
}

// answer returns the encoding of the response: what the client accepts, or that of its
// request if it does not say.
func (e webEncoding) answer(r *http.Request) webEncoding {
	accepted := strings.ToLower(r.Header.Get("Accept"))
	if strings.HasPrefix(accepted, webType) {
		e.text = strings.HasPrefix(accepted, webTextType)
	}
	return e
}

func (e webEncoding) contentType() string {
	if e.text {
		return webTextType + "+proto"
	}
	return webType + "+proto"
}

// frame returns a message with its header.
func (e webEncoding) frame(flags byte, message []byte) []byte {
	framed := make([]byte, frameHeader, frameHeader+len(message))
	framed[0] = flags
	binary.BigEndian.PutUint32(framed[1:], uint32(min(uint64(len(message)), math.MaxUint32)))
	framed = append(framed, message...)
	if e.text {
		return base64.StdEncoding.AppendEncode(nil, framed)
	}
	return framed
}

// webBodyLimit is how large a body may be, for messages up to a size: in base64, and with
// a header, a message is longer.
func webBodyLimit(maxSize int) int64 { return 2*int64(maxSize) + 64 }

// messages returns the messages of a body. Together they are no larger than a body may be,
// or a small one could hold any number of compressed messages.
func (e webEncoding) messages(body []byte, compression string, maxSize int) ([][]byte, error) {
	if e.text {
		var err error
		if body, err = decodePadded(body); err != nil {
			return nil, err
		}
	}
	var (
		messages [][]byte
		unzip    gzip.Reader
		left     = webBodyLimit(maxSize)
	)
	for len(body) > 0 {
		if len(body) < frameHeader {
			return nil, fmt.Errorf("the body ends with %d bytes, want flags and length of a message", len(body))
		}
		flags, size := body[0], binary.BigEndian.Uint32(body[1:])
		if body = body[frameHeader:]; uint64(size) > uint64(len(body)) {
			return nil, fmt.Errorf("the body ends within a message of %d bytes", size)
		}
		message := body[:size:size]
		body = body[size:]
		if flags&trailersFlag != 0 {
			continue // a client has nothing to say there
		}
		message, err := unpack(&unzip, flags, message, compression, maxSize)
		if err != nil {
			return nil, err
		}
		if left -= int64(len(message)); left < 0 {
			return nil, refuse(http.StatusRequestEntityTooLarge, "the messages have more than %d bytes", webBodyLimit(maxSize))
		}
		messages = append(messages, message)
	}
	return messages, nil
}

// unpack decompresses a message, if need be, and checks its size.
func unpack(unzip *gzip.Reader, flags byte, message []byte, compression string, maxSize int) ([]byte, error) {
	if flags&compressedFlag != 0 {
		if !strings.EqualFold(compression, "gzip") {
			return nil, fmt.Errorf("a message is compressed with %q, want gzip or none", compression)
		}
		err := unzip.Reset(bytes.NewReader(message))
		if err == nil {
			message, err = io.ReadAll(io.LimitReader(unzip, int64(maxSize)+1))
		}
		if err != nil {
			return nil, fmt.Errorf("decompress a message: %w", err)
		}
	}
	if len(message) > maxSize {
		return nil, refuse(http.StatusRequestEntityTooLarge, "a message has more than %d bytes", maxSize)
	}
	return message, nil
}

// decodePadded decodes base64 in parts, each of which may have its own padding.
func decodePadded(text []byte) ([]byte, error) {
	var data []byte
	for len(text) > 0 {
		part := len(text)
		if padding := bytes.IndexByte(text, '='); padding >= 0 {
			part = min(len(text), (padding/4+1)*4)
		}
		var err error
		if data, err = base64.StdEncoding.AppendDecode(data, text[:part]); err != nil {
			return nil, fmt.Errorf("the body is not in base64: %w", err)
		}
		text = text[part:]
	}
	return data, nil
}

// webTrailers returns a status as trailers.
func webTrailers(ended *status.Status) []byte {
	trailers := fmt.Appendf(nil, "grpc-status: %d\r\n", ended.Code())
	if ended.Message() != "" {
		trailers = fmt.Appendf(trailers, "grpc-message: %s\r\n", percentEncode(ended.Message()))
	}
	return trailers
}

// percentEncode writes text as gRPC has it in headers: everything but printable ASCII is
// encoded.
func percentEncode(text string) string {
	var encoded strings.Builder
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '%' {
			fmt.Fprintf(&encoded, "%%%02X", c)
		} else {
			encoded.WriteByte(c)
		}
	}
	return encoded.String()
}

// parseTimeout reads the time that a client of gRPC allows: up to eight digits and a unit.
func parseTimeout(text string) (time.Duration, bool) {
	units := map[byte]time.Duration{'H': time.Hour, 'M': time.Minute, 'S': time.Second, 'm': time.Millisecond, 'u': time.Microsecond, 'n': time.Nanosecond}
	if len(text) < 2 || len(text) > 9 {
		return 0, false
	}
	unit, known := units[text[len(text)-1]]
	amount, err := strconv.ParseUint(text[:len(text)-1], 10, 32)
	if err != nil || !known {
		return 0, false
	}
	return time.Duration(min(int64(amount), int64(math.MaxInt64/unit))) * unit, true
}
