// Package repository_test tests what no package can test of itself: the import
// rules, the contract that the .proto files keep, and the code in the documentation.
package repository_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/cloudstate-go/cloudstate"

// The tests of a package run in its directory.
var rootDir = filepath.Join("..", "..")

// root is the tree of the repository.
func root() fs.FS {
	return os.DirFS(rootDir)
}

// runGo returns what the go command prints when it runs in the root.
func runGo(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = rootDir
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	require.NoError(t, err, "go %v", args)
	return out
}
