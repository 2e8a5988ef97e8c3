package routing_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/proxy/internal/routing"
	"github.com/cloudstate-go/cloudstate/proxy/internal/scripted"
	"github.com/cloudstate-go/cloudstate/proxy/internal/spec"
)

// handler is a kind whose commands a test handles.
type handler func(command *routing.Command) (*routing.Response, error)

func (h handler) Handle(_ context.Context, command *routing.Command, respond func(*routing.Response) error) error {
	response, err := h(command)
	if err != nil {
		return err
	}
	return respond(response)
}

// A fixture is a router with one kind.
type fixture struct {
	t      *testing.T
	router *routing.Router
	spec   *spec.Spec

	mu      sync.Mutex
	handled []string // service.command of everything that was handled
	faults  []routing.Fault
	reports []string
	failing bool // the user function does not take reports
}

func (f *fixture) Discover(context.Context, *protocol.ProxyInfo, ...grpc.CallOption) (*protocol.EntitySpec, error) {
	return nil, status.Error(codes.Unimplemented, "not here")
}

func (f *fixture) ReportError(_ context.Context, report *protocol.UserFunctionError, _ ...grpc.CallOption) (*emptypb.Empty, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reports = append(f.reports, report.GetMessage())
	if f.failing {
		return nil, status.Error(codes.Unavailable, "gone")
	}
	return &emptypb.Empty{}, nil
}

// start starts a router whose commands are handled by h. Reports have arrived when
// finish has returned.
func start(t *testing.T, h handler) (f *fixture, finish func()) {
	t.Helper()
	services, err := spec.New(scripted.Spec(t), spec.Options{})
	require.NoError(t, err)
	f = &fixture{t: t, spec: services}
	reporter := routing.NewReporter(slog.New(slog.DiscardHandler), func(fault routing.Fault) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.faults = append(f.faults, fault)
	}, f)
	f.router = routing.New(services, reporter)
	f.router.Register(spec.EventSourced, handler(func(command *routing.Command) (*routing.Response, error) {
		f.mu.Lock()
		f.handled = append(f.handled, command.Method.Service.Name+"."+command.Method.Name)
		f.mu.Unlock()
		return h(command)
	}))
	var reporting sync.WaitGroup
	reporting.Go(func() { reporter.Run(context.Background()) })
	finish = sync.OnceFunc(func() {
		require.NoError(t, f.router.Wait(context.Background()))
		reporter.Close()
		reporting.Wait()
	})
	t.Cleanup(finish)
	return f, finish
}

// call asks the first service.
func (f *fixture) call() (*protocol.Reply, error) {
	var replies []*protocol.Reply
	err := f.router.Call(f.t.Context(), &routing.Command{
		Method:  f.spec.Service(scripted.First).Method("Ask"),
		Payload: scripted.Question("u1", "hello"),
	}, func(reply *protocol.Reply) error {
		replies = append(replies, reply)
		return nil
	})
	require.LessOrEqual(f.t, len(replies), 1)
	if len(replies) == 0 {
		return nil, err
	}
	return replies[0], err
}

func (f *fixture) requireStatus(err error, code codes.Code, text string) {
	f.t.Helper()
	require.Equal(f.t, code, status.Code(err))
	require.Equal(f.t, text, status.Convert(err).Message())
}

func replied(payload *anypb.Any) (*routing.Response, error) {
	return &routing.Response{Action: scripted.Replied(payload)}, nil
}

func failed(text string) (*routing.Response, error) {
	return &routing.Response{Action: &protocol.ClientAction{Action: &protocol.ClientAction_Failure{
		Failure: &protocol.Failure{Description: text},
	}}}, nil
}

// P-166: the reply is delivered as it is, and reported once.
func TestCall_ReportsAReplyOfTheWrongType(t *testing.T) {
	t.Parallel()
	f, finish := start(t, func(*routing.Command) (*routing.Response, error) { return replied(scripted.Event("odd")) })
	reply, err := f.call()
	require.NoError(t, err)
	require.True(t, proto.Equal(scripted.Event("odd"), reply.GetPayload()))
	finish()
	require.Equal(t, []string{"Warning: scripted.First.Ask: Expected reply type_url to be [type.googleapis.com/scripted.Answer] but was [json.cloudstate.io/event]."}, f.reports)
	require.Len(t, f.faults, 1)
}

// A user function that does not take a report changes nothing.
func TestCall_ReportsAreFireAndForget(t *testing.T) {
	t.Parallel()
	f, finish := start(t, func(*routing.Command) (*routing.Response, error) { return replied(scripted.Event("odd")) })
	f.failing = true
	_, err := f.call()
	require.NoError(t, err)
	finish()
	require.Len(t, f.reports, 1)
}

