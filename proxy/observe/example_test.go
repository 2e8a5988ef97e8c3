package observe_test

import (
	"fmt"
	"sync/atomic"

	"github.com/cloudstate-go/cloudstate/proxy"
	"github.com/cloudstate-go/cloudstate/proxy/observe"
)

// An observer that counts the commands that are under way, for each service.
func Example() {
	p := &proxy.Proxy{
		Observe: func(service observe.Service) observe.Observer {
			var underWay atomic.Int64
			return func(o observe.Observation) {
				switch o.What {
				case observe.CommandReceived:
					underWay.Add(int64(o.Count))
				case observe.CommandCompleted:
					fmt.Printf("%s: %d under way, the last one took %v\n", service.Name, underWay.Add(-int64(o.Count)), o.Took)
				default: // there is more
				}
			}
		},
	}
	tell := p.Observe(observe.Service{Kind: observe.EventSourced, Name: "shop.Cart", PersistenceID: "cart"}) // as the proxy does
	tell(observe.Observation{What: observe.CommandReceived, Count: 1})
	tell(observe.Observation{What: observe.CommandReceived, Count: 1})
	tell(observe.Observation{What: observe.CommandCompleted, Count: 1, Took: 3_000_000})
	// Output: shop.Cart: 1 under way, the last one took 3ms
}
