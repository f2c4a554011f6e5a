package memory

import (
	"cmp"
	"context"
	"slices"

	"github.com/eventus-go/eventus/store"
)

// Park implements [store.DeadLetters].
func (s *Store) Park(ctx context.Context, tx *Tx, d store.DeadLetter) error {
	if err := s.check(ctx, tx, d.Consumer); err != nil {
		return err
	}
	k := inboxKey{d.Consumer, d.Message.Stream}
	letters := slices.Clone(tx.parked(k))
	i, found := slices.BinarySearchFunc(letters, d.Message.Version, byVersion)
	switch {
	case !found:
		letters = slices.Insert(letters, i, cloneLetter(d))
	case d.Error != "":
		letters[i].Error, letters[i].Attempts = d.Error, d.Attempts
	}
	tx.letters[k] = letters
	return nil
}

// Parked implements [store.DeadLetters].
func (s *Store) Parked(ctx context.Context, tx *Tx, consumer string, stream store.Stream, limit int) ([]store.DeadLetter, error) {
	if err := s.check(ctx, tx, consumer); err != nil {
		return nil, err
	}
	var page []store.DeadLetter
	for _, d := range window(tx.parked(inboxKey{consumer, stream}), 0, limit) {
		page = append(page, cloneLetter(d))
	}
	return page, nil
}

// Unpark implements [store.DeadLetters].
func (s *Store) Unpark(ctx context.Context, tx *Tx, consumer string, stream store.Stream, version int64) error {
	if err := s.check(ctx, tx, consumer); err != nil {
		return err
	}
	k := inboxKey{consumer, stream}
	letters := tx.parked(k)
	if i, found := slices.BinarySearchFunc(letters, version, byVersion); found {
		tx.letters[k] = slices.Concat(letters[:i], letters[i+1:])
	}
	return nil
}

// ParkedStreams implements [store.DeadLetters].
func (s *Store) ParkedStreams(ctx context.Context, consumer string, after store.Stream, limit int) ([]store.DeadLetter, error) {
	if err := store.CheckConsumer(consumer); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var oldest []store.DeadLetter
	for stream, letters := range s.letters[consumer] {
		if byStream(stream, after) > 0 {
			oldest = append(oldest, letters[0])
		}
	}
	slices.SortFunc(oldest, func(a, b store.DeadLetter) int {
		return byStream(a.Message.Stream, b.Message.Stream)
	})
	page := slices.Clone(window(oldest, 0, limit))
	for i := range page {
		page[i] = cloneLetter(page[i])
	}
	return page, nil
}

// parked returns the dead letters under k as the transaction sees them. The
// slice may be the store's own: callers copy before they change it.
func (tx *Tx) parked(k inboxKey) []store.DeadLetter {
	if letters, ok := tx.letters[k]; ok || tx.forgot[k.consumer] {
		return letters
	}
	tx.store.mu.RLock()
	defer tx.store.mu.RUnlock()
	return tx.store.letters[k.consumer][k.stream]
}

func byVersion(d store.DeadLetter, version int64) int {
	return cmp.Compare(d.Message.Version, version)
}

func byStream(a, b store.Stream) int {
	return cmp.Or(cmp.Compare(a.Category, b.Category), cmp.Compare(a.ID, b.ID))
}

func cloneLetter(d store.DeadLetter) store.DeadLetter {
	d.Message = cloneMessage(d.Message)
	d.ParkedAt = cutTime(d.ParkedAt)
	return d
}
