package eventsourced

import (
	"fmt"
	"runtime/debug"

	"github.com/cloudstate-go/cloudstate/protocol"
)

// A fault is why an activation ends: its state can no longer be trusted, or the proxy has
// broken the protocol. Clients do not see its text, so it may be as precise as it can.
type fault struct {
	commandID   int64 // 0 where no command is concerned
	description string
	stack       []byte // where the program went wrong; nil for the others
}

// Error returns the description.
func (f *fault) Error() string { return f.description }

// protocolFault is a mistake of the proxy.
func protocolFault(commandID int64, format string, args ...any) *fault {
	return &fault{commandID: commandID, description: "Protocol error: " + fmt.Sprintf(format, args...)}
}

// unexpected is a mistake of the entity.
func unexpected(commandID int64, err error) *fault {
	return &fault{commandID: commandID, description: "Unexpected failure: " + err.Error()}
}

// panicked turns what recover returned into a fault. It must be called by the function
// that recovered, for the stack to be the one of the panic.
func panicked(commandID int64, recovered any) *fault {
	if f, ok := recovered.(*fault); ok {
		return f // raised by Emit
	}
	return &fault{commandID: commandID, description: fmt.Sprintf("Unexpected failure: %v", recovered), stack: debug.Stack()}
}

func (f *fault) failure() *protocol.Failure {
	return &protocol.Failure{CommandId: f.commandID, Description: f.description}
}
