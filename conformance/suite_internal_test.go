package conformance

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/conformance/modelpb/actionmodel"
	"github.com/cloudstate-go/cloudstate/protocol"
)

func TestSuite_ReportsWhatBecameOfEachAssertion(t *testing.T) {
	t.Parallel()
	s := newSuite(ofUserFunction, map[string]string{"P-003": "nobody can see it"}, checks[string]{
		"P-002": {
			"a check that passes": func(t *trial, target string) { require.Equal(t, "target", target) },
			"a check that fails":  func(t *trial, target string) { require.Equal(t, "another", target, "the target") },
			"one that panics":     func(*trial, string) { panic("ouch") }, //nolint:forbidigo // what the test is about
		},
		"P-004": {"a check that cannot be made": func(t *trial, _ string) { t.NotApplicablef("no model %d", 4) }},
	})
	r := s.check(t.Context(), "target")

	require.Equal(t, []string{"P-002"}, r.Failed())
	byID := map[string]Assertion{}
	for _, a := range r.Assertions {
		byID[a.ID] = a
	}
	require.NotContains(t, byID, "P-001", "an assertion of the other side")
	failing := byID["P-002"]
	require.Equal(t, []int{1, 2, 0}, []int{failing.Count(Passed), failing.Count(Failed), failing.Count(NotApplicable)})
	require.Equal(t, []Check{{Outcome: NotApplicable, Detail: "nobody can see it"}}, byID["P-003"].Checks)
	require.Equal(t, []Check{{Scenario: "a check that cannot be made", Outcome: NotApplicable, Detail: "no model 4"}}, byID["P-004"].Checks)

	text := r.String()
	require.Contains(t, text, "     1      2              0  P-002 discover returns the same EntitySpec")
	require.Contains(t, text, "a check that fails: failed")
	require.Contains(t, text, "+target")
	require.Contains(t, text, "one that panics: failed: panic: ouch")
	require.Contains(t, text, "not applicable: nobody can see it")
}

func TestSuite_EndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	s := newSuite(ofUserFunction, nil, checks[string]{"P-002": {"a check that waits": func(t *trial, _ string) {
		cancel()
		<-t.Context().Done()
		require.NoError(t, t.Context().Err())
	}}})
	require.Equal(t, []string{"P-002"}, s.check(ctx, "").Failed())
}

func TestSuite_TellsWhatItLeavesOut(t *testing.T) {
	t.Parallel()
	none := func(*trial, string) {}
	all := checks[string]{}
	for _, a := range appendix {
		if a.side&ofProxy != 0 {
			all[a.id] = map[string]func(*trial, string){"a check": none}
		}
	}
	require.Empty(t, newSuite(ofProxy, nil, all).mistakes())

	delete(all, "P-001")
	require.Len(t, newSuite(ofProxy, nil, all).mistakes(), 1)
	require.Empty(t, newSuite(ofProxy, map[string]string{"P-001": "a reason"}, all).mistakes())
	require.Len(t, newSuite(ofProxy, map[string]string{"P-001": "a reason", "P-010": "although it is checked"}, all).mistakes(), 1)
	require.Len(t, newSuite(ofProxy, map[string]string{"P-001": "a reason", "P-002": "of the other side"}, all).mistakes(), 1)
}

func TestTrial_ReportsNoCallStack(t *testing.T) {
	t.Parallel()
	detailed := "some text"
	_, detail := runTrial(t.Context(), func(t *trial) {
		assert.Equal(t, "another text", detailed, "the first")
		assert.Contains(t, detailed, "more", "the second")
	})
	require.NotContains(t, detail, "Error Trace:")
	require.NotContains(t, detail, ".go:")
	for _, part := range []string{"Not equal:", "the first", "does not contain", "the second"} {
		require.Contains(t, detail, part)
	}
}

func TestTrial_RunsCleanupsInReverse(t *testing.T) {
	t.Parallel()
	var order []int
	outcome, _ := runTrial(t.Context(), func(t *trial) {
		for i := range 3 {
			t.Cleanup(func() {
				require.Error(t, t.Context().Err(), "the context has ended")
				order = append(order, i)
			})
		}
	})
	require.Equal(t, Passed, outcome)
	require.Equal(t, []int{2, 1, 0}, order)
}

func TestRequireEqual_ShowsWhatDiffers(t *testing.T) {
	t.Parallel()
	response := &actionmodel.Response{Message: "one"}
	bytes := pack(response).GetValue()
	tests := map[string]struct {
		want, got *protocol.Reply
		diff      []string // lines of it; nil if they are equal
	}{
		"equal messages": {&protocol.Reply{Payload: pack(response)}, &protocol.Reply{Payload: pack(response)}, nil},
		"another payload": {
			&protocol.Reply{Payload: pack(response)},
			&protocol.Reply{Payload: pack(&actionmodel.Response{Message: "two"})},
			[]string{"  payload:", "- message: \"one\"", "+ message: \"two\""},
		},
		"an empty message is present": {&protocol.Reply{}, &protocol.Reply{Metadata: &protocol.Metadata{}}, []string{"+ metadata: {}"}},
		"other bytes of a payload": {
			&protocol.Reply{Payload: pack(response)},
			&protocol.Reply{Payload: &anypb.Any{TypeUrl: pack(response).GetTypeUrl(), Value: append(bytes, bytes...)}},
			[]string{"  type_url:", "- value:", "+ value:"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			outcome, detail := runTrial(t.Context(), func(t *trial) { requireEqual(t, tt.want, tt.got, "the reply to command %d", 7) })
			if tt.diff == nil {
				require.Equal(t, Passed, outcome, detail)
				return
			}
			require.Equal(t, Failed, outcome)
			require.Contains(t, detail, "the reply to command 7 is not as expected")
			for _, line := range tt.diff {
				require.Contains(t, strings.Join(strings.Fields(detail), " "), strings.Join(strings.Fields(line), " "))
			}
		})
	}
}

func TestDiff_MarksLines(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ first, second, want string }{
		"the same":        {"a\nb\n", "a\nb\n", "  a\n  b\n"},
		"a line more":     {"a\nc", "a\nb\nc", "  a\n+ b\n  c\n"},
		"a line less":     {"a\nb\nc", "a\nc", "  a\n- b\n  c\n"},
		"another line":    {"a\nb\nc", "a\nx\nc", "  a\n- b\n+ x\n  c\n"},
		"nothing at last": {"a\nb", "", "- a\n- b\n+ \n"},
		"moved":           {"a\nb", "b\na", "- a\n  b\n+ a\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, diff(tt.first, tt.second))
		})
	}
}

func TestUserFunctionSuite_LeavesNothingOut(t *testing.T) {
	t.Parallel()
	require.Empty(t, userFunctionSuite.mistakes())
}
