package routing

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/cloudstate-go/cloudstate/protocol"
)

// A Fault is something that the user function, or the store, did wrong.
type Fault struct {
	// Service is the full name of the service that is concerned.
	Service string
	// EntityID is the entity, where one is concerned.
	EntityID string
	// Command is the simple name of the command, where one is concerned.
	Command string
	// Err says what happened.
	Err error
}

// complaint is an error whose text the protocol prescribes.
type complaint string

func (c complaint) Error() string { return string(c) }

// reportTimeout limits how long the user function may take to note a report.
const reportTimeout = 10 * time.Second

// A Reporter tells the world about faults: the log, whoever watches, and the user
// function where its developer must act.
type Reporter struct {
	logger       *slog.Logger
	onFault      func(Fault)
	userFunction protocol.EntityDiscoveryClient
	reports      chan string
}

// NewReporter returns a reporter. onFault is called concurrently; Run must be
// running for reports to reach the user function.
func NewReporter(logger *slog.Logger, onFault func(Fault), userFunction protocol.EntityDiscoveryClient) *Reporter {
	return &Reporter{logger: logger, onFault: onFault, userFunction: userFunction, reports: make(chan string, 256)}
}

// Report logs a fault, once.
func (r *Reporter) Report(ctx context.Context, fault Fault) {
	r.logger.LogAttrs(ctx, slog.LevelError, "user function fault",
		slog.String("service", fault.Service), slog.String("entity", fault.EntityID),
		slog.String("command", fault.Command), slog.Any("error", fault.Err))
	r.onFault(fault)
}

// Tell reports a fault, and sends its text to the user function as well. It does not
// wait; when very many reports are under way, the log has to do.
func (r *Reporter) Tell(ctx context.Context, fault Fault) {
	r.Report(ctx, fault)
	select {
	case r.reports <- fault.Err.Error():
	default:
	}
}

// Run sends reports to the user function until Close is called, and those that were
// made before. It gives up when the context ends.
func (r *Reporter) Run(ctx context.Context) {
	for message := range r.reports {
		if err := r.send(ctx, message); err != nil {
			r.logger.LogAttrs(ctx, slog.LevelWarn, "user function did not take a report", slog.Any("error", err))
		}
	}
}

// Close ends Run. Nothing may be reported afterwards.
func (r *Reporter) Close() {
	close(r.reports)
}

// send sends one report.
func (r *Reporter) send(ctx context.Context, message string) error {
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	if _, err := r.userFunction.ReportError(ctx, &protocol.UserFunctionError{Message: message}); err != nil {
		return fmt.Errorf("report error %q: %w", message, err)
	}
	return nil
}
