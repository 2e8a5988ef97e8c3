// Package projection follows the events of all shopping carts, and knows what is popular.
//
//	event log "shopping-cart" -> Projection -> topic "popularity" -> Bestsellers
//	                                 |
//	                              Products
//
// The projection gets each event at least once, in order. It lets a value entity count, which
// notices what it has counted before, and publishes the result to a topic. Another value entity
// consumes that, and keeps a list.
package projection
