package settings

import (
	"fmt"
	"net"
	"strconv"

	"github.com/spf13/pflag"
)

// Off is the address of what does not listen at all.
const Off = "off"

// An Address is the value of a flag that says where something is, as host and port.
type Address struct {
	// HostFrom and PortFrom are environment variables that replace a part; "" for none.
	HostFrom, PortFrom string
	// Optional allows Off.
	Optional bool
	// Remote says that it is the address of something else, so that it needs a host, and
	// a port that is not 0.
	Remote bool

	host, port string // host is Off, and port is "", if it is off
}

var _ pflag.Value = (*Address)(nil)

// Is sets the default of an address that must be valid, and returns the address.
func (a *Address) Is(text string) *Address {
	if err := a.Set(text); err != nil {
		panic(err) //nolint:forbidigo // a mistake in the program
	}
	return a
}

// String returns host and port, or Off.
func (a *Address) String() string {
	if a.port == "" {
		return a.host
	}
	return net.JoinHostPort(a.host, a.port)
}

// IsOff says that there is no address.
func (a *Address) IsOff() bool { return a.port == "" }

// Type names the type in the help.
func (a *Address) Type() string { return "host:port" }

// Set takes host and port, or Off.
func (a *Address) Set(text string) error {
	if text == Off && a.Optional {
		a.host, a.port = Off, ""
		return nil
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return fmt.Errorf("%q is not an address, want %s", text, a.want())
	}
	return a.set(host, port)
}

// replace replaces the parts that are not empty.
func (a *Address) replace(host, port string) error {
	if host == "" && port == "" {
		return nil
	}
	if host == "" && !a.IsOff() {
		host = a.host
	}
	if port == "" {
		port = a.port
	}
	if port == "" {
		return nil // a host alone does not switch on what is off
	}
	return a.set(host, port)
}

func (a *Address) set(host, port string) error {
	number, err := strconv.ParseUint(port, 10, 16)
	switch {
	case err != nil:
		return fmt.Errorf("the port %q is not a number from 0 to 65535", port)
	case a.Remote && (host == "" || number == 0):
		return fmt.Errorf("%q names nothing to connect to, want %s", net.JoinHostPort(host, port), a.want())
	}
	a.host, a.port = host, port
	return nil
}

func (a *Address) want() string {
	switch {
	case a.Remote:
		return "host:port, such as 127.0.0.1:8080"
	case a.Optional:
		return "host:port, such as :9000 for all interfaces, or " + Off
	default:
		return "host:port, such as :9000 for all interfaces"
	}
}
