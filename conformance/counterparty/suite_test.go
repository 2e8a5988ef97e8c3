package counterparty_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/conformance"
)

// The models of go-support have passed the official kit, so what the suite holds against them
// is what the kit does not check. The README of conformance says what it is.
func TestGoSupport_ViolatesWhatTheReadmeSays(t *testing.T) {
	t.Parallel()
	report := conformance.CheckUserFunction(t.Context(), conformance.UserFunction{
		Conn:    startGoSupport(t).conn,
		Timeout: 10 * time.Second, // that is how long it takes to find out that nothing comes
		Skip: map[string]string{
			"P-030": "a command without a payload makes the process of go-support crash",
			"P-060": "an event that it cannot replay makes the process of go-support crash",
			"P-122": "the cancellation of an unknown stream makes the process of go-support crash",
		},
	})
	require.Equal(t, []string{
		"P-025", "P-026", "P-027", "P-028", "P-029", "P-031",
		"P-073", "P-076",
		"P-092", "P-093", "P-094", "P-095", "P-099",
		"P-118", "P-128", "P-140", "P-148", "P-149",
		"P-162", "P-163", "P-208",
	}, report.Failed(), report)
}
