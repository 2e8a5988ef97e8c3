package conformance

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/cloudstate-go/cloudstate/conformance/internal/interceptor"
	"github.com/cloudstate-go/cloudstate/conformance/internal/monitor"
	tckmodels "github.com/cloudstate-go/cloudstate/conformance/models"
	"github.com/cloudstate-go/cloudstate/protocol"
)

// A bench has what the checks of one run share.
type bench struct {
	target Proxy
	models grpc.ClientConnInterface
	run    string // begins the ids of entities, so that a proxy can be checked again
	ids    atomic.Int64

	main *rig // for all checks that need no proxy of their own

	mu     sync.Mutex
	claims map[string]chan struct{} // of what one check at a time can use

	stopModels func() error
}

// A rig is a proxy between the suite as its client and the suite as its user function.
type rig struct {
	*interceptor.Interceptor
	*bench

	monitor *monitor.Monitor
	spec    atomic.Pointer[protocol.EntitySpec] // that the proxy has got
	proxy   *RunningProxy
	stop    func() error // stops the proxy; for several calls
}

// newBench starts the models and the main proxy.
func newBench(ctx context.Context, target Proxy) (*bench, error) {
	if target.Start == nil {
		return nil, errors.New("the field Start of the proxy is nil; it has to start one")
	}
	if target.Timeout == 0 {
		target.Timeout = defaultTimeout
	}
	b := &bench{target: target, models: target.Models, run: rand.Text()[:6], claims: map[string]chan struct{}{}, stopModels: func() error { return nil }}
	if b.models == nil {
		if err := b.serveModels(ctx); err != nil {
			return nil, err
		}
	}
	main := b.newRig(withProbes)
	running, err := target.Start(ctx, ProxySettings{UserFunction: main})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the proxy: %w", err), b.stopModels())
	}
	main.set(running)
	b.main = main
	main.scriptProbes()
	ready, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := main.ready(ready); err != nil {
		return nil, errors.Join(fmt.Errorf("the proxy does not become ready for the models: %w; it has reported: %q", err, main.UnreadReports()), main.stop(), b.stopModels())
	}
	return b, nil
}

// startTimeout is how long the first proxy may take to be ready: it may have to find out
// that its user function is there.
const startTimeout = time.Minute

// serveModels serves the models over memory.
func (b *bench) serveModels(ctx context.Context) error {
	lis := bufconn.Listen(1 << 20)
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	service := tckmodels.Service()
	service.Logger = slog.New(slog.DiscardHandler) // faults are what checks are about
	served := make(chan error, 1)
	go func() { served <- service.Serve(ctx, lis) }()
	conn, err := grpc.NewClient("passthrough:///models", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }))
	if err != nil {
		cancel()
		return fmt.Errorf("connect to the models: %w", errors.Join(err, <-served))
	}
	b.models = conn
	b.stopModels = func() error {
		err := conn.Close()
		cancel()
		return errors.Join(err, <-served)
	}
	return nil
}

func (r *rig) set(running *RunningProxy) {
	r.proxy = running
	r.stop = sync.OnceValue(running.Stop)
}

// newRig returns a rig without a proxy.
func (b *bench) newRig(change respec) *rig {
	r := &rig{Interceptor: interceptor.New(b.models), bench: b, monitor: monitor.New()}
	r.Observe = r.monitor.Observe
	r.Spec = func(spec *protocol.EntitySpec) (*protocol.EntitySpec, error) {
		spec, err := change(spec)
		if err != nil {
			return nil, err
		}
		// A spec that is wrong on purpose cannot be described, and has no streams.
		_ = r.monitor.Describe(spec)
		r.spec.Store(spec)
		return spec, nil
	}
	return r
}

// ready waits until the proxy serves its clients.
func (r *rig) ready(ctx context.Context) error {
	if r.proxy.Ready != nil {
		return r.proxy.Ready(ctx)
	}
	for {
		list, err := r.services(ctx)
		switch {
		case err == nil && len(list.GetService()) > 1: // reflection itself is there before discovery
			return nil
		case err != nil && status.Code(err) != codes.Unavailable:
			return err
		}
		again := time.NewTimer(100 * time.Millisecond)
		select {
		case <-again.C:
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		}
	}
}

// reflection is the method that clients ask what they can call. The messages of its two
// versions are the same on the wire.
const reflection = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"

// services asks the proxy for the names of its services.
func (r *rig) services(ctx context.Context) (*reflectionv1.ListServiceResponse, error) {
	stream, err := r.proxy.Conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, reflection)
	if err != nil {
		return nil, err
	}
	request := &reflectionv1.ServerReflectionRequest{
		MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{ListServices: "*"},
	}
	if err := errors.Join(stream.SendMsg(request), stream.CloseSend()); err != nil {
		return nil, err
	}
	response := &reflectionv1.ServerReflectionResponse{}
	err = stream.RecvMsg(response)
	return response.GetListServicesResponse(), err
}

// start starts a proxy for one check, and stops it afterwards. The check is not applicable
// if there can be none.
func (r *rig) start(t *trial, change respec) *rig {
	other := r.newRig(change)
	other.startAs(t, ProxySettings{UserFunction: other})
	return other
}

// startAs is start for a rig that has no proxy yet, and any settings.
func (r *rig) startAs(t *trial, settings ProxySettings) {
	running, err := r.target.Start(t.Context(), settings)
	if errors.Is(err, errors.ErrUnsupported) {
		t.NotApplicablef("it needs a proxy of its own: %v", err)
	}
	if err != nil {
		t.Fatalf("start a proxy: %v", err)
	}
	r.set(running)
	t.stopLater(r)
}

// stopLater stops a proxy when the check has ended, and lets the check fail if the proxy has
// done what it should not.
func (t *trial) stopLater(r *rig) {
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Errorf("stop the proxy: %v", err)
		}
		for _, v := range r.monitor.Violations() {
			t.Errorf("%s is violated: %s\n%s", v.Assertion, v.Text, v.Stream)
		}
	})
}

// awaitReady waits until the proxy serves its clients.
func (r *rig) awaitReady(t *trial) *rig {
	ctx, cancel := context.WithTimeout(t.Context(), r.target.Timeout)
	defer cancel()
	if err := r.ready(ctx); err != nil {
		t.Fatalf("the proxy does not become ready: %v; it has reported: %q", err, r.UnreadReports())
	}
	return r
}

// newID returns an id that no entity has had.
func (b *bench) newID(prefix string) string {
	return prefix + "-" + b.run + strconv.FormatInt(b.ids.Add(1), 10)
}

// claim waits until the check is the only one that uses something, until it ends.
func (b *bench) claim(t *trial, what string) {
	b.mu.Lock()
	if b.claims[what] == nil {
		b.claims[what] = make(chan struct{}, 1)
	}
	slot := b.claims[what]
	b.mu.Unlock()
	select {
	case slot <- struct{}{}:
		t.Cleanup(func() { <-slot })
	case <-t.Context().Done():
		t.FailNow()
	}
}

// limit returns a context that ends when the proxy has taken too long for a message.
func (r *rig) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, r.target.Timeout, fmt.Errorf("nothing happened within %v", r.target.Timeout))
}
