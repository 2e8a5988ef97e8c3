package crdts

import "sync"

// An inbox holds what a runner has to do, in order. It has no limit, so that whoever puts
// something in never waits: the runner may be waiting for it to read.
type inbox struct {
	ready chan struct{} // gets a value when there may be something to do

	mu    sync.Mutex
	tasks []func()
}

func newInbox() *inbox { return &inbox{ready: make(chan struct{}, 1)} }

// put adds a task.
func (i *inbox) put(task func()) {
	i.mu.Lock()
	i.tasks = append(i.tasks, task)
	i.mu.Unlock()
	i.wake()
}

// wake lets the runner look around.
func (i *inbox) wake() {
	select {
	case i.ready <- struct{}{}:
	default:
	}
}

// run carries out all tasks, and says whether there were any.
func (i *inbox) run() bool {
	did := false
	for {
		i.mu.Lock()
		tasks := i.tasks
		i.tasks = nil
		i.mu.Unlock()
		if len(tasks) == 0 {
			return did
		}
		did = true
		for _, task := range tasks {
			task()
		}
	}
}

func (i *inbox) empty() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.tasks) == 0
}
