package program

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The examples in the help of a command have flags that exist, with values that they take.
func TestExamples_AreUnderstood(t *testing.T) {
	t.Parallel()
	root := newRoot(Environment{Env: func(string) (string, bool) { return "", false }})
	for _, command := range append(root.Commands(), root) {
		for line := range strings.Lines(command.Example) {
			line = strings.TrimSpace(line)
			_, args, isCommand := strings.Cut(line, "cloudstate ")
			if strings.HasPrefix(line, "#") || !isCommand {
				continue
			}
			t.Run(line, func(t *testing.T) {
				t.Parallel()
				fresh := newRoot(Environment{Env: func(string) (string, bool) { return "", false }})
				named, rest, err := fresh.Find(strings.Fields(args))
				require.NoError(t, err)
				named.InitDefaultHelpFlag()
				require.NoError(t, named.ParseFlags(rest))
				require.NoError(t, named.ValidateArgs(named.Flags().Args()))
			})
		}
	}
}
