package proxy

import (
	"errors"
	"fmt"
	"net/url"
	"time"
)

// HTTP has the settings for clients that speak HTTP/1.1: JSON by the google.api.http rules
// of methods, and gRPC-Web (protocol section 8). The zero value is ready for use.
type HTTP struct {
	// Origins are the web origins whose pages may call the proxy from a browser, such as
	// "https://shop.example.com"; "*" stands for all. Empty means none, apart from pages
	// that come from the address of the proxy itself.
	Origins []string

	// ReadTimeout is how long a client may take to send a request. Zero means one minute.
	ReadTimeout time.Duration

	// WriteTimeout is how long a client may take to accept a piece of a response, of 64
	// KiB or a message of a stream. Zero means 30 seconds.
	WriteTimeout time.Duration
}

// check returns what is wrong with the settings.
func (h HTTP) check() error {
	var problems []error
	for _, origin := range h.Origins {
		parsed, err := url.Parse(origin)
		if origin != "*" && (err != nil || parsed.Scheme == "" || parsed.Host == "" || parsed.Scheme+"://"+parsed.Host != origin) {
			problems = append(problems, fmt.Errorf("proxy: HTTP.Origins has %q, want a scheme and a host, such as https://shop.example.com, or *", origin))
		}
	}
	return errors.Join(problems...)
}
