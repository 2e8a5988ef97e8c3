//go:build unix

// Package frontend_test measures what a command costs that passes through a proxy, in CPU
// time of the servers, against the same call of a plain gRPC server. Each server is a
// process of its own, on loopback:
//
//	go test -run '^$' -bench . -benchtime 30000x ./benchmarks/frontend
//
// x-plain is the CPU time of proxy and user function, x-plain-proxy that of the proxy alone,
// each in multiples of the plain server's.
package frontend_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate"
	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/cart"
	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
	"github.com/cloudstate-go/cloudstate/proxy"
)

// roleVariable makes the test binary one of the servers.
const roleVariable = "CLOUDSTATE_BENCHMARK_ROLE"

func TestMain(m *testing.M) {
	roles := map[string]func(net.Listener) error{"plain": plain, "userfunction": userFunction, "proxy": proxied}
	if role := roles[os.Getenv(roleVariable)]; role != nil {
		serve(role)
		return
	}
	os.Exit(m.Run())
}

// serve runs a server, says where, and then what CPU time it has had whenever it is asked.
func serve(role func(net.Listener) error) {
	lis, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	go func() {
		fmt.Fprintln(os.Stderr, role(lis))
		os.Exit(1)
	}()
	_, _ = fmt.Fprintln(os.Stdout, lis.Addr()) // the parent notices
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var usage syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		_, _ = fmt.Fprintln(os.Stdout, usage.Utime.Nano()+usage.Stime.Nano())
	}
}

// plain is a gRPC server with a lock and a map.
func plain(lis net.Listener) error {
	server := grpc.NewServer()
	pb.RegisterShoppingCartServer(server, &plainCarts{carts: map[string]map[string]int32{}})
	return server.Serve(lis)
}

type plainCarts struct {
	pb.UnimplementedShoppingCartServer

	mu    sync.Mutex
	carts map[string]map[string]int32
}

func (p *plainCarts) AddItem(_ context.Context, add *pb.AddLineItem) (*emptypb.Empty, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.carts[add.GetUserId()] == nil {
		p.carts[add.GetUserId()] = map[string]int32{}
	}
	p.carts[add.GetUserId()][add.GetProductId()] += add.GetQuantity()
	return &emptypb.Empty{}, nil
}

func (p *plainCarts) GetCart(_ context.Context, get *pb.GetShoppingCart) (*pb.Cart, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	reply := &pb.Cart{}
	for product, quantity := range p.carts[get.GetUserId()] {
		reply.Items = append(reply.Items, &pb.LineItem{ProductId: product, Quantity: quantity})
	}
	return reply, nil
}

func userFunction(lis net.Listener) error {
	service := &cloudstate.Service{Components: []cloudstate.Component{cart.Entity}, Logger: slog.New(slog.DiscardHandler)}
	return service.Serve(context.Background(), lis)
}

// proxied is a proxy for the user function whose address is the first argument.
func proxied(lis net.Listener) error {
	p := &proxy.Proxy{UserFunction: proxy.Dial(os.Args[1]), Logger: slog.New(slog.DiscardHandler)}
	return p.Serve(context.Background(), lis)
}

// A process is a server that runs until the benchmark ends.
type process struct {
	b      *testing.B
	addr   string
	stdin  *os.File
	stdout *bufio.Reader
}

func start(b *testing.B, role string, args ...string) *process {
	b.Helper()
	executable, err := os.Executable()
	require.NoError(b, err)
	in, stdin, err := os.Pipe()
	require.NoError(b, err)
	stdout, out, err := os.Pipe()
	require.NoError(b, err)
	cmd := exec.CommandContext(context.WithoutCancel(b.Context()), executable, args...)
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, os.Stderr
	require.NoError(b, cmd.Start())
	require.NoError(b, in.Close())
	require.NoError(b, out.Close())
	b.Cleanup(func() {
		require.NoError(b, stdin.Close()) // the process ends with it
		require.NoError(b, cmd.Wait())
	})
	p := &process{b: b, stdin: stdin, stdout: bufio.NewReader(stdout)}
	p.addr = p.line()
	return p
}

func (p *process) line() string {
	p.b.Helper()
	line, err := p.stdout.ReadString('\n')
	require.NoError(p.b, err)
	return strings.TrimSpace(line)
}

// cpu returns the CPU time that the process has had.
func (p *process) cpu() time.Duration {
	p.b.Helper()
	_, err := p.stdin.WriteString("\n")
	require.NoError(p.b, err)
	nanoseconds, err := strconv.ParseInt(p.line(), 10, 64)
	require.NoError(p.b, err)
	return time.Duration(nanoseconds)
}
