package program_test

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate/action"
	"github.com/cloudstate-go/cloudstate/cmd/cloudstate/program"
	"github.com/cloudstate-go/cloudstate/examples/popular/popularpb"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/cart"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/domain"
	cartpb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
)

// A counter follows the events of carts, and cannot handle any until it is repaired.
type counter struct {
	popularpb.UnimplementedProjectionServer

	repaired atomic.Bool
	counted  atomic.Int32
}

func (c *counter) ItemAdded(_ context.Context, event *domain.ItemAdded) (*popularpb.Popularity, error) {
	if !c.repaired.Load() {
		return nil, status.Error(codes.FailedPrecondition, "the counter is broken")
	}
	c.counted.Add(event.GetItem().GetQuantity())
	return &popularpb.Popularity{}, nil
}

func (*counter) ItemRemoved(context.Context, *domain.ItemRemoved) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

func TestDeadLetters_AreShownRedeliveredAndDiscarded(t *testing.T) {
	t.Parallel()
	counter := &counter{}
	lis := listen(t)
	startService(t, lis, cart.Entity, &action.Action{Service: &popularpb.Projection_ServiceDesc, Server: counter})
	file := "sqlite:" + filepath.Join(t.TempDir(), "cart.db")
	p := startProxy(t, "--user-function", lis.Addr().String(), "--store", file, "--eventing-attempts", "1")
	for range 3 {
		_, err := p.carts().AddItem(t.Context(), &cartpb.AddLineItem{UserId: "jo", ProductId: "shirt", Quantity: 2})
		require.NoError(t, err)
	}
	require.NotNil(t, p.log.waitFor(func(record map[string]any) bool {
		text, _ := record["error"].(string)
		return strings.Contains(text, "dead letter 3")
	}), "%v", p.log.all())

	manage := func(args ...string) (int, string) {
		args = append([]string{"dead-letters", "--management", p.addr("management is served")}, args...)
		code, stdout, stderr := run(t.Context(), nil, args...)
		require.Empty(t, stdout)
		return code, stderr
	}
	shown := func() int {
		code, stdout, stderr := run(t.Context(), nil, "inspect", "--store", file, "--dead-letters")
		require.Equal(t, program.ExitOK, code, stderr)
		return strings.Count(stdout, `"reason":`)
	}
	require.Equal(t, 3, shown())
	code, text := manage("redeliver", "1", "7")
	require.Equal(t, program.ExitFailure, code)
	require.Contains(t, text, "redeliver 1: proxy: dead letter 1 was not handled: ")
	require.Contains(t, text, "the counter is broken")
	require.Contains(t, text, "redeliver 7: proxy: there is no dead letter 7")
	require.Equal(t, 3, shown())

	counter.repaired.Store(true)
	code, text = manage("redeliver", "1", "3")
	require.Equal(t, program.ExitOK, code, text)
	require.EqualValues(t, 4, counter.counted.Load())
	require.Equal(t, 1, shown())
	code, text = manage("discard", "2")
	require.Equal(t, program.ExitOK, code, text)
	require.Equal(t, 0, shown())
}

func TestDeadLetters_SaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	lis := listen(t)
	nobody := lis.Addr().String()
	require.NoError(t, lis.Close())
	tests := map[string]struct {
		args []string
		env  map[string]string
		code int
		want string
	}{
		"nothing to redeliver": {[]string{"redeliver"}, nil, program.ExitUsage, "requires at least 1 arg(s)"},
		"no number":            {[]string{"redeliver", "all"}, nil, program.ExitUsage, `"all" is not the number of a dead letter`},
		"another command":      {[]string{"forget", "1"}, nil, program.ExitUsage, `"forget"`},
		"nobody there":         {[]string{"discard", "1", "--management", nobody}, nil, program.ExitFailure, "--management says where the proxy is"},
		"a wrong variable":     {[]string{"discard", "1"}, map[string]string{"MANAGEMENT_PORT": "x"}, program.ExitUsage, "MANAGEMENT_PORT"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, _, stderr := run(t.Context(), tt.env, append([]string{"dead-letters"}, tt.args...)...)
			require.Equal(t, tt.code, code)
			require.Contains(t, stderr, tt.want)
		})
	}
	code, stdout, _ := run(t.Context(), nil, "dead-letters")
	require.Equal(t, program.ExitOK, code)
	require.Contains(t, stdout, "redeliver")
}

// A web page cannot deal with dead letters, although the browser is on the same machine.
func TestDeadLetters_AreNotForWebPages(t *testing.T) {
	t.Parallel()
	p := startProxy(t)
	tests := map[string]struct {
		path, origin string
		want         int
	}{
		"a page of another site": {"/dead-letters/1/redeliver", "https://evil.example.com", http.StatusForbidden},
		"no browser":             {"/dead-letters/1/redeliver", "", http.StatusConflict}, // the proxy is not ready
		"no number":              {"/dead-letters/x/redeliver", "", http.StatusBadRequest},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+p.addr("management is served")+tt.path, nil)
			require.NoError(t, err)
			if tt.origin != "" {
				request.Header.Set("Origin", tt.origin)
			}
			response, err := http.DefaultClient.Do(request)
			require.NoError(t, err)
			require.NoError(t, response.Body.Close())
			require.Equal(t, tt.want, response.StatusCode)
		})
	}
}
