package consume

import (
	"log/slog"
	"slices"

	"github.com/eventus-go/eventus/store"
)

// newSegments returns segments at one place. Claims of those before them, up to
// epoch, are void.
func newSegments(n int, place store.Progress, epoch int64) []store.Segment {
	segments := make([]store.Segment, n)
	for i := range segments {
		segments[i] = store.Segment{Progress: place, Epoch: epoch}
	}
	return segments
}

// compareSegments tells, once for each number, that the consumer has another
// number of segments than this program is configured for.
func (m *member[Tx]) compareSegments(c store.Consumer) {
	have := len(c.Segments)
	if m.cfg.Segments == 0 || m.cfg.Segments == have || c.NextSegments != 0 || m.told == have {
		return
	}
	m.told = have
	m.log.Warn("the consumer keeps its number of segments; to change it, ask for it (store.SetSegments)",
		slog.Int("segments", have), slog.Int("configured", m.cfg.Segments))
}

// meets reports whether all segments stand at the place where they meet.
func meets(c store.Consumer) bool {
	return !slices.ContainsFunc(c.Segments, func(s store.Segment) bool { return s.Position != c.MeetAt })
}

// passed reports whether a segment stands beyond the place where they meet.
func passed(c store.Consumer) bool {
	return slices.ContainsFunc(c.Segments, func(s store.Segment) bool { return s.Position > c.MeetAt })
}

// meet changes the number of segments once all of them stand at one place. Until
// then it moves that place on when a segment has passed it.
func meet(c *store.Consumer) {
	if c.NextSegments == 0 {
		return
	}
	for _, s := range c.Segments {
		c.MeetAt = max(c.MeetAt, s.Position)
	}
	if !meets(*c) {
		return
	}
	epoch := int64(0)
	for _, s := range c.Segments {
		epoch = max(epoch, s.Epoch)
	}
	place := store.Progress{Position: c.Segments[0].Position, EventID: c.Segments[0].EventID}
	c.Segments = newSegments(c.NextSegments, place, epoch+1)
	c.MeetAt, c.NextSegments = 0, 0
}
