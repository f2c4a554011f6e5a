package storetest_test

import (
	"cmp"
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/memory"
	"github.com/eventus-go/eventus/store/storetest"
)

// doNothing is INSERT ... ON CONFLICT DO NOTHING.
type doNothing struct{ *memory.Store }

func (s doNothing) Append(ctx context.Context, stream store.Stream, expected store.Expected, events []store.Event) (int64, error) {
	version, err := s.Store.Append(ctx, stream, expected, events)
	if errors.Is(err, store.ErrConflict) {
		return expected.Version + int64(len(events)), nil
	}
	return version, err
}

// checkThenAct reads the version, and then inserts.
type checkThenAct struct{ *memory.Store }

func (s checkThenAct) Append(ctx context.Context, stream store.Stream, expected store.Expected, events []store.Event) (int64, error) {
	current, err := s.Read(ctx, stream, 0, store.MaxEvents)
	if err != nil {
		return 0, err
	}
	runtime.Gosched() // gives others the time in which the race is lost
	if actual := int64(len(current)); expected != store.Any && expected.Version != actual {
		return 0, &store.ConflictError{Stream: stream, Expected: expected, Actual: actual}
	}
	return s.Store.Append(ctx, stream, store.Any, events)
}

// impatient appends at the version that it has read, also where any will do.
type impatient struct{ *memory.Store }

func (s impatient) Append(ctx context.Context, stream store.Stream, expected store.Expected, events []store.Event) (int64, error) {
	if expected == store.Any {
		current, err := s.Read(ctx, stream, 0, store.MaxEvents)
		if err != nil {
			return 0, err
		}
		runtime.Gosched() // gives others the time in which the race is lost
		expected = store.At(int64(len(current)))
	}
	return s.Store.Append(ctx, stream, expected, events)
}

// atLeast leaves the check to a unique constraint, which a version beyond the
// end does not violate.
type atLeast struct{ *memory.Store }

func (s atLeast) Append(ctx context.Context, stream store.Stream, expected store.Expected, events []store.Event) (int64, error) {
	version, err := s.Store.Append(ctx, stream, expected, events)
	if conflict := (*store.ConflictError)(nil); errors.As(err, &conflict) && expected.Version > conflict.Actual {
		return s.Store.Append(ctx, stream, store.Any, events)
	}
	return version, err
}

// byVersion takes a version for the identity of an event.
type byVersion struct{ *memory.Store }

func (s byVersion) Append(ctx context.Context, stream store.Stream, expected store.Expected, events []store.Event) (int64, error) {
	expected.EventID = ""
	return s.Store.Append(ctx, stream, expected, events)
}

type rawError struct{ *memory.Store }

func (s rawError) Append(ctx context.Context, stream store.Stream, expected store.Expected, events []store.Event) (int64, error) {
	version, err := s.Store.Append(ctx, stream, expected, events)
	if errors.Is(err, store.ErrConflict) {
		return 0, errors.New("duplicate key value violates unique constraint (SQLSTATE 23505)")
	}
	return version, err
}

type repeater struct{ *memory.Store }

func (s repeater) Append(ctx context.Context, stream store.Stream, expected store.Expected, events []store.Event) (int64, error) {
	have, err := s.Read(ctx, stream, 0, 1000)
	if err == nil && expected != store.Any && int(expected.Version) < len(have) {
		return 0, &store.ConflictError{Stream: stream, Expected: expected, Actual: int64(len(have))}
	}
	return s.Store.Append(ctx, stream, expected, events)
}

type byFirst struct{ *memory.Store }

func (s byFirst) Append(ctx context.Context, stream store.Stream, expected store.Expected, events []store.Event) (int64, error) {
	version, err := s.Store.Append(ctx, stream, expected, events)
	if errors.Is(err, store.ErrConflict) {
		if at, _ := s.Read(ctx, stream, expected.Version, 1); len(at) == 1 && at[0].ID == events[0].ID {
			return expected.Version + int64(len(events)), nil
		}
	}
	return version, err
}

type narrow struct{ *memory.Store }

