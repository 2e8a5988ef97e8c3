// Package component is what a service and its entities and actions know of each other.
//
// Each kind of entity turns its declarations into a [Declaration]; the service gathers
// them by [Kind] and lets each kind register its protocol server. So the service imports
// no kind, and a program links only those it uses.
package component

import (
	"context"
	"log/slog"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/cloudstate-go/cloudstate/internal/command"
)

// A Component declares an entity or an action. It is implemented by the declarations of
// the kinds and not meant to be implemented elsewhere.
type Component interface {
	// Declare returns the declaration as it is now, with all its mistakes.
	Declare() *Declaration
}

// A Kind is one of the kinds of components. Kinds are compared by identity.
type Kind struct {
	// EntityType is the full name of the protocol service.
	EntityType string
	// Keyed says that requests name an entity.
	Keyed bool
	// Register registers the protocol server for the declarations of this kind.
	Register func(registrar grpc.ServiceRegistrar, env *Env, declarations []*Declaration)
}

// A Declaration is a component as the service and its proxy see it.
type Declaration struct {
	Kind *Kind
	// Service is the generated description of the gRPC service.
	Service *grpc.ServiceDesc
	// Descriptor is the service in the user's .proto file; nil if it is not linked in.
	Descriptor protoreflect.ServiceDescriptor
	// PersistenceID is the namespace of stored state; never empty for kinds with state.
	PersistenceID string
	// Stored are the names of what its entities store, or have stored, as entity.StoredName
	// has them. A proxy does not need to know their types, but its tools can show them then.
	Stored []string
	// PassivateAfter is how long an entity may be idle; 0 leaves it to the proxy.
	PassivateAfter time.Duration
	// Mistakes are what Validate reports.
	Mistakes []error
	// Implementation is what Kind.Register needs to know besides.
	Implementation any

	goType string // of what implements the service, where that has no name
}

// Env is what the protocol servers of all kinds share.
type Env struct {
	command.Environment

	// Logger gets one record for each fault of an entity.
	Logger *slog.Logger
	// Commands counts the commands that are running.
	Commands *command.Gauge
}

// LogFault records why an activation ends. It is the only record of it on this side.
func (e *Env) LogFault(ctx context.Context, kind string, f *command.Fault, service, entityID, name string) {
	attrs := []slog.Attr{
		slog.String("kind", kind), slog.String("service", service), slog.String("entity", entityID), slog.String("command", name),
		slog.String("error", f.Description),
	}
	if f.Stack != nil {
		attrs = append(attrs, slog.String("stack", string(f.Stack)))
	}
	e.Logger.LogAttrs(ctx, slog.LevelError, "entity failed; it is dropped, and reloaded for its next command", attrs...)
}

// Implementations returns what the declarations have to implement their services with, by
// the names of these.
func Implementations[T any](declarations []*Declaration) map[string]T {
	types := make(map[string]T, len(declarations))
	for _, d := range declarations {
		types[d.Service.ServiceName] = d.Implementation.(T) //nolint:errcheck // made by the same kind
	}
	return types
}
