// Command client uses the shopping cart: it adds and removes items, and shows a cart.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	pb "github.com/cloudstate-go/cloudstate/examples/shoppingcart/shoppingcartpb"
)

const usage = `Usage: client [-addr host:port] command

  add USER PRODUCT NAME QUANTITY   put items of a product into a cart
  remove USER PRODUCT              take a product out of it
  get USER                         show the cart
`

func main() {
	addr := flag.String("addr", "127.0.0.1:9000", "where the proxy of the shopping cart listens")
	flag.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	flag.Parse()
	if err := run(*addr, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "client:", err)
		os.Exit(1)
	}
}

func run(addr string, args []string) error {
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // nothing was buffered
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := command(ctx, pb.NewShoppingCartClient(conn), args); err != nil {
		if s, ok := status.FromError(err); ok {
			return fmt.Errorf("%s (%s)", s.Message(), s.Code())
		}
		return err
	}
	return nil
}

// command carries out one command and shows the cart as it is then.
func command(ctx context.Context, carts pb.ShoppingCartClient, args []string) error {
	name, user := arg(args, 0), arg(args, 1)
	switch {
	case name == "add" && len(args) == 5:
		quantity, err := strconv.ParseInt(args[4], 10, 32)
		if err != nil {
			return fmt.Errorf("the quantity %q is not a number", args[4])
		}
		_, err = carts.AddItem(ctx, &pb.AddLineItem{UserId: user, ProductId: args[2], Name: args[3], Quantity: int32(quantity)})
		if err != nil {
			return err
		}
	case name == "remove" && len(args) == 3:
		if _, err := carts.RemoveItem(ctx, &pb.RemoveLineItem{UserId: user, ProductId: args[2]}); err != nil {
			return err
		}
	case name == "get" && len(args) == 2:
	default:
		flag.Usage()
		return fmt.Errorf("no command %q with %d arguments", name, max(len(args)-1, 0))
	}
	cart, err := carts.GetCart(ctx, &pb.GetShoppingCart{UserId: user})
	if err != nil {
		return err
	}
	if len(cart.GetItems()) == 0 {
		fmt.Printf("The cart of %s is empty.\n", user)
		return nil
	}
	fmt.Printf("The cart of %s:\n", user)
	for _, item := range cart.GetItems() {
		fmt.Printf("  %4d  %s (%s)\n", item.GetQuantity(), item.GetName(), item.GetProductId())
	}
	return nil
}

func arg(args []string, i int) string {
	if i < len(args) {
		return args[i]
	}
	return ""
}
