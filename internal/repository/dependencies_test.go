package repository_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// Users get every dependency of ours with the library, so each must earn its place
// (design section 3).
func TestDependencies_AreTheAllowedOnes(t *testing.T) {
	t.Parallel()
	allowed := []string{
		"github.com/google/uuid",
		"github.com/stretchr/testify",
		"google.golang.org/genproto/googleapis/api",
		"google.golang.org/grpc",
		"google.golang.org/protobuf",
	}
	type requirement struct {
		Path     string `json:"path"`
		Indirect bool   `json:"indirect"`
	}
	var mod struct {
		Require []requirement `json:"require"`
		Replace []any         `json:"replace"`
		Tool    []any         `json:"tool"`
	}
	require.NoError(t, json.Unmarshal(runGo(t, "mod", "edit", "-json"), &mod))

	var direct []string
	for _, r := range mod.Require {
		if !r.Indirect {
			direct = append(direct, r.Path)
		}
	}
	require.NotEmpty(t, direct)
	require.Subset(t, allowed, direct)
	require.Empty(t, mod.Replace, "a replacement does not reach the users of the module")
	require.Empty(t, mod.Tool, "tools belong in tools/go.mod")
}
