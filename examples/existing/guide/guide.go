// Package guide is a gRPC service as there are many: the RouteGuide of grpc-go's examples,
// written for gRPC alone. It knows nothing of Cloudstate, and its tests prove that it runs
// the same as a Cloudstate action.
package guide

import (
	"context"
	"errors"
	"io"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	pb "google.golang.org/grpc/examples/route_guide/routeguide"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// A Server knows the features of a region, and keeps the notes of all who chat on their way.
// It may be used by many calls at once.
type Server struct {
	pb.UnimplementedRouteGuideServer

	features []*pb.Feature

	mu    sync.Mutex
	notes []*pb.RouteNote
}

// NewServer returns a server that knows these features.
func NewServer(features ...*pb.Feature) *Server {
	return &Server{features: features}
}

// GetFeature returns the feature at a point. Where there is none, it fails with NOT_FOUND.
func (s *Server) GetFeature(ctx context.Context, at *pb.Point) (*pb.Feature, error) {
	for _, f := range s.features {
		if proto.Equal(f.GetLocation(), at) {
			return f, grpc.SetHeader(ctx, metadata.Pairs("guide", "found"))
		}
	}
	return nil, status.Errorf(codes.NotFound, "there is nothing at %d, %d", at.GetLatitude(), at.GetLongitude())
}

// ListFeatures returns the features in a rectangle, whose corners are in order.
func (s *Server) ListFeatures(in *pb.Rectangle, stream grpc.ServerStreamingServer[pb.Feature]) error {
	for _, f := range s.features {
		l := f.GetLocation()
		if l.GetLatitude() < in.GetLo().GetLatitude() || l.GetLatitude() > in.GetHi().GetLatitude() ||
			l.GetLongitude() < in.GetLo().GetLongitude() || l.GetLongitude() > in.GetHi().GetLongitude() {
			continue
		}
		if err := stream.Send(f); err != nil {
			return err
		}
	}
	return nil
}

// RecordRoute counts the points of a route, and the features that it passes.
func (s *Server) RecordRoute(stream grpc.ClientStreamingServer[pb.Point, pb.RouteSummary]) error {
	summary := &pb.RouteSummary{}
	for {
		at, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return stream.SendAndClose(summary)
		}
		if err != nil {
			return err
		}
		summary.PointCount++
		if _, err := s.GetFeature(stream.Context(), at); err == nil {
			summary.FeatureCount++
		}
	}
}

// RouteChat takes notes, and answers each with all that were taken at its place before.
func (s *Server) RouteChat(stream grpc.BidiStreamingServer[pb.RouteNote, pb.RouteNote]) error {
	for {
		note, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, earlier := range s.take(note) {
			if err := stream.Send(earlier); err != nil {
				return err
			}
		}
	}
}

// take keeps a note and returns those at its place, itself included.
func (s *Server) take(note *pb.RouteNote) []*pb.RouteNote {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notes = append(s.notes, note)
	var here []*pb.RouteNote
	for _, n := range s.notes {
		if proto.Equal(n.GetLocation(), note.GetLocation()) {
			here = append(here, n)
		}
	}
	return here
}
