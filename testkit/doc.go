// Package testkit tests entities in process: the service and a proxy with its store, over
// memory, without a port, a container or a wait.
//
//	func TestAddItem(t *testing.T) {
//		kit := testkit.New(t, cart.Entity)
//		carts := pb.NewShoppingCartClient(kit) // the ordinary generated client
//
//		_, err := carts.AddItem(t.Context(), &pb.AddLineItem{UserId: "jo", ProductId: "hat", Quantity: 2})
//		require.NoError(t, err)
//		kit.RequireEvents("shopping-cart", "jo", &domain.ItemAdded{...})
//
//		kit.Passivate("shopping-cart", "jo") // the next command brings the cart back
//	}
//
// What a test sees is what a client of the deployed service sees: commands go through the
// protocol, events into a journal, failures come back as gRPC statuses.
//
// # Before a command, and after it
//
// [Kit.Given] puts events, a snapshot, a state or a CRDT in place. [Kit.Last] returns what a
// command did besides its reply, with methods that require it to be what it should be. A
// [Stub] stands in for a service that is not under test, and [Kit.Await] waits for what
// happens after the reply.
//
//	kit.Given(testkit.Events("shopping-cart", "jo", &domain.ItemAdded{...}))
//	_, err := carts.RemoveItem(...)
//	kit.Last("shopping-cart", "jo").RequireEvents(&domain.ItemRemoved{...})
//
// # Laws
//
// An entity that passes all its tests may still lose what it knows when it leaves memory. So
// after each command, the kit checks what holds for every correct entity: see [Law].
//
// # What goes wrong
//
// [Kit.Inject] lets the store fail, or a command get lost; [Kit.Restart] breaks everything that
// is open between service and proxy. [NewCluster] starts several nodes that replicate CRDT
// entities, and can be partitioned:
//
//	cluster := testkit.NewCluster(t, 3, presence.Entity)
//	cluster.Partition([]int{0}, []int{1, 2})
//	... // commands at cluster.Node(0) and cluster.Node(2)
//	cluster.Heal()
//	cluster.Converge()
//
// # Events
//
// Methods that consume events get them while the test goes on: those that its commands emit,
// and what [Kit.Publish] publishes. [Kit.Settle] waits until they have handled all of it, and
// [Kit.RequirePublished] looks at topics.
//
// # Time
//
// Time is real unless the test runs in a bubble of testing/synctest. There it is virtual,
// and passivation, deadlines, timeouts and what is tried again after a pause cost nothing:
//
//	synctest.Test(t, func(t *testing.T) {
//		kit := testkit.New(t, cart.Entity)
//		...
//		time.Sleep(31 * time.Second) // the cart has left memory
//	})
//
// [Fuzz] makes up sequences of commands, and holds an entity to the laws:
//
//	func FuzzCart(f *testing.F) { testkit.Fuzz(f, cart.Entity) }
//
// [Golden] holds an entity to what its earlier versions have stored.
package testkit