// Protocol section 8.2: nothing is sent, and what to make of that is up to the front
// end.
func TestCall_WithoutReply(t *testing.T) {
	t.Parallel()
	tests := map[string]*routing.Response{
		"no client action":    {},
		"empty client action": {Action: &protocol.ClientAction{}},
		"no payload":          {Action: scripted.Replied(nil)},
	}
	for name, response := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, _ := start(t, func(*routing.Command) (*routing.Response, error) { return response, nil })
			reply, err := f.call()
			require.NoError(t, err)
			require.Nil(t, reply)
		})
	}
}

func TestCall_KindThatIsNotServed(t *testing.T) {
	t.Parallel()
	f, _ := start(t, func(*routing.Command) (*routing.Response, error) { return replied(scripted.Answer("ok")) })
	f.spec.Service(scripted.First).EntityType = spec.Action
	_, err := f.call()
	f.requireStatus(err, codes.Unimplemented, "scripted.First has the entity type cloudstate.action.ActionProtocol, which this proxy does not serve")
}

func effect(service, command string) *protocol.SideEffect {
	return &protocol.SideEffect{ServiceName: service, CommandName: command, Payload: scripted.Question("e1", "effect")}
}

func synchronous(service, command string) *protocol.SideEffect {
	e := effect(service, command)
	e.Synchronous = true
	return e
}

// P-172: synchronous effects are over, in order, before the reply is delivered.
func TestSideEffect_SynchronousOnesComeFirst(t *testing.T) {
	t.Parallel()
	f, _ := start(t, func(command *routing.Command) (*routing.Response, error) {
		if command.Method.Service.Name == scripted.Second {
			require.True(t, proto.Equal(scripted.Question("e1", "effect"), command.Payload))
			return failed("ignored")
		}
		response, err := replied(scripted.Answer("ok"))
		response.SideEffects = []*protocol.SideEffect{synchronous(scripted.Second, "Tell"), synchronous(scripted.Second, "Ask")}
		return response, err
	})
	reply, err := f.call()
	require.NoError(t, err)
	require.NotNil(t, reply)
	require.Equal(t, []string{"scripted.First.Ask", "scripted.Second.Tell", "scripted.Second.Ask"}, f.handled)
	require.Empty(t, f.faults)
}

// P-171: the reply does not wait for an asynchronous effect.
func TestSideEffect_AsynchronousOnesDoNotDelayTheReply(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		f, finish := start(t, func(command *routing.Command) (*routing.Response, error) {
			if command.Method.Service.Name == scripted.Second {
				<-release
				return nil, status.Error(codes.Unavailable, "gone")
			}
			response, err := replied(scripted.Answer("ok"))
			response.SideEffects = []*protocol.SideEffect{effect(scripted.Second, "Tell")}
			return response, err
		})
		_, err := f.call()
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, f.router.Wait(ctx), context.Canceled)
		close(release)
		finish()
		require.Len(t, f.faults, 1)
		require.ErrorContains(t, f.faults[0].Err, "side effect of scripted.First.Ask was not carried out")
	})
}

// not even a synchronous effect fails the command.
func TestSideEffect_NeverFailsTheCommand(t *testing.T) {
	t.Parallel()
	f, finish := start(t, func(command *routing.Command) (*routing.Response, error) {
		if command.Method.Service.Name == scripted.Second {
			return nil, status.Error(codes.Unavailable, "gone")
		}
		response, err := replied(scripted.Answer("ok"))
		response.SideEffects = []*protocol.SideEffect{synchronous(scripted.Second, "Tell")}
		return response, err
	})
	reply, err := f.call()
	require.NoError(t, err)
	require.NotNil(t, reply)
	finish()
	require.Len(t, f.faults, 1)
	require.Equal(t, scripted.Second, f.faults[0].Service)
	require.Empty(t, f.reports, "the user function need not know that it is gone")
}

// Protocol section 7.2: effects of failures and of empty responses are carried out.
func TestSideEffect_OfAFailure(t *testing.T) {
	t.Parallel()
	f, _ := start(t, func(command *routing.Command) (*routing.Response, error) {
		response, err := failed("no")
		if command.Method.Service.Name == scripted.First {
			response.SideEffects = []*protocol.SideEffect{synchronous(scripted.Second, "Tell")}
		}
		return response, err
	})
	_, err := f.call()
	f.requireStatus(err, codes.Unknown, "no")
	require.Equal(t, []string{"scripted.First.Ask", "scripted.Second.Tell"}, f.handled)
}

