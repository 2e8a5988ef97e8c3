package main

import (
	"context"

	"github.com/cloudstate-go/cloudstate/benchmarks/userfunction/crdtpb"
	"github.com/cloudstate-go/cloudstate/crdt"
)

// counter is a GCounter.
type counter struct {
	crdt.Base[*crdt.GCounter]
	crdtpb.UnsafeCounterServer
}

var _ crdtpb.CounterServer = (*counter)(nil)

var counterEntity = &crdt.Entity[*counter]{
	Service: &crdtpb.Counter_ServiceDesc,
	New:     func(string) *counter { return &counter{Base: crdt.NewBase(crdt.NewGCounter())} },
}

func (c *counter) Increment(ctx context.Context, request *crdtpb.CounterRequest) (*crdtpb.CounterReply, error) {
	if err := c.Data().Increment(request.GetBy()); err != nil {
		return nil, err
	}
	return c.Get(ctx, request)
}

func (c *counter) Get(context.Context, *crdtpb.CounterRequest) (*crdtpb.CounterReply, error) {
	return &crdtpb.CounterReply{Value: int64(c.Data().Value())}, nil //nolint:gosec // it cannot be more
}

// set is an ORSet of strings.
type set struct {
	crdt.Base[*crdt.ORSet[string]]
	crdtpb.UnsafeSetServer
}

var _ crdtpb.SetServer = (*set)(nil)

var setEntity = &crdt.Entity[*set]{
	Service: &crdtpb.Set_ServiceDesc,
	New:     func(string) *set { return &set{Base: crdt.NewBase(crdt.NewORSet[string]())} },
}

func (s *set) Add(ctx context.Context, request *crdtpb.SetRequest) (*crdtpb.SetReply, error) {
	if err := s.Data().Add(request.GetElement()); err != nil {
		return nil, err
	}
	return s.Get(ctx, request)
}

func (s *set) Remove(ctx context.Context, request *crdtpb.SetRequest) (*crdtpb.SetReply, error) {
	s.Data().Remove(request.GetElement())
	return s.Get(ctx, request)
}

func (s *set) Get(context.Context, *crdtpb.SetRequest) (*crdtpb.SetReply, error) {
	return &crdtpb.SetReply{Size: int32(s.Data().Len())}, nil //nolint:gosec // sets are not that large
}

// counters is an ORMap of PNCounters.
type counters struct {
	crdt.Base[*crdt.ORMap[string, *crdt.PNCounter]]
	crdtpb.UnsafeMapServer
}

var _ crdtpb.MapServer = (*counters)(nil)

var mapEntity = &crdt.Entity[*counters]{
	Service: &crdtpb.Map_ServiceDesc,
	New: func(string) *counters {
		return &counters{Base: crdt.NewBase(crdt.NewORMap(func(string) *crdt.PNCounter { return crdt.NewPNCounter() }))}
	},
}

func (m *counters) Increment(_ context.Context, request *crdtpb.MapRequest) (*crdtpb.CounterReply, error) {
	value, err := m.Data().GetOrCreate(request.GetKey())
	if err != nil {
		return nil, err
	}
	if err := value.Increment(request.GetBy()); err != nil {
		return nil, err
	}
	return &crdtpb.CounterReply{Value: value.Value()}, nil
}
