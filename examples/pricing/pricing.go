// Package pricing is a service without state, as an action: it knows what products cost.
package pricing

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/cloudstate-go/cloudstate/action"
	pb "github.com/cloudstate-go/cloudstate/examples/pricing/pricingpb"
	cartpb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
)

// Prices are the products that have a price, in cents.
var Prices = map[string]int64{"shirt": 2000, "hat": 1500, "socks": 500}

// Server knows the prices. It is an ordinary gRPC server.
type Server struct {
	pb.UnsafePricingServer

	asked atomic.Int64
}

var _ pb.PricingServer = (*Server)(nil)

//snippet:action

// NewAction declares a pricing action with a server of its own.
func NewAction() (*action.Action, *Server) {
	server := &Server{}
	return &action.Action{Service: &pb.Pricing_ServiceDesc, Server: server}, server
}

//snippet:end

// AskedFor returns how often products were asked for. It counts in memory, which is all
// that an action has.
func (s *Server) AskedFor() int64 { return s.asked.Load() }

// Quote returns the price of a product.
func (s *Server) Quote(_ context.Context, product *pb.Product) (*pb.Price, error) {
	return quote(product.GetProductId(), max(product.GetQuantity(), 1))
}

// quote returns the price of some of a product: from ten on it costs a tenth less.
func quote(id string, quantity int32) (*pb.Price, error) {
	cents, found := Prices[id]
	if !found {
		return nil, status.Errorf(codes.NotFound, "there is no price for %q", id)
	}
	cents *= int64(quantity)
	if quantity >= 10 {
		cents -= cents / 10
	}
	return &pb.Price{ProductId: id, Quantity: quantity, Cents: cents}, nil
}

// Label returns a cart with prices.
func (s *Server) Label(_ context.Context, cart *cartpb.Cart) (*cartpb.Cart, error) {
	labelled := proto.CloneOf(cart)
	for _, item := range labelled.GetItems() {
		if price, err := quote(item.GetProductId(), item.GetQuantity()); err == nil {
			item.Name = fmt.Sprintf("%s, %d.%02d", item.GetName(), price.GetCents()/100, price.GetCents()%100)
		}
	}
	return labelled, nil
}

// Asked counts that a product was asked for.
func (s *Server) Asked(context.Context, *pb.Product) (*emptypb.Empty, error) {
	s.asked.Add(1)
	return &emptypb.Empty{}, nil
}

// Total returns the price of all products together.
func (s *Server) Total(stream grpc.ClientStreamingServer[pb.Product, pb.Price]) error {
	total := &pb.Price{}
	for {
		product, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return stream.SendAndClose(total)
		}
		if err != nil {
			return err
		}
		price, err := quote(product.GetProductId(), max(product.GetQuantity(), 1))
		if err != nil {
			return err
		}
		total.Quantity += price.GetQuantity()
		total.Cents += price.GetCents()
	}
}

// Discounts returns the prices of 1, 10 and 100 of a product.
func (s *Server) Discounts(product *pb.Product, stream grpc.ServerStreamingServer[pb.Price]) error {
	for _, quantity := range []int32{1, 10, 100} {
		price, err := quote(product.GetProductId(), quantity)
		if err != nil {
			return err
		}
		if err := stream.Send(price); err != nil {
			return err
		}
	}
	return nil
}

// QuoteEach returns the price of each product.
func (s *Server) QuoteEach(stream grpc.BidiStreamingServer[pb.Product, pb.Price]) error {
	for {
		product, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		price, err := quote(product.GetProductId(), max(product.GetQuantity(), 1))
		if err != nil {
			err = action.SendFailure(stream, err)
		} else {
			err = stream.Send(price)
		}
		if err != nil {
			return err
		}
	}
}
