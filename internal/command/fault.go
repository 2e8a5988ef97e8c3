package command

import (
	"fmt"
	"runtime/debug"

	"github.com/cloudstate-go/cloudstate/protocol"
)

// A Fault is why an activation ends: its state can no longer be trusted, or the proxy has
// broken the protocol. Clients do not see its text, so it may be as precise as it can.
type Fault struct {
	CommandID   int64 // 0 where no command is concerned
	Description string
	Stack       []byte // where the program went wrong; nil for the others
}

// Failure returns the message that tells the proxy.
func (f *Fault) Failure() *protocol.Failure {
	return &protocol.Failure{CommandId: f.CommandID, Description: validText(f.Description)}
}

// ProtocolFault returns a mistake of the proxy.
func ProtocolFault(commandID int64, text string) *Fault {
	return &Fault{CommandID: commandID, Description: "Protocol error: " + text}
}

// Texts are what faults of one kind of entity say (protocol section 3).
type Texts struct {
	// Kind names the kind in the log.
	Kind string
	// NoInit, Inited and Empty are for messages that come at the wrong time, or have
	// nothing in them.
	NoInit, Inited, Empty string
	// WrongEntity and NoPayload are for commands.
	WrongEntity, NoPayload string
	// Unexpected begins what is said of the entity's own mistakes.
	Unexpected string
}

// Fault returns a mistake of the entity.
func (t *Texts) Fault(commandID int64, err error) *Fault {
	return &Fault{CommandID: commandID, Description: t.Unexpected + ": " + err.Error()}
}

// Recovered turns what recover returned into a fault. It must be called by the function
// that recovered, for the stack to be the one of the panic. Nil means runtime.Goexit.
func (t *Texts) Recovered(commandID int64, recovered any) *Fault {
	if recovered == nil {
		return &Fault{
			CommandID:   commandID,
			Description: t.Unexpected + ": the handler has ended its goroutine with runtime.Goexit, as t.FailNow does; use assert instead of require in it",
			Stack:       debug.Stack(),
		}
	}
	if f, ok := recovered.(*Fault); ok {
		return f // raised by a method of Base
	}
	return &Fault{CommandID: commandID, Description: fmt.Sprintf("%s: %v", t.Unexpected, recovered), Stack: debug.Stack()}
}
