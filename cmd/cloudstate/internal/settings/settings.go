// Package settings gives the flags of a command their values from the environment and from
// a file.
//
// A flag on the command line counts most, then its environment variable, then the file, and
// last its default. The file is YAML, its keys are the names of flags.
package settings

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

// prefix begins the environment variables of all flags.
const prefix = "CLOUDSTATE_"

// Sources are where flags that are not on the command line get their values from.
type Sources struct {
	// Env looks an environment variable up, as os.LookupEnv does. Required. A variable
	// that is empty counts as not set.
	Env func(name string) (value string, found bool)
	// File is the path of a file, or "" for none.
	File string
}

// Variable returns the name of the environment variable of a flag.
func Variable(flag string) string {
	return prefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// Apply sets every flag that was not set before, as far as a source has a value for it. The
// error has everything that is wrong with the sources, and where; then the values of the flags
// are not to be used.
func (s Sources) Apply(flags *pflag.FlagSet) error {
	file, err := readFile(s.File)
	if err != nil {
		return err
	}
	mistakes := file.unknown(flags)
	flags.VisitAll(func(flag *pflag.Flag) {
		if flag.Changed {
			return
		}
		mistakes = append(mistakes, file.apply(flag), s.applyEnv(flag))
	})
	return errors.Join(mistakes...)
}

// applyEnv sets a flag from the environment: first the variables for parts of its value, then
// the one for all of it.
func (s Sources) applyEnv(flag *pflag.Flag) error {
	if address, ok := flag.Value.(*Address); ok {
		if err := s.applyParts(address); err != nil {
			return err
		}
	}
	name := Variable(flag.Name)
	value, _ := s.Env(name)
	if value == "" {
		return nil
	}
	values := []string{value}
	if _, isList := flag.Value.(pflag.SliceValue); isList {
		values = strings.Split(value, ",")
	}
	if err := assign(flag, values); err != nil {
		return fmt.Errorf("environment variable %s: %w", name, err)
	}
	return nil
}

// applyParts sets the parts of an address for which the protocol has variables.
func (s Sources) applyParts(address *Address) error {
	host, _ := s.Env(address.HostFrom)
	port, _ := s.Env(address.PortFrom)
	if err := address.replace(host, port); err != nil {
		var names []string
		for _, name := range []string{address.HostFrom, address.PortFrom} {
			if value, _ := s.Env(name); value != "" {
				names = append(names, name)
			}
		}
		return fmt.Errorf("environment variable %s: %w", strings.Join(names, " and "), err)
	}
	return nil
}

// assign sets a flag to a value, or a list of them.
func assign(flag *pflag.Flag, values []string) error {
	if list, ok := flag.Value.(pflag.SliceValue); ok {
		return list.Replace(values)
	}
	if len(values) != 1 {
		return fmt.Errorf("found a list of %d values, want one value", len(values))
	}
	return flag.Value.Set(values[0])
}
