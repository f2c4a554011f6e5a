package storetest_test

import (
	"cmp"
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/memory"
)

// keepsFirst is INSERT ... ON CONFLICT DO NOTHING.
type keepsFirst struct{ *memory.Store }

func (s keepsFirst) SetParked(ctx context.Context, tx *memory.Tx, p store.Parked, retryAfter time.Duration) error {
	if rows, err := s.FindParked(ctx, tx, p.Consumer, []store.Stream{p.Stream}); err != nil || len(rows) > 0 {
		return err
	}
	return s.Store.SetParked(ctx, tx, p, retryAfter)
}

// parksAgain removes a row and inserts it.
type parksAgain struct{ *memory.Store }

func (s parksAgain) SetParked(ctx context.Context, tx *memory.Tx, p store.Parked, retryAfter time.Duration) error {
	return cmp.Or(s.DeleteParked(ctx, tx, p.Consumer, p.Stream), s.Store.SetParked(ctx, tx, p, retryAfter))
}

// strict fails on text that a column cannot hold.
type strict struct{ *memory.Store }

func (s strict) SetParked(ctx context.Context, tx *memory.Tx, p store.Parked, retryAfter time.Duration) error {
	return cmp.Or(refuseText(p.Error), s.Store.SetParked(ctx, tx, p, retryAfter))
}

func (s strict) FinishRequest(ctx context.Context, tx *memory.Tx, id int64, outcome string) (bool, error) {
	if err := refuseText(outcome); err != nil {
		return false, err
	}
	return s.Store.FinishRequest(ctx, tx, id, outcome)
}

func refuseText(text string) error {
	if !utf8.ValidString(text) || strings.Contains(text, "\x00") {
		return errors.New("invalid byte sequence for encoding (SQLSTATE 22021)")
	}
	return nil
}

type anyStream struct{ *memory.Store }

func (s anyStream) SetParked(ctx context.Context, tx *memory.Tx, p store.Parked, retryAfter time.Duration) error {
	if p.Stream.Check() != nil {
		return nil
	}
	return s.Store.SetParked(ctx, tx, p, retryAfter)
}

// findsTwice joins with the streams that are asked for.
type findsTwice struct{ *memory.Store }

func (s findsTwice) FindParked(ctx context.Context, tx *memory.Tx, id store.ConsumerID, streams []store.Stream) ([]store.Parked, error) {
	var found []store.Parked
	for _, stream := range streams {
		rows, err := s.Store.FindParked(ctx, tx, id, []store.Stream{stream})
		if err != nil {
			return nil, err
		}
		found = append(found, rows...)
	}
	return found, nil
}

// allGenerations forgets the generation in its condition.
type allGenerations struct{ *memory.Store }

func (s allGenerations) DeleteParked(ctx context.Context, tx *memory.Tx, id store.ConsumerID, stream store.Stream) error {
	another := store.ConsumerID{Name: id.Name, Generation: 1 - id.Generation}
	return cmp.Or(s.Store.DeleteParked(ctx, tx, id, stream), s.Store.DeleteParked(ctx, tx, another, stream))
}

// caselessParked compares categories as a column with a collation does.
type caselessParked struct{ *memory.Store }

func (s caselessParked) ListParked(ctx context.Context, id store.ConsumerID, after store.Stream, limit int) ([]store.Parked, error) {
	page, err := s.Store.ListParked(ctx, id, after, limit)
	slices.SortStableFunc(page, func(a, b store.Parked) int {
		return strings.Compare(strings.ToLower(a.Stream.Category), strings.ToLower(b.Stream.Category))
	})
	return page, err
}

type countsNoForks struct{ *memory.Store }

func (s countsNoForks) CountParked(ctx context.Context, ids ...store.ConsumerID) (map[store.ConsumerID]map[store.Reason]store.ParkedCount, error) {
	counts, err := s.Store.CountParked(ctx, ids...)
	for _, byReason := range counts {
		delete(byReason, store.Forked)
	}
	return counts, err
}

// dueByTime does not look at the reason.
type dueByTime struct{ *memory.Store }

func (s dueByTime) DueParked(ctx context.Context, id store.ConsumerID, segment, segments, limit int) ([]store.Parked, error) {
	rows, err := s.ListParked(ctx, id, store.Stream{}, store.MaxEvents)
	return slices.DeleteFunc(rows, func(p store.Parked) bool {
		return p.NextTry.After(time.Now()) || int(p.Hash%uint32(segments)) != segment
	}), err
}

