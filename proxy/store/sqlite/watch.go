package sqlite

import "sync"

// A log is an event log, or a topic.
type log struct {
	topic bool
	name  string // or the type whose events are in the log
}

// watchers are those who wait for changes of logs.
type watchers struct {
	mu       sync.Mutex
	channels map[log]chan struct{}
}

// watch returns a channel that is closed with the next change.
func (w *watchers) watch(l log) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.channels == nil {
		w.channels = map[log]chan struct{}{}
	}
	if w.channels[l] == nil {
		w.channels[l] = make(chan struct{})
	}
	return w.channels[l]
}

// notify wakes up those who wait for one of some logs.
func (w *watchers) notify(changed []log) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.channels) == 0 {
		return
	}
	for _, l := range changed {
		if channel := w.channels[l]; channel != nil {
			close(channel)
			delete(w.channels, l)
		}
	}
}
