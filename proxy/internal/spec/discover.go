package spec

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"

	"github.com/cloudstate-go/cloudstate/protocol"
	"github.com/cloudstate-go/cloudstate/proxy/internal/backoff"
)

// ProxyName is how the proxy introduces itself to user functions.
const ProxyName = "cloudstate-go-proxy"

// pauses are those between attempts to discover (protocol section 2.1).
var pauses = backoff.Backoff{Min: time.Second, Max: 10 * time.Second}

// maxSpecSize is the largest answer that is accepted, in bytes: that of the reference
// proxy for all messages of a user function (protocol section 10.1).
const maxSpecSize = 12 << 20

// Config is how to discover a user function. The zero value is ready for use.
type Config struct {
	// Options say what is accepted.
	Options Options
	// ProxyVersion is the version that the proxy reports. Empty means "unknown".
	ProxyVersion string
	// AttemptTimeout is how long one call may take before it is tried again. Zero
	// means 10 seconds.
	AttemptTimeout time.Duration
	// Logger gets a warning for each failed attempt and an error for a user function
	// that cannot be used. Nil means none.
	Logger *slog.Logger
}

// Discover asks a user function what it serves, and checks the answer.
//
// A call that fails is repeated until one succeeds or ctx ends, after pauses that
// grow from one second to ten (protocol section 2.1). An answer that breaks a rule is
// logged, reported to the user function, and returned as the error of [New]; asking
// again would not help. An error is also returned if ctx ends.
//
// The pauses are those between calls: a connection that has its own, longer ones
// delays the success of a call.
func Discover(ctx context.Context, client protocol.EntityDiscoveryClient, cfg Config) (*Spec, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.AttemptTimeout == 0 {
		cfg.AttemptTimeout = 10 * time.Second
	}
	if cfg.ProxyVersion == "" {
		cfg.ProxyVersion = "unknown"
	}
	if cfg.Options.SkipVersionCheck {
		cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "the protocol version of the user function is not checked")
	}
	answer, err := cfg.ask(ctx, client)
	if err != nil {
		return nil, err
	}
	discovered, err := New(answer, cfg.Options)
	if err != nil {
		cfg.Logger.LogAttrs(ctx, slog.LevelError, "the user function cannot be used", slog.Any("error", err))
		cfg.report(ctx, client, err)
		return nil, err
	}
	return discovered, nil
}

// ask repeats the call until it succeeds or ctx ends.
func (c Config) ask(ctx context.Context, client protocol.EntityDiscoveryClient) (*protocol.EntitySpec, error) {
	info := &protocol.ProxyInfo{
		ProtocolMajorVersion: protocol.MajorVersion,
		ProtocolMinorVersion: protocol.MinorVersion,
		ProxyName:            ProxyName,
		ProxyVersion:         c.ProxyVersion,
		SupportedEntityTypes: slices.Clone(c.Options.entityTypes()),
	}
	for attempt := 0; ; attempt++ {
		answer, err := c.askOnce(ctx, client, info)
		if err == nil {
			return answer, nil
		}
		delay := pauses.Delay(attempt)
		if ctx.Err() == nil {
			c.Logger.LogAttrs(ctx, slog.LevelWarn, "the user function did not answer; trying again until it runs",
				slog.Any("error", err), slog.Duration("delay", delay))
		}
		if backoff.Sleep(ctx, delay) != nil {
			return nil, fmt.Errorf("discover the user function: %w; the last attempt: %w", context.Cause(ctx), err)
		}
	}
}

func (c Config) askOnce(ctx context.Context, client protocol.EntityDiscoveryClient, info *protocol.ProxyInfo) (*protocol.EntitySpec, error) {
	ctx, cancel := context.WithTimeout(ctx, c.AttemptTimeout)
	defer cancel()
	return client.Discover(ctx, info, grpc.MaxCallRecvMsgSize(maxSpecSize))
}

// report tells the developer of the user function what is wrong with it. Whether the
// user function takes it does not matter (protocol section 2.7).
func (c Config) report(ctx context.Context, client protocol.EntityDiscoveryClient, problem error) {
	ctx, cancel := context.WithTimeout(ctx, c.AttemptTimeout)
	defer cancel()
	text := strings.ToValidUTF8(problem.Error(), "\uFFFD") // descriptors may contain anything
	if _, err := client.ReportError(ctx, &protocol.UserFunctionError{Message: text}); err != nil {
		c.Logger.LogAttrs(ctx, slog.LevelWarn, "the user function did not take the report of its error", slog.Any("error", err))
	}
}
