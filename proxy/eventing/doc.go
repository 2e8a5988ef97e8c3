// Package eventing is what a proxy needs of a message broker: topics of CloudEvents that
// methods consume, and that their replies are published to (protocol section 9).
//
// A proxy has a broker of its own, which keeps topics in its store. Any other one takes its
// place as an implementation of [Broker]:
//
//	p := &proxy.Proxy{
//		UserFunction: proxy.Embed(service),
//		Eventing:     proxy.Eventing{Broker: nats},
//	}
//
// # What a broker does, and what not
//
// A broker delivers the events of a topic to each consumer in order and at least once. It
// does not try again what fails: the proxy keeps an event until its method has handled it,
// with pauses in between, or puts it among the dead letters, and only then asks for the next
// one. So events stay in order, whatever happens to them.
//
// Package eventingtest proves that an implementation does that.
package eventing
