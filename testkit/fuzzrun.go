package testkit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/proxy"
	"github.com/cloudstate-go/cloudstate/proxy/cluster"
)

const (
	// pause is the time between two steps, so that those who read the clock show.
	pause = time.Second
	// callTimeout limits streams of actions that do not end by themselves. Time is virtual.
	callTimeout = time.Minute
	// maxReplies is how many messages of such a stream are received.
	maxReplies = 100
)

// A sequenceRun is one run of a sequence.
type sequenceRun struct {
	explorer *explorer
	steps    []*step
	test     *scratchTest
	cluster  *Cluster // with one node if there are no CRDTs
	seen     []int    // outcomes, by node
	streams  map[int]*openStream
	trace    []observation
	executed int

	mu     sync.Mutex
	panics []string
}

// An openStream is a stream of a CRDT entity. A client reads it to its end.
type openStream struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// runOnce runs a sequence in a bubble of its own. What is wrong is the first error of its
// test.
func (x *explorer) runOnce(t *testing.T, steps []*step) (r *sequenceRun) {
	t.Helper()
	r = &sequenceRun{explorer: x, steps: steps, streams: map[int]*openStream{}}
	defer func() {
		if p := recover(); p != nil { // of synctest, which waits for all goroutines of a bubble
			r.test.Errorf("%v: a handler has started a goroutine that does not end, or has not returned", p)
		}
	}()
	synctest.Test(t, func(t *testing.T) {
		r.test = &scratchTest{TB: t, ctx: t.Context()}
		r.test.run(func() {
			r.start()
			r.perform()
		})
	})
	return r
}

// start starts the service with its proxies.
func (r *sequenceRun) start() {
	service := *r.explorer.fuzzer.Service
	service.UnaryInterceptors = append([]grpc.UnaryServerInterceptor{r.watchUnary}, service.UnaryInterceptors...)
	service.StreamInterceptors = append([]grpc.StreamServerInterceptor{r.watchStream}, service.StreamInterceptors...)
	r.cluster = &Cluster{tb: r.test, network: &cluster.Memory{}}
	n := 1
	if r.explorer.cluster {
		n = nodes
	}
	for range n {
		kit := Start(r.test, &service, func(p *proxy.Proxy) {
			if n > 1 {
				p.Cluster = r.cluster.network
			}
		})
		if off := r.explorer.fuzzer.WithoutLaws; len(off) > 0 {
			kit.WithoutLaws(off...)
		}
		r.cluster.nodes = append(r.cluster.nodes, kit)
	}
	r.seen = make([]int, n)
}

// perform carries out the steps, until something is wrong.
func (r *sequenceRun) perform() {
	for _, s := range r.steps {
		r.executed++
		r.do(s)
		r.settle()
		if r.test.first() != "" {
			return
		}
		time.Sleep(pause) //nolint:forbidigo // virtual time
	}
	for _, s := range r.steps { // in order, for a map has none
		r.end(s.id)
	}
	r.settle()
	if len(r.cluster.nodes) > 1 {
		r.cluster.Heal()
		r.cluster.Converge()
	}
	if r.test.first() == "" && !r.explorer.off(LawReply) {
		r.repeat()
	}
}

// off reports whether a law is not in force.
func (x *explorer) off(law Law) bool {
	return slices.Contains(x.fuzzer.WithoutLaws, law)
}