// P-173.
func TestUnroutable(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		service, command string
		text             string
	}{
		"unknown service": {"nowhere.Service", "Ask", "Service [nowhere.Service] unknown"},
		"unknown command": {scripted.Second, "Shout", "Service [scripted.Second] does not have a command named: [Shout]"},
	}
	for name, tt := range tests {
		t.Run(name+" in a forward", func(t *testing.T) {
			t.Parallel()
			f, finish := start(t, func(*routing.Command) (*routing.Response, error) {
				return &routing.Response{Action: scripted.Forwarded(tt.service, tt.command, nil)}, nil
			})
			_, err := f.call()
			f.requireStatus(err, codes.Unimplemented, tt.text)
			finish()
			require.Equal(t, []string{tt.text + "\n  forwarded from scripted.First.Ask"}, f.reports)
			require.Len(t, f.faults, 1)
		})
		t.Run(name+" in a side effect", func(t *testing.T) {
			t.Parallel()
			f, finish := start(t, func(*routing.Command) (*routing.Response, error) {
				response, err := replied(scripted.Answer("ok"))
				response.SideEffects = []*protocol.SideEffect{synchronous(tt.service, tt.command)}
				return response, err
			})
			_, err := f.call()
			require.NoError(t, err)
			finish()
			require.Equal(t, []string{tt.text + "\n  side-effect of scripted.First.Ask"}, f.reports)
		})
	}
}

// The developer gets to know how it came to that.
func TestUnroutable_NamesTheChain(t *testing.T) {
	t.Parallel()
	f, finish := start(t, func(command *routing.Command) (*routing.Response, error) {
		if command.Method.Service.Name == scripted.Second {
			return &routing.Response{Action: scripted.Forwarded("nowhere.Service", "Ask", nil)}, nil
		}
		response, err := replied(scripted.Answer("ok"))
		response.SideEffects = []*protocol.SideEffect{synchronous(scripted.Second, "Tell")}
		return response, err
	})
	_, err := f.call()
	require.NoError(t, err)
	finish()
	require.Equal(t, []string{"Service [nowhere.Service] unknown\n  forwarded from scripted.Second.Tell\n  side-effect of scripted.First.Ask"}, f.reports)
}

// Metadata of a forward goes to its target; what a client gets as header comes only
// from a direct reply (protocol section 6.4).
func TestForward_Metadata(t *testing.T) {
	t.Parallel()
	metadata := &protocol.Metadata{Entries: []*protocol.MetadataEntry{{Key: "k", Value: &protocol.MetadataEntry_StringValue{StringValue: "v"}}}}
	f, _ := start(t, func(command *routing.Command) (*routing.Response, error) {
		if command.Method.Service.Name == scripted.First {
			action := scripted.Forwarded(scripted.Second, "Ask", nil)
			action.GetForward().Metadata = metadata
			return &routing.Response{Action: action}, nil
		}
		require.True(t, proto.Equal(metadata, command.Metadata))
		require.Equal(t, scripted.QuestionURL, command.Payload.GetTypeUrl())
		action := scripted.Replied(scripted.Answer("ok"))
		action.GetReply().Metadata = metadata
		return &routing.Response{Action: action}, nil
	})
	reply, err := f.call()
	require.NoError(t, err)
	require.True(t, proto.Equal(&protocol.Reply{Payload: scripted.Answer("ok")}, reply), "got %v", reply)
}

// Protocol section 7.3: the target's failure is that of the command.
func TestForward_Fails(t *testing.T) {
	t.Parallel()
	f, _ := start(t, func(command *routing.Command) (*routing.Response, error) {
		if command.Method.Service.Name == scripted.First {
			return &routing.Response{Action: scripted.Forwarded(scripted.Second, "Ask", nil)}, nil
		}
		return failed("not there either")
	})
	_, err := f.call()
	f.requireStatus(err, codes.Unknown, "not there either")
}

// Protocol section 7.2: a loop ends after 64 hops.
func TestForward_LoopEnds(t *testing.T) {
	t.Parallel()
	f, finish := start(t, func(*routing.Command) (*routing.Response, error) {
		return &routing.Response{Action: scripted.Forwarded(scripted.First, "Ask", nil)}, nil
	})
	_, err := f.call()
	f.requireStatus(err, codes.Internal, "more than 64 forwards and side effects follow from one call, the last to scripted.First.Ask: is there a loop?")
	require.Len(t, f.handled, routing.MaxHops+1)
	finish()
	require.Len(t, f.reports, 1)
	require.Equal(t, routing.MaxHops+1, strings.Count(f.reports[0], "\n  forwarded from"))
}

func TestSideEffect_LoopEnds(t *testing.T) {
	t.Parallel()
	f, finish := start(t, func(*routing.Command) (*routing.Response, error) {
		response, err := replied(scripted.Answer("ok"))
		response.SideEffects = []*protocol.SideEffect{effect(scripted.First, "Ask")}
		return response, err
	})
	_, err := f.call()
	require.NoError(t, err)
	finish()
	require.Len(t, f.handled, routing.MaxHops+1)
	require.Len(t, f.reports, 1)
}
