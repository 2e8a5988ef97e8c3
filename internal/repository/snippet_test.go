package repository_test

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
)

var (
	// fence begins or ends a block of code in Markdown.
	fence = regexp.MustCompile("^\\s*(```+|~~~+)\\s*(\\w*)")
	// source is the comment above a block that tells where its code comes from.
	source = regexp.MustCompile(`^\s*<!-- (\S+) (\S+) -->\s*$`)
)

// A goBlock is a block of Go code in Markdown.
type goBlock struct {
	line  int    // of its fence, from 1
	above string // the line before
	code  string
}

// goBlocks returns the blocks of Go code of a page.
func goBlocks(markdown string) []goBlock {
	var (
		blocks  []goBlock
		above   string
		opening string // the fence of the open block
		isGo    bool
		number  int
	)
	for line := range strings.Lines(markdown) {
		number++
		match := fence.FindStringSubmatch(line)
		switch {
		case opening == "" && match != nil:
			opening = match[1]
			language := strings.ToLower(match[2])
			isGo = language == "go" || language == "golang"
			if isGo {
				blocks = append(blocks, goBlock{line: number, above: above})
			}
		case match != nil && strings.HasPrefix(match[1], opening) && match[2] == "":
			opening = ""
		case opening != "" && isGo:
			blocks[len(blocks)-1].code += line
		}
		above = line
	}
	return blocks
}

// check tells whether the block is a copy of the snippet that it names.
// Indentation that all lines share does not count.
func (b goBlock) check(repository fs.FS) error {
	match := source.FindStringSubmatch(b.above)
	if match == nil {
		return errors.New("the line above a Go block must be <!-- file snippet -->")
	}
	file, name := match[1], match[2]
	text, err := fs.ReadFile(repository, file)
	if err != nil {
		return fmt.Errorf("snippet %q: %w", name, err)
	}
	want, err := snippet(string(text), name)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if dedent(b.code) != dedent(want) {
		return fmt.Errorf("the block differs from %s; copy what is between //snippet:%s and //snippet:end:\n%s", file, name, want)
	}
	return nil
}

// snippet returns what is between //snippet:name and //snippet:end in Go code.
func snippet(code, name string) (string, error) {
	const directive = "//snippet:"
	var region strings.Builder
	inside := false
	for line := range strings.Lines(code) {
		found, isDirective := strings.CutPrefix(strings.TrimSpace(line), directive)
		switch {
		case inside && isDirective && found == "end":
			return region.String(), nil
		case inside && isDirective:
			return "", fmt.Errorf("%s%s begins before the end of %s%s", directive, found, directive, name)
		case inside:
			region.WriteString(line)
		case isDirective && found == name:
			inside = true
		}
	}
	if inside {
		return "", fmt.Errorf("no %send after %s%s", directive, directive, name)
	}
	return "", fmt.Errorf("no %s%s", directive, name)
}

// dedent removes the indentation that all lines share, and blank lines around them.
func dedent(code string) string {
	lines := strings.Split(strings.TrimRight(code, " \t\n"), "\n")
	for len(lines) > 0 && strings.TrimSpace(lines[0]) == "" {
		lines = lines[1:]
	}
	if len(lines) == 0 {
		return ""
	}
	shared := indentation(lines[0])
	for _, line := range lines {
		for strings.TrimSpace(line) != "" && !strings.HasPrefix(line, shared) {
			shared = shared[:len(shared)-1]
		}
	}
	for i, line := range lines {
		lines[i] = strings.TrimRight(strings.TrimPrefix(line, shared), " \t")
	}
	return strings.Join(lines, "\n")
}

func indentation(line string) string {
	return line[:len(line)-len(strings.TrimLeft(line, " \t"))]
}
