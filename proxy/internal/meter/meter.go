// Package meter measures what package observe tells.
package meter

import (
	"time"

	"github.com/cloudstate-go/cloudstate/proxy/observe"
)

// A Meter tells an observer what the components of a service do. The nil Meter has no
// observer, and costs next to nothing: it does not even ask for the time.
type Meter observe.Observer

// Start returns the time at which something starts, for Time.
func (m Meter) Start() time.Time {
	if m == nil {
		return time.Time{}
	}
	return time.Now()
}

// Count tells that something happened once.
func (m Meter) Count(what observe.What) {
	if m != nil {
		m(observe.Observation{What: what, Count: 1})
	}
}

// Time tells that something happened, and took from start until now.
func (m Meter) Time(what observe.What, start time.Time) {
	if m != nil {
		m(observe.Observation{What: what, Count: 1, Took: time.Since(start)})
	}
}

// Size tells that something of a size happened as often as count says, if that is not 0.
func (m Meter) Size(what observe.What, count, bytes int) {
	if m != nil && count > 0 {
		m(observe.Observation{What: what, Count: count, Bytes: bytes})
	}
}
