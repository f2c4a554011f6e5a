package postgres

import (
	"time"

	"github.com/eventus-go/eventus/store"
)

// segmentArrays are the segments of a consumer, an array for each column.
type segmentArrays struct {
	positions, trying, tries, epochs []int64
	eventIDs, forked, owners         []string
	leases                           []*time.Time
}

func (c *segmentArrays) add(s store.Segment) {
	c.positions, c.eventIDs = append(c.positions, s.Position), append(c.eventIDs, s.EventID)
	c.trying, c.tries = append(c.trying, s.Trying), append(c.tries, int64(s.Tries))
	c.forked = append(c.forked, anyText(s.Forked))
	c.owners, c.epochs, c.leases = append(c.owners, s.Owner), append(c.epochs, s.Epoch), append(c.leases, timeOrNull(s.LeaseUntil))
}

// memberArrays are the members of a consumer, an array for each column.
type memberArrays struct {
	names, programs []string
	untils          []*time.Time
}

func (c *memberArrays) add(m store.Member) {
	c.names, c.programs, c.untils = append(c.names, m.Name), append(c.programs, anyText(m.Program)), append(c.untils, timeOrNull(m.Until))
}

// consumerArgs are the arguments of createConsumerSQL and saveConsumerSQL.
func consumerArgs(c store.Consumer) []any {
	// Nil is NULL, which is no array.
	segments := segmentArrays{
		positions: []int64{}, trying: []int64{}, tries: []int64{}, epochs: []int64{},
		eventIDs: []string{}, forked: []string{}, owners: []string{}, leases: []*time.Time{},
	}
	for _, s := range c.Segments {
		segments.add(s)
	}
	members := memberArrays{names: []string{}, programs: []string{}, untils: []*time.Time{}}
	for _, m := range c.Members {
		members.add(m)
	}
	return []any{
		c.Name, int64(c.Generation), append([]string{}, c.Categories...), anyText(c.Start), timeOrNull(c.CreatedAt),
		c.Paused, c.RenamedTo, c.MeetAt, int64(c.NextSegments), c.Rebuild,
		segments.positions, segments.eventIDs, segments.trying, segments.tries, segments.forked,
		segments.owners, segments.epochs, segments.leases,
		members.names, members.programs, members.untils,
	}
}

// timeOrNull is nil for the zero time, which is no time of PostgreSQL's in every
// time zone.
func timeOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = timestamp(t)
	return &t
}

// zeroTime is the inverse of timeOrNull.
func zeroTime(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}
