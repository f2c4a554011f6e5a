package store

import "context"

// MaxStretch is the most messages that one [Log.ReadStretch] looks at for those of
// some categories: some milliseconds of a server's time.
const MaxStretch = 4096

// Range says which part of the log [Log.ReadStretch] reads.
type Range struct {
	// After and UpTo are positions: the range begins behind the one, and ends with
	// the other. Without UpTo it ends with the log.
	After int64
	UpTo  int64
	// Limit is the most messages to return.
	Limit int
	// Categories are those whose messages to return. None means all.
	Categories []string
}

// Stretch is a part of the log without a gap: it has every message of the log from
// First to Last, or has looked at it.
type Stretch struct {
	// Messages are those of the range's categories, in ascending order of position.
	Messages []Message
	// First and Last are the places of the first and the last message of the
	// stretch, whatever their categories. They are zero in an empty stretch.
	First, Last Place
	// End reports that the range has nothing behind the stretch for now.
	End bool
}

// Place is where a message is in the log. The event's id proves that a log with
// that position is still the same log.
type Place struct {
	Position int64
	EventID  string
}

// PlaceOf returns where m is.
func PlaceOf(m *Message) Place { return Place{m.Position, m.ID} }

// StretchOf reads a stretch by [Log.ReadAll], with the messages of all categories.
// It is for a log that has no better way, and for a wrapper around ReadAll.
func StretchOf(ctx context.Context, readAll func(ctx context.Context, after int64, limit int) ([]Message, error), r Range) (Stretch, error) {
	if r.UpTo > 0 {
		r.Limit = int(min(int64(r.Limit), r.UpTo-max(r.After, 0))) // more do not fit
	}
	if r.Limit < 1 {
		return Stretch{End: r.UpTo > 0 && r.UpTo <= max(r.After, 0)}, ctx.Err()
	}
	page, err := readAll(ctx, r.After, r.Limit)
	if err != nil {
		return Stretch{}, err
	}
	s := Stretch{End: len(page) < r.Limit}
	for i := range page {
		m := &page[i]
		if r.UpTo > 0 && m.Position > r.UpTo {
			s.End = true
			break
		}
		s.Add(r, m)
	}
	return s, nil
}

// Add adds the next message of the log to a stretch.
func (s *Stretch) Add(r Range, m *Message) {
	if s.First.Position == 0 {
		s.First = PlaceOf(m)
	}
	s.Last = PlaceOf(m)
	s.End = s.End || m.Position == r.UpTo
	if r.Has(m.Stream.Category) {
		s.Messages = append(s.Messages, *m)
	}
}

// Has reports whether the messages of a category are asked for.
func (r Range) Has(category string) bool {
	if len(r.Categories) == 0 {
		return true
	}
	for _, c := range r.Categories {
		if c == category {
			return true
		}
	}
	return false
}