func (s narrow) Append(ctx context.Context, stream store.Stream, expected store.Expected, events []store.Event) (int64, error) {
	bytes := 0
	for _, e := range events {
		bytes += len(e.Data)
	}
	if bytes > 32<<20 {
		return 0, errors.New("message is too large")
	}
	return s.Store.Append(ctx, stream, expected, events)
}

type milliseconds struct{ *memory.Store }

func (s milliseconds) Append(ctx context.Context, stream store.Stream, expected store.Expected, events []store.Event) (int64, error) {
	events = slices.Clone(events)
	for i := range events {
		events[i].Time = events[i].Time.Truncate(time.Millisecond)
	}
	return s.Store.Append(ctx, stream, expected, events)
}

// idOnly has one sequence of versions for an id.
type idOnly struct{ *memory.Store }

func (s idOnly) Append(ctx context.Context, stream store.Stream, expected store.Expected, events []store.Event) (int64, error) {
	return s.Store.Append(ctx, store.Stream{Category: "all", ID: stream.ID}, expected, events)
}

func (s idOnly) Read(ctx context.Context, stream store.Stream, after int64, limit int) ([]store.Message, error) {
	page, err := s.Store.Read(ctx, store.Stream{Category: "all", ID: stream.ID}, after, limit)
	for i := range page {
		page[i].Stream = stream
	}
	return page, err
}

// caseless is a column with a collation.
type caseless struct{ *memory.Store }

func (s caseless) Append(ctx context.Context, stream store.Stream, expected store.Expected, events []store.Event) (int64, error) {
	return s.Store.Append(ctx, store.Stream{Category: stream.Category, ID: strings.ToLower(stream.ID)}, expected, events)
}

// replica shows a message from the second read on that finds it at the end.
type replica struct {
	*memory.Store
	seen sync.Map // of positions
}

func (s *replica) Read(ctx context.Context, stream store.Stream, after int64, limit int) ([]store.Message, error) {
	page, err := s.Store.Read(ctx, stream, after, limit)
	if len(page) == 0 {
		return page, err
	}
	if _, seen := s.seen.LoadOrStore(page[len(page)-1].Position, true); !seen {
		page = page[:len(page)-1]
	}
	return page, err
}

type deaf struct{ *memory.Store }

func (s deaf) Append(ctx context.Context, stream store.Stream, expected store.Expected, events []store.Event) (int64, error) {
	return s.Store.Append(context.WithoutCancel(ctx), stream, expected, events)
}

// hasty stores an append, and gives up on the answer when the context ends.
type hasty struct{ *memory.Store }

