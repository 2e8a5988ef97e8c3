package store

import "context"

// Descriptors keeps what a user function last said of itself, so that tools can make sense
// of what is stored while it does not run. Its methods may be called concurrently.
type Descriptors interface {
	// SaveDescriptors replaces what is kept by spec, an encoded cloudstate.EntitySpec: it
	// has the descriptors of the services, and their persistence ids. When it returns
	// without error, spec is as durable as the store makes it. After an error it may or may
	// not be kept, but never a part of it; saving it again is safe. The store does not keep
	// the slice.
	SaveDescriptors(ctx context.Context, spec []byte) error

	// Descriptors returns what was saved last, or nil if nothing ever was. It belongs to
	// the caller.
	Descriptors(ctx context.Context) ([]byte, error)
}
