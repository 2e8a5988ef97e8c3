package program_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/cmd/cloudstate/program"
	cartpb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
)

// run runs a command to its end.
func run(ctx context.Context, env map[string]string, args ...string) (code int, stdout, stderr string) {
	var out, err strings.Builder
	code = program.Run(ctx, program.Environment{
		Args: args, Stdout: &out, Stderr: &err,
		Env: func(name string) (string, bool) { value, found := env[name]; return value, found },
	})
	return code, out.String(), err.String()
}

func TestInspect_LooksWhileAProxyRunsAndAfterwards(t *testing.T) {
	t.Parallel()
	file := "sqlite:" + filepath.Join(t.TempDir(), "cart.db")
	p := startProxy(t, "--user-function", startCart(t), "--store", file)
	carts := p.carts()
	for _, product := range []string{"shirt", "hat"} {
		_, err := carts.AddItem(t.Context(), &cartpb.AddLineItem{UserId: "jo", ProductId: product, Quantity: 2})
		require.NoError(t, err)
	}
	for _, phase := range []string{"while it runs", "afterwards"} {
		code, stdout, stderr := run(t.Context(), nil, "inspect", "--store", file)
		require.Equal(t, program.ExitOK, code, "%s: %s", phase, stderr)
		require.JSONEq(t, `{"type":"shopping-cart","kind":"event sourced","service":"com.example.shoppingcart.ShoppingCart"}`, stdout)

		code, stdout, stderr = run(t.Context(), map[string]string{"CLOUDSTATE_STORE": file}, "inspect", "shopping-cart")
		require.Equal(t, program.ExitOK, code, "%s: %s", phase, stderr)
		require.Contains(t, stdout, `{"id":"jo","kind":"event sourced","events":2,`)

		code, stdout, stderr = run(t.Context(), nil, "inspect", "--store", file, "shopping-cart", "jo", "--from", "2", "--limit", "1")
		require.Equal(t, program.ExitOK, code, "%s: %s", phase, stderr)
		require.Empty(t, stderr)
		var event struct {
			Event uint64         `json:"event"`
			Data  map[string]any `json:"data"`
		}
		require.NoError(t, json.Unmarshal([]byte(stdout), &event))
		require.Equal(t, uint64(2), event.Event)
		require.Equal(t, map[string]any{"item": map[string]any{"productId": "hat", "name": "", "quantity": 2.0}}, event.Data)

		p.stop()
		p.requireExit(program.ExitOK)
	}
}

func TestInspect_SaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text, empty := filepath.Join(dir, "cart.txt"), filepath.Join(dir, "empty.db")
	require.NoError(t, os.WriteFile(text, []byte(strings.Repeat("two shirts ", 100)), 0o600))
	p := startProxy(t, "--store", "sqlite:"+empty)
	p.addr("management is served")
	tests := map[string]struct {
		args []string
		code int
		want string
	}{
		"no file":           {[]string{"--store", "sqlite:" + filepath.Join(dir, "none.db")}, program.ExitFailure, "none.db: no such file or directory; --store sets another file"},
		"another file":      {[]string{"--store", "sqlite:" + text}, program.ExitFailure, text},
		"an unknown type":   {[]string{"--store", "sqlite:" + empty, "cart"}, program.ExitFailure, `there is no type of entities "cart": the store is empty`},
		"a store in memory": {[]string{"--store", "memory"}, program.ExitUsage, "want --store sqlite:FILE"},
		"no store":          {[]string{"--store", "cart.db"}, program.ExitUsage, `"cart.db" is not a store`},
		"a negative limit":  {[]string{"--store", "sqlite:" + empty, "--limit", "-1"}, program.ExitUsage, "--limit is -1"},
		"letters of a type": {[]string{"--dead-letters", "cart"}, program.ExitUsage, `found the argument "cart"`},
		"three arguments":   {[]string{"a", "b", "c"}, program.ExitUsage, "accepts at most 2 arg(s)"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := run(t.Context(), nil, append([]string{"inspect"}, tt.args...)...)
			require.Equal(t, tt.code, code)
			require.Empty(t, stdout)
			require.Contains(t, stderr, tt.want)
		})
	}
	_, err := os.Stat(filepath.Join(dir, "none.db"))
	require.ErrorIs(t, err, os.ErrNotExist, "inspect creates no file")
}