func (s hasty) Append(ctx context.Context, stream store.Stream, expected store.Expected, events []store.Event) (int64, error) {
	version, err := s.Store.Append(ctx, stream, expected, events)
	if _, ends := ctx.Deadline(); ends && err == nil {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	return version, err
}

// keeper keeps the slices that it is given.
type keeper struct {
	*memory.Store
	data sync.Map // by the event's id
}

func (s *keeper) Append(ctx context.Context, stream store.Stream, expected store.Expected, events []store.Event) (int64, error) {
	for _, e := range events {
		s.data.Store(e.ID, e.Data)
	}
	return s.Store.Append(ctx, stream, expected, events)
}

func (s *keeper) Read(ctx context.Context, stream store.Stream, after int64, limit int) ([]store.Message, error) {
	page, err := s.Store.Read(ctx, stream, after, limit)
	for i := range page {
		data, _ := s.data.Load(page[i].ID)
		page[i].Data = data.([]byte)
	}
	return page, err
}

// cached gives one slice to all readers of a page.
type cached struct {
	*memory.Store
	pages sync.Map // by stream
}

func (s *cached) Read(ctx context.Context, stream store.Stream, after int64, limit int) ([]store.Message, error) {
	page, err := s.Store.Read(ctx, stream, after, limit)
	kept, _ := s.pages.LoadOrStore(stream, page)
	return kept.([]store.Message), err
}

// byStream orders by stream and version, as a primary key does.
type byStream struct{ *memory.Store }

func (s byStream) ReadAll(ctx context.Context, after int64, limit int) ([]store.Message, error) {
	page, err := s.Store.ReadAll(ctx, after, limit)
	slices.SortStableFunc(page, func(a, b store.Message) int { return cmp.Compare(a.Stream.ID, b.Stream.ID) })
	return page, err
}

// lateCommit gives what lies behind a message, and a moment later the message
// itself: its transaction has drawn its position early and committed late.
type lateCommit struct {
	*memory.Store
	late sync.Map // of positions
}

func (s *lateCommit) ReadAll(ctx context.Context, after int64, limit int) ([]store.Message, error) {
	page, err := s.Store.ReadAll(ctx, after, limit)
	if len(page) < 2 {
		return page, err
	}
	if _, committed := s.late.LoadOrStore(page[0].Position, true); !committed {
		page = page[1:]
	}
	return page, err
}

type shortPages struct{ *memory.Store }

func (s shortPages) ReadAll(ctx context.Context, after int64, limit int) ([]store.Message, error) {
	page, err := s.Store.ReadAll(ctx, after, limit)
	if len(page) == limit && limit > 1 {
		page = append(page[:limit-2], page[limit-1])
	}
	return page, err
}

// stretchFault is a log with a fault in its stretches.
type stretchFault struct {
	*memory.Store
	spoil func(r store.Range, s *store.Stretch)
}

func (f stretchFault) ReadStretch(ctx context.Context, r store.Range) (store.Stretch, error) {
	s, err := f.Store.ReadStretch(ctx, r)
	f.spoil(r, &s)
	return s, err
}

// lastReturned forgets that it has looked further than at what it returns.
func lastReturned(_ store.Range, s *store.Stretch) {
	s.Last = store.Place{}
	if n := len(s.Messages); n > 0 {
		s.Last = store.PlaceOf(&s.Messages[n-1])
	}
}

// endsWhenShort takes a stretch with few messages for the end of the log.
func endsWhenShort(r store.Range, s *store.Stretch) { s.End = len(s.Messages) < r.Limit }

// unbounded looks at the whole log for the messages of a category.
type unbounded struct{ *memory.Store }

func (u unbounded) ReadStretch(ctx context.Context, r store.Range) (whole store.Stretch, err error) {
	for {
		s, err := u.Store.ReadStretch(ctx, r)
		if err != nil {
			return s, err
		}
		if whole.First.Position == 0 {
			whole.First = s.First
		}
		if s.Last.Position > 0 {
			whole.Last = s.Last
		}
		whole.Messages, whole.End = append(whole.Messages, s.Messages...), s.End
		if s.End || len(s.Messages) == r.Limit || r.Limit < 1 {
			return whole, nil
		}
		r.After, r.Limit = s.Last.Position, r.Limit-len(s.Messages)
	}
}

// ReadStretch passes a message of a transaction that commits late.
func (s *lateCommit) ReadStretch(ctx context.Context, r store.Range) (store.Stretch, error) {
	stretch, err := s.Store.ReadStretch(ctx, r)
	if len(stretch.Messages) < 2 {
		return stretch, err
	}
	if _, committed := s.late.LoadOrStore(stretch.Messages[0].Position, true); !committed {
		stretch.Messages = stretch.Messages[1:]
	}
	return stretch, err
}

// blind compares no checksums.
type blind struct {
	*memory.Store
	damaged *atomic.Int64 // position
}

func openBlind(t testing.TB) storetest.Backend[*memory.Tx] {
	b := open(t)
	s := blind{memory.New(), new(atomic.Int64)}
	b.Store, b.Damage = s, func(_ testing.TB, position int64) { s.damaged.Store(position) }
	return b
}

func (s blind) Read(ctx context.Context, stream store.Stream, after int64, limit int) ([]store.Message, error) {
	page, err := s.Store.Read(ctx, stream, after, limit)
	for i := range page {
		if page[i].Position == s.damaged.Load() {
			page[i].Data[0] ^= 1
		}
	}
	return page, err
}
