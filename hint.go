package cloudstate

import "strings"

// hints say what to do about the errors that proxies report, by what is in their texts
// (protocol section 2.6).
var hints = []struct{ text, hint string }{
	{"Incompatible protocol version", "the proxy and this library speak different versions of the protocol; use a proxy of version 0.2, or another version of this library"},
	{"No entities were reported", "give the field Components of the Service at least one component"},
	{"not found in descriptors", "the proxy did not find the service in the .proto files it was sent; is there another program at this address?"},
	{"does not have a configured store", "this proxy has no journal; start it with a store, or use one whose store supports event sourcing"},
	{"has declared an unsupported entity type", "this proxy does not have that kind of entity, or it is switched off in its configuration"},
	{"do not support streamed methods", "make these methods unary, or move them to an action"},
	{"do not support streaming in from the client", "let these methods take one request, or move them to an action"},
	{"at least one field marked as entity_key", "mark the field of these requests that names the entity with [(cloudstate.entity_key) = true]"},
	{"Descriptor dependency", "the generated code of an imported .proto file is not linked into this program; import its Go package"},
	{"Expected reply type_url", "the handler, or an interceptor around it, replied with a message of another type than the method declares"},
	{"does not have a command named", "a forward or side effect goes to a method that the service does not have; generate its client again"},
	{"] unknown", "a forward or side effect goes to a service that is not among the Components of this Service"},
}

func hintFor(message string) string {
	for _, h := range hints {
		if strings.Contains(message, h.text) {
			return h.hint
		}
	}
	return ""
}
