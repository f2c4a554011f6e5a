package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/eventus-go/eventus/store"
	"github.com/jackc/pgx/v5"
)

const lastSQL = `SELECT coalesce(max(position), 0) FROM {schema}.event_store`

// The outbox is cut to a page before events are looked up: a server without
// statistics of the two tables would look up all of them, and sort, for each page.
// So refused messages and those behind them are in the page too, marked. OFFSET 0
// keeps the event a look-up for each row. A merge of the two tables, which the
// planner likes for a short outbox, walks over all that was ever published. The
// first of the subqueries spares the look at each stream while nothing is refused.
const unpublishedSQL = `
SELECT m.*, CASE lag(m.version) OVER stream WHEN m.version - 1 THEN lag(m.event_id) OVER stream ELSE coalesce((
		SELECT p.event_id FROM {schema}.event_store AS p
		WHERE p.category = m.category AND p.stream_id = m.stream_id AND p.version = m.version - 1), '') END,
	o.attempts, o.error IS NOT NULL OR (
	(SELECT position FROM {schema}.outbox WHERE error IS NOT NULL ORDER BY refused_category, refused_stream_id, position LIMIT 1) IS NOT NULL AND (
	SELECT r.position FROM {schema}.outbox AS r
	WHERE r.error IS NOT NULL AND r.refused_category = m.category AND r.refused_stream_id = m.stream_id AND r.position < m.position
	ORDER BY r.refused_category, r.refused_stream_id, r.position LIMIT 1) IS NOT NULL)
FROM (SELECT position, attempts, error FROM {schema}.outbox WHERE position > $1 ORDER BY position LIMIT $2) AS o
CROSS JOIN LATERAL (
	SELECT ` + eventColumns + ` FROM {schema}.event_store AS e WHERE e.position = o.position OFFSET 0
) AS m
WINDOW stream AS (PARTITION BY m.category, m.stream_id ORDER BY m.version)
ORDER BY o.position`

// Unpublished implements [store.Outbox]. What holds [Store.ReadAll] back holds
// it back too.
func (s *Store) Unpublished(ctx context.Context, after int64, limit int) ([]store.Outgoing, int64, error) {
	after = max(after, 0)
	if limit < 1 {
		return nil, after, ctx.Err()
	}
	var page []store.Outgoing
	for {
		ready, next, more, err := s.readOutbox(ctx, after, limit)
		if err != nil {
			return nil, 0, fmt.Errorf("read the outbox: %w", s.damaged(err))
		}
		if missing := limit - len(page); len(ready) > missing {
			ready = ready[:missing]
			next = ready[missing-1].Position
		}
		if page == nil {
			page = ready
		} else {
			page = append(page, ready...)
		}
		if len(page) == limit || !more {
			return page, next, nil
		}
		after = next // some of the messages up to here wait
	}
}

// readOutbox returns those of the next limit messages in the outbox that do not
// wait, and the position up to which it has come. There may be more behind it.
func (s *Store) readOutbox(ctx context.Context, after int64, limit int) (ready []store.Outgoing, next int64, more bool, err error) {
	for looked := false; ; looked = true {
		settled := s.head.settledUpTo() // before the snapshots of the look are taken
		l, err := s.lookAtOutbox(ctx, after, limit)
		if err != nil {
			return nil, 0, false, err
		}
		certain, next := outgoingUpTo(l.page, after, settled)
		var unsure int64 // a position before which some may be missing
		if certain == len(l.page) {
			if len(l.page) == limit {
				return l.ready(certain), next, true, nil
			}
			// What lies behind the page and is not in the outbox was published, or is
			// missing.
			next = max(next, min(l.last, settled))
			unsure = l.last + 1
		} else {
			unsure = l.page[certain].Position
		}
		if unsure <= next+1 {
			return l.ready(certain), next, false, nil
		}
		passed := false
		if !looked {
			if passed, err = s.pass(ctx, unsure); err != nil {
				return nil, 0, false, err
			}
		}
		if !passed {
			return l.ready(certain), next, false, nil
		}
	}
}

// outboxLook is a page of the outbox.
type outboxLook struct {
	page  []store.Outgoing
	waits map[int64]bool // positions of those that wait
	last  int64          // a position that was the last of the log before the page was read
}

// ready returns the messages among the first n that do not wait.
func (l *outboxLook) ready(n int) []store.Outgoing {
	if len(l.waits) == 0 {
		return l.page[:n]
	}
	return slices.DeleteFunc(l.page[:n], func(m store.Outgoing) bool { return l.waits[m.Position] })
}

func (s *Store) lookAtOutbox(ctx context.Context, after int64, limit int) (l outboxLook, err error) {
	batch := &pgx.Batch{}
	batch.Queue(s.statements.last).QueryRow(func(row pgx.Row) error { return row.Scan(&l.last) })
	batch.Queue(s.statements.unpublished, after, limit).Query(func(rows pgx.Rows) error {
		var previous string
		var attempts int
		var waits bool
		scan := newPageScanner(rows, &previous, &attempts, &waits)
		for rows.Next() {
			l.page = more(l.page, limit)
			m := &l.page[len(l.page)-1]
			if err := scan.next(&m.Message); err != nil {
				return err
			}
			m.Previous, m.Attempts = previous, attempts
			if waits {
				if l.waits == nil {
					l.waits = make(map[int64]bool)
				}
				l.waits[m.Position] = true
			}
		}
		return rows.Err()
	})
	err = s.pool.SendBatch(ctx, batch).Close()
	return l, err
}

// outgoingUpTo returns the number of messages before the first hole that is not
// settled, and the position up to which there is none.
func outgoingUpTo(page []store.Outgoing, after, settled int64) (certain int, next int64) {
	for i := range page {
		position := page[i].Position
		if position > after+1 && position > settled+1 {
			return i, after
		}
		after = position
	}
	return len(page), after
}
