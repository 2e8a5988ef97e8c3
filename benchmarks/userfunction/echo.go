package main

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"

	"github.com/cloudstate-go/cloudstate/action"
	"github.com/cloudstate-go/cloudstate/benchmarks/userfunction/echopb"
)

// echo repeats what it is sent.
type echo struct{ echopb.UnsafeEchoServer }

var echoAction = &action.Action{Service: &echopb.Echo_ServiceDesc, Server: echo{}}

var _ echopb.EchoServer = echo{}

func (echo) Unary(_ context.Context, in *echopb.EchoRequest) (*echopb.EchoReply, error) {
	return &echopb.EchoReply{Text: in.GetText(), Count: 1}, nil
}

func (echo) StreamedIn(stream grpc.ClientStreamingServer[echopb.EchoRequest, echopb.EchoReply]) error {
	reply := &echopb.EchoReply{}
	for {
		in, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return stream.SendAndClose(reply)
		}
		if err != nil {
			return err
		}
		reply.Text = in.GetText()
		reply.Count++
	}
}

func (echo) StreamedOut(in *echopb.EchoRequest, stream grpc.ServerStreamingServer[echopb.EchoReply]) error {
	for range in.GetReplies() {
		if err := stream.Send(&echopb.EchoReply{Text: in.GetText(), Count: 1}); err != nil {
			return err
		}
	}
	return nil
}

func (echo) Streamed(stream grpc.BidiStreamingServer[echopb.EchoRequest, echopb.EchoReply]) error {
	for {
		in, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.Send(&echopb.EchoReply{Text: in.GetText(), Count: 1}); err != nil {
			return err
		}
	}
}
