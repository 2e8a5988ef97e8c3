package httprule

import (
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Template is the path of a google.api.http rule, such as "/carts/{user_id}/items" or
// "/{name=shelves/*/books/*}:read". It does not change.
//
//	template = "/" segment { "/" segment } [ ":" verb ]
//	segment  = "*" | "**" | literal | "{" field [ "=" segment { "/" segment } ] "}"
//
// "*" stands for one segment of a path, which may be empty and has no colon; "**", which
// can only be the last one, for any number of segments.
type Template struct {
	source    string
	segments  []segment
	verb      string // without colon; empty for none
	variables []Variable
}

// A segment matches one segment of a path, or all that are left.
type segment struct {
	kind    segmentKind
	literal string // decoded
}

type segmentKind int

const (
	literal segmentKind = iota
	one                 // *
	rest                // **
)

// A Variable is a field in braces.
type Variable struct {
	// Field is the name in front of "=".
	Field string

	first, last int // of its segments, the last one included
	several     bool
}

// String returns the template as it was written.
func (t *Template) String() string { return t.source }

// Variables returns the variables in their order. The caller must not change the slice.
func (t *Template) Variables() []Variable { return t.variables }

// Shape returns the template with variables replaced by what they stand for. Templates
// with the same shape match the same paths.
func (t *Template) Shape() string {
	var shape strings.Builder
	for _, s := range t.segments {
		shape.WriteByte('/')
		switch s.kind {
		case one:
			shape.WriteByte('*')
		case rest:
			shape.WriteString("**")
		default:
			shape.WriteString(url.PathEscape(s.literal))
		}
	}
	if t.verb != "" {
		shape.WriteString(":" + url.PathEscape(t.verb))
	}
	return shape.String()
}

// Parse parses a template. The error says what is wrong, and where.
func Parse(source string) (*Template, error) {
	p := parser{source: source, template: &Template{source: source}}
	if err := p.parse(); err != nil {
		return nil, err
	}
	return p.template, nil
}

type parser struct {
	source   string
	at       int // the next byte
	template *Template
}

func (p *parser) parse() error {
	if !p.take('/') {
		return p.fail(p.at, "Template must start with a slash")
	}
	if err := p.path(p.segmentOrVariable); err != nil {
		return err
	}
	if p.take(':') {
		verb, err := p.literal("a verb")
		if err != nil {
			return err
		}
		p.template.verb = verb
	}
	if p.at < len(p.source) {
		return p.fail(p.at, "Expected a slash, a colon with a verb, or the end of the template")
	}
	return nil
}

// path parses what is separated by slashes.
func (p *parser) path(element func() error) error {
	for {
		if n := len(p.template.segments); n > 0 && p.template.segments[n-1].kind == rest {
			return p.fail(p.at, "Nothing but a verb may follow **")
		}
		if err := element(); err != nil {
			return err
		}
		if !p.take('/') {
			return nil
		}
	}
}

func (p *parser) segmentOrVariable() error {
	if p.take('{') {
		return p.variable()
	}
	return p.segment()
}

func (p *parser) segment() error {
	switch {
	case p.next('{'):
		return p.fail(p.at, "Variables must not be nested")
	case p.take('*'):
		kind := one
		if p.take('*') {
			kind = rest
		}
		p.template.segments = append(p.template.segments, segment{kind: kind})
		return nil
	default:
		text, err := p.literal("a segment: *, **, a variable in braces, or text")
		p.template.segments = append(p.template.segments, segment{literal: text})
		return err
	}
}

// variable parses what follows an opening brace.
func (p *parser) variable() error {
	start := p.at
	field, err := p.fieldPath()
	if err != nil {
		return err
	}
	for _, other := range p.template.variables {
		if other.Field == field {
			return p.fail(start, "Duplicate path in template")
		}
	}
	v := Variable{Field: field, first: len(p.template.segments)}
	if p.take('=') {
		err = p.path(p.segment)
	} else {
		p.template.segments = append(p.template.segments, segment{kind: one})
	}
	if err != nil {
		return err
	}
	if !p.take('}') {
		return p.fail(p.at, "Expected } at the end of a variable")
	}
	v.last = len(p.template.segments) - 1
	v.several = v.last > v.first || p.template.segments[v.last].kind == rest
	p.template.variables = append(p.template.variables, v)
	return nil
}

// fieldPath parses identifiers with dots between them.
func (p *parser) fieldPath() (string, error) {
	start := p.at
	for {
		begin := p.at
		for p.at < len(p.source) && isIdentifier(p.source[p.at], p.at == begin) {
			p.at++
		}
		if p.at == begin {
			return "", p.fail(p.at, "Expected the name of a field, of letters, digits and _, with a letter first")
		}
		if !p.take('.') {
			return p.source[start:p.at], nil
		}
	}
}

func isIdentifier(c byte, first bool) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		return true
	case '0' <= c && c <= '9', c == '_':
		return !first
	default:
		return false
	}
}

// literal parses text that stands for itself, and decodes it.
func (p *parser) literal(what string) (string, error) {
	end := strings.IndexAny(p.source[p.at:], "*{}/:\n")
	if end < 0 {
		end = len(p.source) - p.at
	}
	encoded := p.source[p.at : p.at+end]
	if encoded == "" {
		return "", p.fail(p.at, "Expected "+what)
	}
	decoded, err := url.PathUnescape(encoded)
	if err != nil {
		return "", p.fail(p.at, "Expected two hexadecimal digits after each % ("+err.Error()+")")
	}
	if i := strings.IndexFunc(decoded, func(r rune) bool { return unicode.IsControl(r) || r == utf8.RuneError }); i >= 0 {
		return "", p.fail(p.at, "Expected text without control characters, in UTF-8")
	}
	p.at += end
	return decoded, nil
}

func (p *parser) next(c byte) bool {
	return p.at < len(p.source) && p.source[p.at] == c
}

// take skips a character, if it is the next one.
func (p *parser) take(c byte) bool {
	if !p.next(c) {
		return false
	}
	p.at++
	return true
}

// fail returns an error at a byte, which is the developer's character.
func (p *parser) fail(at int, text string) error {
	return fmt.Errorf("%s at character %d of '%s'", text, utf8.RuneCountInString(p.source[:at])+1, p.source)
}