// settle waits until everything that a step has led to is over, and asks for faults.
func (r *sequenceRun) settle() {
	synctest.Wait()
	for _, kit := range r.cluster.nodes {
		for _, fault := range kit.Faults() {
			r.test.Errorf("the proxy found a fault of the service: %s", fault)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, text := range r.panics { // those of entities were faults
		r.test.Errorf("%s", text)
	}
	r.panics = nil
}

func (r *sequenceRun) do(s *step) {
	kit := r.cluster.nodes[s.node]
	switch s.kind {
	case stepCommand:
		r.command(kit, s)
	case stepCancel:
		r.end(s.target)
	case stepPassivate:
		if target := targetOf(r.steps, s); target != nil && !r.streaming() {
			key := target.entity()
			kit.Passivate(key.persistenceID, key.id)
		}
	case stepRestart:
		kit.Restart()
	case stepPartition:
		r.cluster.Partition([]int{0}, []int{1})
	case stepHeal:
		r.cluster.Heal()
	}
}

// streaming reports whether a stream is open, which keeps its entity in memory.
func (r *sequenceRun) streaming() bool { return len(r.streams) > 0 }

func (r *sequenceRun) command(kit *Kit, s *step) {
	switch {
	case s.method.holds():
		r.open(kit, s)
	case s.method.streams():
		r.stream(kit, s)
	default:
		reply, err := r.call(kit, s)
		o := r.observe(s, reply, err)
		r.trace = append(r.trace, o)
	}
}

// call sends a command, and returns what its client gets.
func (r *sequenceRun) call(kit *Kit, s *step) (proto.Message, error) {
	reply, err := newMessage(s.method.descriptor.Output())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(r.test.Context(), callTimeout)
	defer cancel()
	if err := kit.Invoke(ctx, s.method.fullName(), proto.Clone(s.requests[0]), reply); err != nil {
		return nil, err
	}
	return reply, nil
}

// begin begins a streamed call, and sends all requests.
func (r *sequenceRun) begin(ctx context.Context, kit *Kit, s *step) (grpc.ClientStream, error) {
	desc := &grpc.StreamDesc{
		StreamName:    string(s.method.descriptor.Name()),
		ClientStreams: s.method.descriptor.IsStreamingClient(),
		ServerStreams: s.method.descriptor.IsStreamingServer(),
	}
	stream, err := kit.NewStream(ctx, desc, s.method.fullName())
	if err != nil {
		return nil, err
	}
	for _, request := range s.requests {
		if err := stream.SendMsg(request); err != nil && !errors.Is(err, io.EOF) { // which receiving explains
			return nil, err
		}
	}
	return stream, stream.CloseSend()
}

// stream carries out a streamed call of an action. What it replies is its own affair.
func (r *sequenceRun) stream(kit *Kit, s *step) {
	ctx, cancel := context.WithTimeout(r.test.Context(), callTimeout)
	defer cancel()
	stream, err := r.begin(ctx, kit, s)
	if err == nil {
		receive(stream, s, maxReplies)
	}
}

// open opens a stream of a CRDT entity.
func (r *sequenceRun) open(kit *Kit, s *step) {
	ctx, cancel := context.WithCancel(r.test.Context())
	opened := &openStream{cancel: cancel, done: make(chan struct{})}
	r.streams[s.id] = opened
	stream, err := r.begin(ctx, kit, s)
	go func() {
		defer close(opened.done)
		if err == nil {
			receive(stream, s, -1)
		}
	}()
}

// end cancels the stream of a command, if it is open.
func (r *sequenceRun) end(id int) {
	if stream := r.streams[id]; stream != nil {
		stream.cancel()
		<-stream.done
		delete(r.streams, id)
		synctest.Wait() // for the last turn, before another stream ends
	}
}

// receive receives replies until the stream ends, or there were as many as limit says.
func receive(stream grpc.ClientStream, s *step, limit int) {
	for n := 0; n != limit; n++ {
		reply, err := newMessage(s.method.descriptor.Output())
		if err != nil || stream.RecvMsg(reply) != nil {
			return
		}
	}
}

// watchUnary notices panics of actions, which only fail their call.
func (r *sequenceRun) watchUnary(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	defer r.panicked(info.FullMethod)
	return handler(ctx, request)
}

func (r *sequenceRun) watchStream(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	defer r.panicked(info.FullMethod)
	return handler(server, stream)
}

func (r *sequenceRun) panicked(method string) {
	p := recover()
	if p == nil {
		return
	}
	if m := r.explorer.method(method); m != nil && !m.declaration.Kind.Keyed {
		r.mu.Lock()
		r.panics = append(r.panics, fmt.Sprintf("%s panicked: %v", method, p))
		r.mu.Unlock()
	}
	panic(p) //nolint:forbidigo // the service handles it
}

func (x *explorer) method(fullName string) *fuzzMethod {
	for _, m := range x.methods {
		if m.fullName() == fullName {
			return m
		}
	}
	return nil
}

// An observation is what a command did, as far as it should be the same each time.
type observation struct {
	step   *step
	reply  string // or failure
	stored string // "" for nothing
	effect bool   // it asks for side effects
}

// observe returns what a command did.
func (r *sequenceRun) observe(s *step, reply proto.Message, err error) observation {
	synctest.Wait() // for what it has led to
	o := observation{step: s}
	if err != nil {
		o.reply = fmt.Sprintf("a failure, %s: %s", status.Code(err), status.Convert(err).Message())
	} else {
		o.reply = describeMessage(reply)
	}
	var stored strings.Builder
	for node, kit := range r.cluster.nodes {
		all := kit.outcomes.find(func(*Outcome) bool { return true })
		for _, outcome := range all[r.seen[node]:] {
			stored.WriteString(outcome.stored())
			o.effect = o.effect || len(outcome.SideEffects) > 0
		}
		r.seen[node] = len(all)
	}
	o.stored = stored.String()
	return o
}

// stored returns what is stored because of the command; "" for nothing.
func (o *Outcome) stored() string {
	var b strings.Builder
	for _, event := range o.Events {
		fmt.Fprintf(&b, "%s %s event %x\n", o.Method, o.EntityID, event)
	}
	if o.State != nil {
		fmt.Fprintf(&b, "%s %s state %x\n", o.Method, o.EntityID, o.State)
	}
	if o.Deleted {
		fmt.Fprintf(&b, "%s %s deleted\n", o.Method, o.EntityID)
	}
	if o.Delta != nil {
		fmt.Fprintf(&b, "%s %s delta %s\n", o.Method, o.EntityID, describeDelta(o.Delta))
	}
	return b.String()
}
