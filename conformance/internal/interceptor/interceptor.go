package interceptor

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate/conformance/internal/relay"
	"github.com/cloudstate-go/cloudstate/protocol"
)

// An Interceptor is a user function to a proxy. The exported fields must not change once it
// serves; methods may be called concurrently.
type Interceptor struct {
	// Spec may change what the models say of themselves at discovery, or return the error
	// that the proxy gets. Nil changes nothing. It is called concurrently.
	Spec func(*protocol.EntitySpec) (*protocol.EntitySpec, error)
	// Observe is called with every event of every stream, in order. It must not call
	// methods of the interceptor. Nil means nobody.
	Observe func(of *Stream, from Side, event Event)

	models      grpc.ClientConnInterface
	discoveries feed[*protocol.ProxyInfo]
	stopping    atomic.Bool

	mu      sync.Mutex
	events  uint64
	streams []*Stream     // in the order of their first messages
	silent  int           // how many streams have not sent any
	scripts []*script     // of streams to come
	reports []string      // that nobody has waited for
	arrived chan struct{} // closed when there is another stream or report; nil if nobody waits
}

// A script says which streams are not relayed.
type script struct{ match func(*Stream) bool }

// New returns an interceptor that relays to the models.
func New(models grpc.ClientConnInterface) *Interceptor { return &Interceptor{models: models} }

// Serve serves the proxy until the context ends. It breaks streams then that are still open,
// which are recorded as if they went on.
func (i *Interceptor) Serve(ctx context.Context, lis net.Listener) error {
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	defer context.AfterFunc(ctx, func() {
		i.stopping.Store(true)
		stop()
	})()
	server := &relay.Server{Handle: i.handle}
	return server.Serve(serving, lis)
}

// Discovery waits for the next call of discover, and returns what the proxy says of itself.
func (i *Interceptor) Discovery(ctx context.Context) (*protocol.ProxyInfo, error) {
	return i.discoveries.next(ctx)
}

// Report waits for an error that the proxy reports and that matches, and returns the first one
// that nobody has waited for. Reports are not relayed.
func (i *Interceptor) Report(ctx context.Context, match func(string) bool) (string, error) {
	var report string
	err := i.await(ctx, func() bool {
		n := slices.IndexFunc(i.reports, match)
		if n >= 0 {
			report = i.reports[n]
			i.reports = slices.Delete(i.reports, n, n+1)
		}
		return n >= 0
	})
	if err != nil {
		return "", fmt.Errorf("the proxy has not reported an error: %w", err)
	}
	return report, nil
}

// UnreadReports returns the reports that nobody has waited for, and takes them.
func (i *Interceptor) UnreadReports() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	rest := i.reports
	i.reports = nil
	return rest
}

// Entity matches the streams of an entity.
func Entity(service, id string) func(*Stream) bool {
	return func(s *Stream) bool { return s.Service == service && s.EntityID == id }
}

// Action matches the calls of an action.
func Action(service, command string) func(*Stream) bool {
	return func(s *Stream) bool { return s.Service == service && s.Command == command }
}

// Script lets the test answer the streams that match, from the next one on, until it calls
// the function that is returned.
func (i *Interceptor) Script(match func(*Stream) bool) (stop func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	of := &script{match: match}
	i.scripts = append(i.scripts, of)
	return func() {
		i.mu.Lock()
		defer i.mu.Unlock()
		for n, s := range i.scripts {
			if s == of {
				i.scripts = append(i.scripts[:n:n], i.scripts[n+1:]...)
				return
			}
		}
	}
}

// Accept waits for the next stream that matches.
func (i *Interceptor) Accept(ctx context.Context, match func(*Stream) bool) (*Stream, error) {
	var stream *Stream
	err := i.await(ctx, func() bool {
		for _, s := range i.streams {
			if !s.taken && match(s) {
				s.taken, stream = true, s
				return true
			}
		}
		return false
	})
	if err != nil {
		return nil, fmt.Errorf("the proxy has not opened a stream: %w", err)
	}
	return stream, nil
}

// await waits until a condition is true, which may be when a stream or a report has arrived.
func (i *Interceptor) await(ctx context.Context, condition func() bool) error {
	for {
		arrived := i.unless(condition)
		if arrived == nil {
			return nil
		}
		select {
		case <-arrived:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// unless returns nil if a condition is true, and else a channel that is closed when that may
// have changed.
func (i *Interceptor) unless(condition func() bool) <-chan struct{} {
	i.mu.Lock()
	defer i.mu.Unlock()
	if condition() {
		return nil
	}
	if i.arrived == nil {
		i.arrived = make(chan struct{})
	}
	return i.arrived
}

// notify wakes whoever waits. The caller holds the lock.
func (i *Interceptor) notify() {
	if i.arrived != nil {
		close(i.arrived)
		i.arrived = nil
	}
}

// Unaccepted returns the streams that nobody has accepted, and accepts them.
func (i *Interceptor) Unaccepted() []*Stream {
	i.mu.Lock()
	defer i.mu.Unlock()
	var rest []*Stream
	for _, s := range i.streams {
		if !s.taken {
			s.taken = true
			rest = append(rest, s)
		}
	}
	return rest
}

// Silent returns how many streams the proxy has opened without that it has said anything
// on them.
func (i *Interceptor) Silent() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.silent
}

// Streams returns all streams, in the order of their first messages.
func (i *Interceptor) Streams() []*Stream {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clip(i.streams)
}

// Now returns the position of the next event.
func (i *Interceptor) Now() uint64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.events + 1
}

func (i *Interceptor) handle(call *relay.Call) error {
	switch path := "/" + string(call.Method.Parent().FullName()) + "/" + string(call.Method.Name()); path {
	case protocol.EntityDiscovery_Discover_FullMethodName:
		return i.discover(call)
	case protocol.EntityDiscovery_ReportError_FullMethodName:
		return i.reportError(call)
	}
	ctx, cancel := context.WithCancelCause(call.Context())
	defer cancel(nil)
	s := &Stream{RPC: call.Method.FullName(), interceptor: i, call: call, end: cancel, over: make(chan struct{})}
	i.opened(1)
	first, err := call.Peek()
	if err != nil {
		return err // silent for ever
	}
	s.identify(first)
	i.begin(s)
	return s.run(ctx)
}

func (i *Interceptor) opened(n int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.silent += n
}

// begin lets the test accept a stream.
func (i *Interceptor) begin(s *Stream) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.silent--
	i.streams = append(i.streams, s)
	for _, script := range i.scripts {
		s.scripted = s.scripted || script.match(s)
	}
	i.notify()
}

func (i *Interceptor) discover(call *relay.Call) error {
	return call.Relay(call.Context(), i.models,
		func(message proto.Message, pass func(proto.Message) error) error {
			if info, ok := message.(*protocol.ProxyInfo); ok {
				i.discoveries.add(info)
			}
			return pass(message)
		},
		func(message proto.Message, pass func(proto.Message) error) error {
			spec, ok := message.(*protocol.EntitySpec)
			if !ok || i.Spec == nil {
				return pass(message)
			}
			spec, err := i.Spec(spec)
			if err != nil {
				return err
			}
			return pass(spec)
		})
}

func (i *Interceptor) reportError(call *relay.Call) error {
	message, err := call.Receive()
	if err != nil {
		return err
	}
	if report, ok := message.(*protocol.UserFunctionError); ok {
		i.mu.Lock()
		i.reports = append(i.reports, report.GetMessage())
		i.notify()
		i.mu.Unlock()
	}
	return call.Send(&emptypb.Empty{})
}
