package settings

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

var (
	_ pflag.Value = (*Duration)(nil)
	_ pflag.Value = (*Size)(nil)
	_ pflag.Value = (*Attempts)(nil)
	_ pflag.Value = (*Choice)(nil)
)

// A Duration is the value of a flag that is a positive time.
type Duration time.Duration

// String returns the duration with its unit.
func (d *Duration) String() string { return time.Duration(*d).String() }

// Type names the type in the help.
func (d *Duration) Type() string { return "duration" }

// Set takes a number with a unit.
func (d *Duration) Set(text string) error {
	value, err := time.ParseDuration(text)
	if err != nil || value <= 0 {
		return fmt.Errorf("%q is not a positive duration, want a number with a unit, such as 500ms, 30s or 2m", text)
	}
	*d = Duration(value)
	return nil
}

// A Size is the value of a flag that is a number of bytes.
type Size int

// units of sizes. The letters alone are those of the reference proxy's settings.
var units = map[string]uint64{
	"": 1, "B": 1,
	"K": 1 << 10, "KiB": 1 << 10,
	"M": 1 << 20, "MiB": 1 << 20,
	"G": 1 << 30, "GiB": 1 << 30,
}

// String returns the size with the largest unit that it is a multiple of.
func (s *Size) String() string {
	for _, unit := range []string{"GiB", "MiB", "KiB"} {
		if factor := Size(units[unit]); *s >= factor && *s%factor == 0 { //nolint:gosec // at most 1 GiB
			return strconv.Itoa(int(*s/factor)) + unit
		}
	}
	return strconv.Itoa(int(*s)) + "B"
}

// Type names the type in the help.
func (s *Size) Type() string { return "size" }

// Set takes a positive number of bytes, with or without a unit, below 2 GiB.
func (s *Size) Set(text string) error {
	digits := strings.TrimRight(text, "BKMGi")
	number, err := strconv.ParseUint(digits, 10, 32)
	factor, known := units[text[len(digits):]]
	if err != nil || !known || number == 0 || number*factor > math.MaxInt32 {
		return fmt.Errorf("%q is not a size, want a positive number of bytes below 2GiB, such as 12MiB, 512KiB or 1000", text)
	}
	*s = Size(number * factor) //nolint:gosec // checked above
	return nil
}

// Attempts is the value of a flag that says how often something is tried: a positive number,
// or -1 for without end.
type Attempts int

const unlimited = "unlimited"

// String returns the number.
func (a *Attempts) String() string {
	if *a < 0 {
		return unlimited
	}
	return strconv.Itoa(int(*a))
}

// Type names the type in the help.
func (a *Attempts) Type() string { return "number" }

// Set takes a positive number, or a word for that there is no limit.
func (a *Attempts) Set(text string) error {
	if text == unlimited {
		*a = -1
		return nil
	}
	number, err := strconv.ParseInt(text, 10, 32)
	if err != nil || number < 1 {
		return fmt.Errorf("%q is not a number of attempts, want one from 1 on, or %s", text, unlimited)
	}
	*a = Attempts(number)
	return nil
}

// A Choice is the value of a flag that is one of a few words.
type Choice struct {
	// Of are the words, the first of which is the default.
	Of []string

	value string
}

// String returns the word.
func (c *Choice) String() string {
	if c.value == "" && len(c.Of) > 0 {
		return c.Of[0]
	}
	return c.value
}

// Type lists the words in the help.
func (c *Choice) Type() string { return strings.Join(c.Of, "|") }

// Set takes one of the words.
func (c *Choice) Set(text string) error {
	if !slices.Contains(c.Of, text) {
		return fmt.Errorf("found %q, want one of: %s", text, strings.Join(c.Of, ", "))
	}
	c.value = text
	return nil
}
