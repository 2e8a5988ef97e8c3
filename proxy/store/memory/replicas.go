package memory

import (
	"bytes"
	"context"
	"iter"

	"github.com/cloudstate-go/cloudstate/proxy/store"
)

var _ store.Replicas = (*Store)(nil)

// AddParts implements [store.Replicas].
func (s *Store) AddParts(ctx context.Context, key store.Key, parts ...[]byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, part := range parts {
		s.replicas[key] = append(s.replicas[key], bytes.Clone(part))
	}
	return nil
}

// ReplaceParts implements [store.Replicas].
func (s *Store) ReplaceParts(ctx context.Context, key store.Key, part []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replicas[key] = [][]byte{bytes.Clone(part)}
	return nil
}

// Parts implements [store.Replicas].
func (s *Store) Parts(ctx context.Context) iter.Seq2[store.Part, error] {
	return list(ctx, func() []store.Part {
		s.mu.Lock()
		defer s.mu.Unlock()
		var all []store.Part
		for key, parts := range s.replicas {
			for _, part := range parts {
				all = append(all, store.Part{Key: key, Data: bytes.Clone(part)})
			}
		}
		return all
	})
}
