// Package testkit tests entities in process: the service and a proxy with its store, over
// memory, without a port, a container or a wait.
//
//	func TestAddItem(t *testing.T) {
//		kit := testkit.New(t, cart.Entity)
//		carts := pb.NewShoppingCartClient(kit) // the ordinary generated client
//
//		_, err := carts.AddItem(t.Context(), &pb.AddLineItem{UserId: "u1", ProductId: "a", Quantity: 2})
//		require.NoError(t, err)
//		kit.RequireEvents("shopping-cart", "u1", &domain.ItemAdded{...})
//
//		kit.Passivate("shopping-cart", "u1") // the next command brings the cart back
//	}
//
// What a test sees is what a client of the deployed service sees: commands go through the
// protocol, events into a journal, failures come back as gRPC statuses.
//
// [NewCluster] starts several nodes that replicate CRDT entities, and can be partitioned:
//
//	cluster := testkit.NewCluster(t, 3, presence.Entity)
//	cluster.Partition([]int{0}, []int{1, 2})
//	... // commands at cluster.Node(0) and cluster.Node(2)
//	cluster.Heal()
//	cluster.Converge()
//
// Methods that consume events get them while the test goes on: those that its commands emit,
// and what [Kit.Publish] publishes. [Kit.RequirePublished] looks at topics.
//
// Time is real unless the test runs in a bubble of testing/synctest. There it is virtual,
// and passivation and timeouts cost nothing.
package testkit
