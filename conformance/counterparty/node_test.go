package counterparty_test

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/proxy"
	"github.com/cloudstate-go/cloudstate/proxy/store/memory"
)

// nodeCartID is the persistence id of the shopping cart in node/index.js.
const nodeCartID = "node-shopping-cart"

// startNode installs the npm package cloudstate in a directory of its own and starts the
// shopping cart in node/index.js.
func startNode(t *testing.T) *foreign {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS("node")))
	// The scripts of the packages would compile native code, or download it.
	fetch(t, dir, nil, "npm", "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund")

	set := &descriptorpb.FileDescriptorSet{}
	appendFile(set, shoppingcartpb.File_shoppingcart_shoppingcart_proto)
	encoded, err := proto.Marshal(set)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "user-function.desc"), encoded, 0o600))

	protoPath := []string{"../../examples/proto", "../../protocol", "../../third_party"}
	for i := range protoPath {
		protoPath[i], err = filepath.Abs(protoPath[i])
		require.NoError(t, err)
	}
	return start(t, func(ctx context.Context) *exec.Cmd {
		cmd := exec.CommandContext(ctx, "node", "index.js")
		cmd.Dir = dir
		cmd.Env = []string{"PROTO_PATH=" + strings.Join(protoPath, ":")}
		return cmd
	})
}

// appendFile adds a file to a descriptor set, after those that it imports, unless it is there.
func appendFile(set *descriptorpb.FileDescriptorSet, file protoreflect.FileDescriptor) {
	for _, f := range set.GetFile() {
		if f.GetName() == file.Path() {
			return
		}
	}
	for i := range file.Imports().Len() {
		appendFile(set, file.Imports().Get(i).FileDescriptor)
	}
	set.File = append(set.File, protodesc.ToFileDescriptorProto(file))
}

// The library does not tell its protocol version, as versions before the check do not.
func withoutVersionCheck(p *proxy.Proxy) { p.SkipVersionCheck = true }

func TestNode_ShoppingCartSurvivesPassivationAndRestarts(t *testing.T) {
	t.Parallel()
	f := startNode(t)
	refused := &proxy.Proxy{UserFunction: proxy.Dial(f.addr), Addr: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler)}
	require.ErrorContains(t, refused.Run(t.Context()), "Incompatible protocol version 0.0, only 0.2 is supported")

	stored := memory.New()
	c := behindProxy(t, f, stored, withoutVersionCheck)

	c.want(getCart, `{"userId":"jo"}`, `{}`)
	for range 6 { // past a snapshot
		c.want(addItem, `{"userId":"jo","productId":"shirt","name":"T-shirt","quantity":2}`, `{}`)
	}
	c.want(addItem, `{"userId":"jo","productId":"hat","name":"Hat","quantity":1}`, `{}`)
	c.want(removeItem, `{"userId":"jo","productId":"hat"}`, `{}`)
	const cart = `{"items":[{"productId":"shirt","name":"T-shirt","quantity":12}]}`
	c.want(getCart, `{"userId":"jo"}`, cart)

	c.wantFailure(addItem, `{"userId":"jo","productId":"shirt","quantity":-1}`, "the quantity must be positive")

	c.passivate(nodeCartID, "jo")
	c.want(getCart, `{"userId":"jo"}`, cart)

	f.kill()
	f.run(t)
	c.wantSoon(getCart, `{"userId":"jo"}`, cart)

	c.stop()
	c = behindProxy(t, f, stored, withoutVersionCheck)
	c.want(getCart, `{"userId":"jo"}`, cart)
	require.Empty(t, c.takeFaults())
}
