package httprule

import (
	"net/url"
	"strings"
)

// Match matches the path of a URL, encoded as the client has sent it. If it fits, it
// returns the text of each variable, decoded. That of a variable that may stand for
// several segments keeps "%2F", or it would seem to have more of them.
func (t *Template) Match(path string) (values []string, ok bool) {
	if t.verb != "" {
		colon := strings.LastIndexByte(path, ':')
		if colon < 0 || !equal(path[colon+1:], t.verb) {
			return nil, false
		}
		path = path[:colon]
	}
	if path == "" {
		return nil, false
	}
	var few [16]span
	spans, ok := t.split(path, few[:0])
	if !ok {
		return nil, false
	}
	for _, v := range t.variables {
		value, err := v.decode(path[spans[v.first].start:spans[v.last].end])
		if err != nil {
			return nil, false
		}
		values = append(values, value)
	}
	return values, true
}

// A span is where a segment of a path is.
type span struct{ start, end int }

// split cuts a path into the spans of the template's segments.
func (t *Template) split(path string, spans []span) ([]span, bool) {
	start := 0
	for _, s := range t.segments {
		if start == len(path) {
			if s.kind == rest { // no segment at all
				return append(spans, span{start, start}), true
			}
			return nil, false
		}
		if path[start] != '/' {
			return nil, false
		}
		start++
		end := len(path)
		if s.kind != rest {
			if slash := strings.IndexByte(path[start:], '/'); slash >= 0 {
				end = start + slash
			}
			if !s.matches(path[start:end]) {
				return nil, false
			}
		}
		spans = append(spans, span{start, end})
		start = end
	}
	return spans, start == len(path)
}

func (s segment) matches(encoded string) bool {
	if s.kind == literal {
		return equal(encoded, s.literal)
	}
	return strings.IndexByte(encoded, ':') < 0
}

// equal says whether a part of a path stands for a text.
func equal(encoded, text string) bool {
	if strings.IndexByte(encoded, '%') < 0 {
		return encoded == text
	}
	decoded, err := url.PathUnescape(encoded)
	return err == nil && decoded == text
}

func (v Variable) decode(encoded string) (string, error) {
	if v.several {
		encoded = keepSlashes.Replace(encoded)
	}
	return url.PathUnescape(encoded)
}

var keepSlashes = strings.NewReplacer("%2F", "%252F", "%2f", "%252f")