// dueByStream is in the order of the primary key.
type dueByStream struct{ *memory.Store }

func (s dueByStream) DueParked(ctx context.Context, id store.ConsumerID, segment, segments, limit int) ([]store.Parked, error) {
	rows, err := s.Store.DueParked(ctx, id, segment, segments, limit)
	slices.SortFunc(rows, func(a, b store.Parked) int { return strings.Compare(a.Stream.ID, b.Stream.ID) })
	return rows, err
}

// signedHash has hashes in a column of 32 bits with a sign.
type signedHash struct{ *memory.Store }

func (s signedHash) DueParked(ctx context.Context, id store.ConsumerID, segment, segments, limit int) ([]store.Parked, error) {
	rows, err := s.Store.DueParked(ctx, id, 0, 1, limit)
	return slices.DeleteFunc(rows, func(p store.Parked) bool { return int(int32(p.Hash))%segments != segment }), err
}

type redrivesNoForks struct{ *memory.Store }

func (s redrivesNoForks) RedriveParked(ctx context.Context, tx *memory.Tx, id store.ConsumerID, stream store.Stream) (int64, error) {
	rows, err := s.FindParked(ctx, tx, id, []store.Stream{stream})
	if err != nil || len(rows) == 1 && rows[0].Reason == store.Forked {
		return 0, err
	}
	return s.Store.RedriveParked(ctx, tx, id, stream)
}

type redrivesForks struct{ *memory.Store }

func (s redrivesForks) RedriveParked(ctx context.Context, tx *memory.Tx, id store.ConsumerID, stream store.Stream) (int64, error) {
	if stream != (store.Stream{}) {
		return s.Store.RedriveParked(ctx, tx, id, stream)
	}
	rows, err := s.ListParked(ctx, id, store.Stream{}, store.MaxEvents)
	for _, p := range rows {
		if _, err := s.Store.RedriveParked(ctx, tx, id, p.Stream); err != nil {
			return 0, err
		}
	}
	return int64(len(rows)), err
}

type retriesAll struct{ *memory.Store }

func (s retriesAll) RetryParked(ctx context.Context, tx *memory.Tx, id store.ConsumerID, segment, segments int, _ time.Duration) (int64, error) {
	return s.Store.RetryParked(ctx, tx, id, segment, segments, 0)
}

type retriesEverywhere struct{ *memory.Store }

func (s retriesEverywhere) RetryParked(ctx context.Context, tx *memory.Tx, id store.ConsumerID, _, _ int, longest time.Duration) (int64, error) {
	return s.Store.RetryParked(ctx, tx, id, 0, 1, longest)
}

type retriesAfresh struct{ *memory.Store }

func (s retriesAfresh) RetryParked(ctx context.Context, tx *memory.Tx, id store.ConsumerID, segment, segments int, longest time.Duration) (int64, error) {
	n, err := s.Store.RetryParked(ctx, tx, id, segment, segments, longest)
	if err != nil {
		return 0, err
	}
	rows, err := s.ListParked(ctx, id, store.Stream{}, store.MaxEvents)
	for _, p := range rows {
		if p.Reason == store.Unknown && int(p.Hash%uint32(segments)) == segment {
			p.Attempts = 0
			if err := s.SetParked(ctx, tx, p, 0); err != nil {
				return 0, err
			}
		}
	}
	return n, err
}

// earlyParked finds rows as they were when the transaction asked for its turn.
type earlyParked struct {
	*memory.Store
	views sync.Map // of rows, by transaction
}

func (s *earlyParked) InTx(ctx context.Context, f func(context.Context, *memory.Tx) error) error {
	view, err := s.ListParked(ctx, store.ConsumerID{Name: "board"}, store.Stream{}, store.MaxEvents)
	if err != nil {
		return err
	}
	runtime.Gosched() // gives others the time to commit
	return s.Store.InTx(ctx, func(ctx context.Context, tx *memory.Tx) error {
		s.views.Store(tx, view)
		return f(ctx, tx)
	})
}

func (s *earlyParked) FindParked(_ context.Context, tx *memory.Tx, _ store.ConsumerID, streams []store.Stream) ([]store.Parked, error) {
	view, _ := s.views.Load(tx)
	rows := slices.Clone(view.([]store.Parked))
	return slices.DeleteFunc(rows, func(p store.Parked) bool { return !slices.Contains(streams, p.Stream) }), nil
}
