// Package store defines what a proxy needs of a store, and nothing about how the
// store does it.
//
// A [Journal] keeps the events and snapshots of event sourced entities, [Values] the states
// of value entities, and [Replicas] the CRDTs of one proxy; one store may be all of it. What
// eventing needs a store may have as well: an [EventLog] that reads the journal across
// entities, [Topics] of messages, and the positions and dead letters of [Consumers]. A
// [Lister] and [Descriptors] are for tools that look into a store.
//
// Package memory has a store that forgets everything when the process ends; durable ones are
// modules of their own, such as the one in proxy/store/sqlite. Package group is for those who
// write one: it commits many writes at once. Package storetest proves that an implementation
// keeps the promises that are made here, and injects faults in tests.
//
//	var journal store.Journal = memory.New()
//	key := store.Key{Type: "shopping-cart", ID: "u1"}
//
//	head, err := journal.Load(ctx, key, func(record store.Record) error {
//		return replay(record)
//	})
//	if err != nil {
//		return err
//	}
//	head, err = journal.Append(ctx, store.Append{
//		Key:      key,
//		Expected: head,
//		Events:   [][]byte{event},
//		OpID:     store.OpID(uuid.New()),
//	})
//
// # A single writer, enforced
//
// Every append names the [Head] that its writer believes in, and every write of a value the
// [Version]; a store refuses it if another writer was faster. So a proxy that wrongly
// believes that it still owns an entity cannot damage it.
//
// # Three outcomes
//
// An append or a write is stored, refused, or its outcome is unknown because the
// connection broke while it was under way. There is no way around the third outcome with
// a store at the other end of a network, so it is part of the interface: see
// [ErrUnknown], [Journal.Resolve] and [Values].
package store
