// Package protocol is the wire between a user function and its proxy: version 0.2
// of the Cloudstate protocol.
//
// It holds the generated code of cloudstate/entity.proto, which all kinds of
// entities share. The protocol of each kind is a package below it, and package
// annotations has the options for the .proto files of users:
//
//	import "cloudstate/entity_key.proto";
//
// The directory of this package is the import root to give to a compiler of such
// files. Few programs need this package itself: the library implements the side of
// the user function, and package proxy the other one.
package protocol

// The version of the protocol. Proxies accept a user function only if both numbers
// match exactly (protocol section 2.4).
const (
	MajorVersion = 0
	MinorVersion = 2
)

// TypeURLPrefix begins the type URL of every protobuf message. What follows is the
// full name of the message (protocol section 4.1).
const TypeURLPrefix = "type.googleapis.com/"
