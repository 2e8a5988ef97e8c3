// Package memory is a store that lives as long as its process: for development,
// for tests, and for state that may be lost.
//
//	stored := memory.New()
//	p := &proxy.Proxy{UserFunction: proxy.Embed(service), Journal: stored}
//
// It keeps every promise of package store except durability.
package memory

import (
	"bytes"
	"context"
	"sync"
	"time"

	"github.com/cloudstate-go/cloudstate/proxy/store"
)

// A Store is a store in memory, for events and for values, which have nothing to do with
// each other even if their keys are the same, for the CRDTs of one proxy, for topics and for
// consumers. It may be used concurrently.
type Store struct {
	mu        sync.Mutex
	journals  map[store.Key]*journal
	appends   uint64 // of all entities; the token of a head is the number of its append
	events    uint64 // of all entities; the offset of an event is its number
	eventLogs logs   // by persistence id
	values    map[store.Key]value
	writes    store.Version // of all entities; a version is the number of its write
	replicas  map[store.Key][][]byte

	topics     logs
	positions  map[store.Consumer]store.Position
	letters    []store.DeadLetter // by id
	lastLetter uint64

	descriptors []byte
}

var _ store.Journal = (*Store)(nil)

// A journal is what is stored of one entity. What a slice of events holds never
// changes, so that a load needs no lock while it reads.
type journal struct {
	head        store.Head
	events      [][]byte // event n is at n-1
	times       []time.Time
	snapshot    []byte
	snapshotSeq uint64
	operations  map[store.OpID]store.Head
}

// New returns an empty store.
func New() *Store {
	return &Store{
		journals:  map[store.Key]*journal{},
		eventLogs: logs{},
		values:    map[store.Key]value{},
		replicas:  map[store.Key][][]byte{},
		topics:    logs{},
		positions: map[store.Consumer]store.Position{},
	}
}

// Append implements [store.Journal].
func (s *Store) Append(ctx context.Context, a store.Append) (store.Head, error) {
	if err := a.Validate(); err != nil {
		return store.Head{}, err
	}
	if err := ctx.Err(); err != nil {
		return store.Head{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.journals[a.Key]
	if j == nil {
		j = &journal{operations: map[store.OpID]store.Head{}}
	}
	if j.head != a.Expected {
		return store.Head{}, &store.ConflictError{Key: a.Key, Expected: a.Expected, Actual: j.head}
	}
	s.journals[a.Key] = j
	now := time.Now()
	log := s.eventLogs.named(a.Key.Type)
	for _, event := range a.Events {
		data := bytes.Clone(event)
		j.events = append(j.events, data)
		j.times = append(j.times, now)
		s.events++
		log.add(entry{offset: s.events, entityID: a.Key.ID, data: data})
	}
	s.appends++
	j.head = store.Head{Seq: uint64(len(j.events)), Token: s.appends}
	if a.Snapshot != nil {
		j.snapshot, j.snapshotSeq = bytes.Clone(a.Snapshot), j.head.Seq
	}
	j.operations[a.OpID] = j.head
	return j.head, nil
}

// Resolve implements [store.Journal].
func (s *Store) Resolve(ctx context.Context, key store.Key, op store.OpID) (store.Head, bool, error) {
	if err := ctx.Err(); err != nil {
		return store.Head{}, false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.journals[key]
	if j == nil {
		return store.Head{}, false, nil
	}
	head, stored := j.operations[op]
	return head, stored, nil
}

// Load implements [store.Journal].
func (s *Store) Load(ctx context.Context, key store.Key, fn func(store.Record) error) (store.Head, error) {
	if err := ctx.Err(); err != nil {
		return store.Head{}, err
	}
	s.mu.Lock()
	var j journal
	if stored := s.journals[key]; stored != nil {
		j = *stored
	}
	s.mu.Unlock()

	if j.snapshot != nil {
		if err := fn(store.Record{Seq: j.snapshotSeq, Snapshot: true, Data: bytes.Clone(j.snapshot)}); err != nil {
			return store.Head{}, err
		}
	}
	for seq := j.snapshotSeq + 1; seq <= j.head.Seq; seq++ {
		if err := ctx.Err(); err != nil {
			return store.Head{}, err
		}
		if err := fn(store.Record{Seq: seq, Data: bytes.Clone(j.events[seq-1])}); err != nil {
			return store.Head{}, err
		}
	}
	return j.head, nil
}
