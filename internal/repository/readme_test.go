package repository_test

import (
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// Code in the documentation is copied from files that compile and are tested.
func TestReadme_CodeComesFromExamples(t *testing.T) {
	t.Parallel()
	guides, err := fs.Glob(root(), "docs/*.md")
	require.NoError(t, err)
	for _, name := range append(guides, "README.md", "conformance/README.md") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := fs.ReadFile(root(), name)
			require.NoError(t, err, "the page is missing")
			for _, block := range goBlocks(string(text)) {
				require.NoError(t, block.check(root()), "%s, line %d", name, block.line)
			}
		})
	}
}

const cartFile = `package cart

//snippet:cart

// Cart is a cart.
type Cart struct {
	items int
}

//snippet:end

func use() {
	//snippet:use
	c := Cart{}
	if c.items == 0 {

		return
	}
	//snippet:end
}

//snippet:nested
//snippet:inner
//snippet:end

//snippet:open
`

func TestBlockCheck_ComparesWithTheExample(t *testing.T) {
	t.Parallel()
	const cart = "// Cart is a cart.\ntype Cart struct {\n\titems int\n}\n"
	tests := map[string]struct {
		markdown string
		want     string // a part of the error; "" for none
	}{
		"a copy":               {"<!-- cart/cart.go cart -->\n```go\n" + cart + "```\n", ""},
		"a copy of a body":     {"<!-- cart/cart.go use -->\n```go\nc := Cart{}\nif c.items == 0 {\n\n\treturn\n}\n```\n", ""},
		"an indented copy":     {"1. Step\n\n   <!-- cart/cart.go use -->\n   ```go\n   c := Cart{}\n   if c.items == 0 {\n\n   \treturn\n   }\n   ```\n", ""},
		"no comment":           {"text\n```go\n" + cart + "```\n", "line above"},
		"a blank line between": {"<!-- cart/cart.go cart -->\n\n```go\n" + cart + "```\n", "line above"},
		"a first line":         {"```go\n" + cart + "```\n", "line above"},
		"another text":         {"<!-- cart/cart.go cart -->\n```go\ntype Cart struct{}\n```\n", "differs from cart/cart.go"},
		"another indentation":  {"<!-- cart/cart.go use -->\n```go\nc := Cart{}\nif c.items == 0 {\n\nreturn\n}\n```\n", "differs from cart/cart.go"},
		"no such file":         {"<!-- cart/none.go cart -->\n```go\n" + cart + "```\n", "cart/none.go"},
		"a file elsewhere":     {"<!-- ../cart.go cart -->\n```go\n" + cart + "```\n", "../cart.go"},
		"no such snippet":      {"<!-- cart/cart.go none -->\n```go\n" + cart + "```\n", "no //snippet:none"},
		"an open snippet":      {"<!-- cart/cart.go open -->\n```go\n```\n", "no //snippet:end"},
		"a nested snippet":     {"<!-- cart/cart.go nested -->\n```go\n```\n", "//snippet:inner begins"},
		"an unclosed block":    {"<!-- cart/cart.go cart -->\n```go\n" + cart, ""},
		"a block with options": {"```go title=cart\n" + cart + "```\n", "line above"},
	}
	repository := fstest.MapFS{"cart/cart.go": {Data: []byte(cartFile)}}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			blocks := goBlocks(tt.markdown)
			require.Len(t, blocks, 1)
			err := blocks[0].check(repository)
			if tt.want == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, tt.want)
			}
		})
	}
}

func TestGoBlocks_FindsGoAndNothingElse(t *testing.T) {
	t.Parallel()
	markdown := "```sh\n```\n" + // another language
		"````markdown\n<!-- a b -->\n```go\n```\n````\n" + // a page about pages
		"~~~go\nfirst()\n~~~\n" +
		"`go` in a sentence\n" +
		"```golang\nsecond()\n```\n" +
		"```Go\nthird()\n```\n" +
		"```gomod\n```\n"
	want := []goBlock{
		{line: 8, above: "````\n", code: "first()\n"},
		{line: 12, above: "`go` in a sentence\n", code: "second()\n"},
		{line: 15, above: "```\n", code: "third()\n"},
	}
	require.Equal(t, want, goBlocks(markdown))
}
