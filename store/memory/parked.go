package memory

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/eventus-go/eventus/store"
)

type parkedKey struct {
	consumer store.ConsumerID
	stream   store.Stream
}

// parkedRow returns a row as the transaction sees it, or nil.
func (tx *Tx) parkedRow(k parkedKey) *store.Parked {
	if p, ok := tx.rows[k]; ok {
		return p
	}
	tx.store.mu.RLock()
	defer tx.store.mu.RUnlock()
	if p, ok := tx.store.parked[k.consumer][k.stream]; ok {
		return &p
	}
	return nil
}

// parkedOf returns all rows of a consumer as the transaction sees them.
func (tx *Tx) parkedOf(id store.ConsumerID) []store.Parked {
	var rows []store.Parked
	tx.store.mu.RLock()
	for stream, p := range tx.store.parked[id] {
		if _, staged := tx.rows[parkedKey{id, stream}]; !staged {
			rows = append(rows, p)
		}
	}
	tx.store.mu.RUnlock()
	for k, p := range tx.rows {
		if k.consumer == id && p != nil {
			rows = append(rows, *p)
		}
	}
	return rows
}

// SetParked implements [store.ParkedStreams].
func (s *Store) SetParked(ctx context.Context, tx *Tx, p store.Parked, retryAfter time.Duration) error {
	if err := s.checkConsumer(ctx, tx, p.Consumer); err != nil {
		return err
	}
	if err := p.Stream.Check(); err != nil {
		return err
	}
	k := parkedKey{p.Consumer, p.Stream}
	at := now()
	p.NextTry = cutTime(at.Add(retryAfter))
	p.Since = at
	if old := tx.parkedRow(k); old != nil {
		p.Since = old.Since
	}
	tx.rows[k] = &p
	return nil
}

// DeleteParked implements [store.ParkedStreams].
func (s *Store) DeleteParked(ctx context.Context, tx *Tx, id store.ConsumerID, stream store.Stream) error {
	if err := s.checkConsumer(ctx, tx, id); err != nil {
		return err
	}
	tx.rows[parkedKey{id, stream}] = nil
	return nil
}

// FindParked implements [store.ParkedStreams].
func (s *Store) FindParked(ctx context.Context, tx *Tx, id store.ConsumerID, streams []store.Stream) ([]store.Parked, error) {
	if err := s.checkConsumer(ctx, tx, id); err != nil {
		return nil, err
	}
	var found []store.Parked
	seen := make(map[store.Stream]bool, len(streams))
	for _, stream := range streams {
		if p := tx.parkedRow(parkedKey{id, stream}); p != nil && !seen[stream] {
			found = append(found, *p)
		}
		seen[stream] = true
	}
	return found, nil
}

// DueParked implements [store.ParkedStreams].
func (s *Store) DueParked(ctx context.Context, id store.ConsumerID, segment, segments, limit int) ([]store.Parked, error) {
	at := now()
	rows, err := s.parkedRows(ctx, id, func(p store.Parked) bool {
		return p.Reason.Retries() && !p.NextTry.After(at) && int(p.Hash%uint32(segments)) == segment
	})
	slices.SortFunc(rows, func(a, b store.Parked) int { return a.NextTry.Compare(b.NextTry) })
	return slices.Clone(window(rows, 0, limit)), err
}

// ListParked implements [store.ParkedStreams].
func (s *Store) ListParked(ctx context.Context, id store.ConsumerID, after store.Stream, limit int) ([]store.Parked, error) {
	rows, err := s.parkedRows(ctx, id, func(p store.Parked) bool { return byStream(p.Stream, after) > 0 })
	slices.SortFunc(rows, func(a, b store.Parked) int { return byStream(a.Stream, b.Stream) })
	return slices.Clone(window(rows, 0, limit)), err
}

// CountParked implements [store.ParkedStreams].
func (s *Store) CountParked(ctx context.Context, ids ...store.ConsumerID) (map[store.ConsumerID]map[store.Reason]store.ParkedCount, error) {
	for _, id := range ids {
		if err := store.CheckConsumerID(id); err != nil {
			return nil, err
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	counts := make(map[store.ConsumerID]map[store.Reason]store.ParkedCount)
	for id, rows := range s.parked {
		if len(rows) == 0 || len(ids) > 0 && !slices.Contains(ids, id) {
			continue
		}
		counts[id] = make(map[store.Reason]store.ParkedCount)
		for _, p := range rows {
			c := counts[id][p.Reason]
			if c.Streams++; c.Oldest.IsZero() || p.Since.Before(c.Oldest) {
				c.Oldest = p.Since
			}
			counts[id][p.Reason] = c
		}
	}
	return counts, nil
}

// parkedRows returns the committed rows of a consumer that match.
func (s *Store) parkedRows(ctx context.Context, id store.ConsumerID, match func(store.Parked) bool) ([]store.Parked, error) {
	if err := cmp.Or(store.CheckConsumerID(id), ctx.Err()); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var rows []store.Parked
	for _, p := range s.parked[id] {
		if match(p) {
			rows = append(rows, p)
		}
	}
	return rows, nil
}

// RedriveParked implements [store.ParkedStreams].
func (s *Store) RedriveParked(ctx context.Context, tx *Tx, id store.ConsumerID, stream store.Stream) (int64, error) {
	if err := s.checkConsumer(ctx, tx, id); err != nil {
		return 0, err
	}
	var n int64
	for _, p := range tx.parkedOf(id) {
		all := stream == store.Stream{} && p.Reason != store.Forked
		if !all && p.Stream != stream {
			continue
		}
		p.Reason, p.Attempts, p.NextTry = store.Waiting, 0, now()
		tx.rows[parkedKey{id, p.Stream}] = &p
		n++
	}
	return n, nil
}

// RetryParked implements [store.ParkedStreams].
func (s *Store) RetryParked(ctx context.Context, tx *Tx, id store.ConsumerID, segment, segments int, longest time.Duration) (int64, error) {
	if err := s.checkConsumer(ctx, tx, id); err != nil {
		return 0, err
	}
	var n int64
	at := now()
	for _, p := range tx.parkedOf(id) {
		again := p.Reason == store.Unknown || p.Reason == store.Waiting && p.NextTry.After(at.Add(longest))
		if again && int(p.Hash%uint32(segments)) == segment {
			p.NextTry = at
			tx.rows[parkedKey{id, p.Stream}] = &p
			n++
		}
	}
	return n, nil
}
