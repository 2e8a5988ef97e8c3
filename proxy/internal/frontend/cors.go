package frontend

import (
	"net/http"
	"slices"
)

// allowOrigin tells a browser that pages of another origin may call, if that is configured.
// It answers the question that a browser asks before such a call, and then returns true.
func (s *Server) allowOrigin(out *output, r *http.Request) bool {
	if len(s.config.Origins) == 0 {
		return false
	}
	header, origin := out.Header(), r.Header.Get("Origin")
	header.Add("Vary", "Origin") // also without one, for caches
	if origin == "" {
		return false
	}
	if !slices.Contains(s.config.Origins, origin) && !slices.Contains(s.config.Origins, "*") {
		return false
	}
	header.Set("Access-Control-Allow-Origin", origin)
	header.Set("Access-Control-Expose-Headers", "*")
	wanted := r.Header.Get("Access-Control-Request-Method")
	if r.Method != http.MethodOptions || wanted == "" {
		return false
	}
	header.Set("Access-Control-Allow-Methods", wanted)
	if headers := r.Header.Values("Access-Control-Request-Headers"); len(headers) > 0 {
		header["Access-Control-Allow-Headers"] = headers
	}
	header.Set("Access-Control-Max-Age", "7200") // seconds, the most that all browsers accept
	out.started = true
	out.WriteHeader(http.StatusNoContent)
	return true
}
