package memory

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"github.com/cloudstate-go/cloudstate/proxy/store"
)

var _ store.Consumers = (*Store)(nil)

// LoadPosition implements [store.Consumers].
func (s *Store) LoadPosition(ctx context.Context, consumer store.Consumer) (store.Position, error) {
	if err := ctx.Err(); err != nil {
		return store.Position{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.positions[consumer], nil
}

// SavePosition implements [store.Consumers].
func (s *Store) SavePosition(ctx context.Context, consumer store.Consumer, position store.Position) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.positions[consumer] = position
	return nil
}

// AddDeadLetter implements [store.Consumers].
func (s *Store) AddDeadLetter(ctx context.Context, letter store.DeadLetter) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	letter.Event = bytes.Clone(letter.Event)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastLetter++
	letter.ID = s.lastLetter
	s.letters = append(s.letters, letter)
	return letter.ID, nil
}

// DeadLetters implements [store.Consumers].
func (s *Store) DeadLetters(ctx context.Context, after uint64, limit int) ([]store.DeadLetter, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	first, found := s.letter(after)
	if found {
		first++
	}
	letters := slices.Clone(s.letters[first:][:min(limit, len(s.letters)-first)])
	for i := range letters {
		letters[i].Event = bytes.Clone(letters[i].Event)
	}
	return letters, nil
}

// RemoveDeadLetter implements [store.Consumers].
func (s *Store) RemoveDeadLetter(ctx context.Context, id uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if i, found := s.letter(id); found {
		s.letters = slices.Delete(s.letters, i, i+1)
	}
	return nil
}

// letter returns the index of a dead letter, or where it would be.
func (s *Store) letter(id uint64) (int, bool) {
	return slices.BinarySearchFunc(s.letters, id, func(l store.DeadLetter, id uint64) int { return cmp.Compare(l.ID, id) })
}
