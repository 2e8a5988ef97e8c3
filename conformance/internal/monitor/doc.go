// Package monitor checks everything that a proxy says to a user function against the rules
// that hold for every stream, whatever a test is about: the order of messages, their
// numbers, what they carry, and how streams end. It knows what has been stored, and
// compares it with what is replayed.
//
// Each rule belongs to an assertion of the protocol. After a user function has broken the
// protocol, as tests do, the proxy may end the stream as it likes.
package monitor
