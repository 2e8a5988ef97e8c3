//go:build unix

package frontend_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
)

const (
	callers     = 64
	connections = 4 // of gRPC
)

// A command calls the cart of a caller.
type command func(ctx context.Context, caller int) error

// The same commands over gRPC, and over HTTP.
var (
	overGRPC = map[string]func(pb.ShoppingCartClient) command{
		"AddItem": func(client pb.ShoppingCartClient) command {
			return func(ctx context.Context, caller int) error {
				_, err := client.AddItem(ctx, &pb.AddLineItem{UserId: user(caller), ProductId: "product-17", Name: "Hat", Quantity: 3})
				return err
			}
		},
		"GetCart": func(client pb.ShoppingCartClient) command {
			return func(ctx context.Context, caller int) error {
				_, err := client.GetCart(ctx, &pb.GetShoppingCart{UserId: user(caller)})
				return err
			}
		},
	}
	overHTTP = map[string]func(*http.Client, string) command{
		"AddItem": func(client *http.Client, addr string) command {
			return func(ctx context.Context, caller int) error {
				return request(ctx, client, http.MethodPost, "http://"+addr+"/cart/"+user(caller)+"/items/add", `{"productId":"product-17","name":"Hat","quantity":3}`)
			}
		},
		"GetCart": func(client *http.Client, addr string) command {
			return func(ctx context.Context, caller int) error {
				return request(ctx, client, http.MethodGet, "http://"+addr+"/carts/"+user(caller), "")
			}
		},
	}
)

func user(caller int) string { return fmt.Sprintf("user-%04d", caller) }

func request(ctx context.Context, client *http.Client, method, url, body string) error {
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := client.Do(r)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, text)
	}
	if closing := response.Body.Close(); err == nil {
		err = closing
	}
	return err
}

// dial returns a client with several connections, which take turns.
func dial(b *testing.B, addr string) pb.ShoppingCartClient {
	b.Helper()
	pool := &pool{}
	for range connections {
		conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
		require.NoError(b, err)
		b.Cleanup(func() { require.NoError(b, conn.Close()) })
		pool.conns = append(pool.conns, conn)
	}
	return pb.NewShoppingCartClient(pool)
}

type pool struct {
	grpc.ClientConnInterface

	conns []*grpc.ClientConn
	next  atomic.Uint32
}

func (p *pool) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	conn := p.conns[p.next.Add(1)%connections]
	return conn.Invoke(ctx, method, args, reply, append(opts, grpc.WaitForReady(true))...)
}

// run makes calls, and returns the CPU time per call that processes have had for them.
func run(b *testing.B, calls int, do command, processes ...*process) []time.Duration {
	b.Helper()
	ctx := b.Context()
	for caller := range callers { // what is done once does not count
		require.NoError(b, do(ctx, caller))
	}
	used := make([]time.Duration, len(processes))
	for i, p := range processes {
		used[i] = -p.cpu()
	}
	var calling sync.WaitGroup
	var next atomic.Int64
	for caller := range callers {
		calling.Go(func() {
			for next.Add(1) <= int64(calls) {
				if err := do(ctx, caller); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	calling.Wait()
	for i, p := range processes {
		used[i] = (used[i] + p.cpu()) / time.Duration(calls)
	}
	return used
}

// servers are what is compared.
type servers struct{ plain, userFunction, proxy *process }

// startServers starts all of them, and waits until the proxy knows its services, as a
// request over HTTP does.
func startServers(b *testing.B) *servers {
	b.Helper()
	s := &servers{plain: start(b, "plain"), userFunction: start(b, "userfunction")}
	s.proxy = start(b, "proxy", s.userFunction.addr)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	require.NoError(b, request(b.Context(), client, http.MethodGet, "http://"+s.proxy.addr+"/carts/ready", ""))
	return s
}

// compare measures a command through the proxy, and then directly.
func (s *servers) compare(b *testing.B, through, direct command) {
	b.Helper()
	b.ResetTimer()
	proxied := run(b, b.N, through, s.proxy, s.userFunction)
	b.StopTimer()
	base := run(b, b.N, direct, s.plain)[0]
	b.ReportMetric(float64(proxied[0].Nanoseconds())/1e3, "proxy-us/op")
	b.ReportMetric(float64(proxied[1].Nanoseconds())/1e3, "userfunction-us/op")
	b.ReportMetric(float64(base.Nanoseconds())/1e3, "plain-us/op")
	b.ReportMetric(float64(proxied[0])/float64(base), "x-plain-proxy")
	b.ReportMetric(float64(proxied[0]+proxied[1])/float64(base), "x-plain")
}

func BenchmarkGRPC(b *testing.B) {
	s := startServers(b)
	through, direct := dial(b, s.proxy.addr), dial(b, s.plain.addr)
	for name, of := range overGRPC {
		b.Run(name, func(b *testing.B) { s.compare(b, of(through), of(direct)) })
	}
}

func BenchmarkHTTP(b *testing.B) {
	s := startServers(b)
	transport := &http.Transport{MaxIdleConnsPerHost: callers}
	b.Cleanup(transport.CloseIdleConnections)
	through, direct := &http.Client{Transport: transport}, dial(b, s.plain.addr)
	for name, of := range overHTTP {
		b.Run(name, func(b *testing.B) { s.compare(b, of(through, s.proxy.addr), overGRPC[name](direct)) })
	}
}
