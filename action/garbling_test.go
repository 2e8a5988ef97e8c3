package action_test

import (
	"errors"

	"google.golang.org/grpc/mem"
)

// garbling is a codec that sends what no decoder takes.
type garbling struct{}

func (garbling) Marshal(any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer{0x12, 0xff}}, nil
}

func (garbling) Unmarshal(mem.BufferSlice, any) error {
	return errors.New("there is nothing to be received")
}

func (garbling) Name() string { return "proto" }
