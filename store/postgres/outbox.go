package postgres

import (
	"context"
	"fmt"

	"github.com/eventus-go/eventus/store"
	"github.com/jackc/pgx/v5"
)

const lastSQL = `SELECT coalesce(max(position), 0) FROM {schema}.event_store`

// OFFSET 0 keeps the event a look-up for each row of the outbox. A merge of the
// two tables, which the planner likes for a short outbox, walks over all that was
// ever published. The scalar subquery, where NOT EXISTS would do, keeps refused
// messages a look-up too, which is left out while there are none.
const unpublishedSQL = `
SELECT m.*, o.attempts FROM {schema}.outbox AS o CROSS JOIN LATERAL (
	SELECT ` + messageColumns + `, coalesce((
		SELECT p.event_id FROM {schema}.event_store AS p
		WHERE p.category = e.category AND p.stream_id = e.stream_id AND p.version = e.version - 1), '')
	FROM {schema}.event_store AS e WHERE e.position = o.position OFFSET 0
) AS m
WHERE o.position > $1 AND o.error IS NULL AND (
	NOT (SELECT EXISTS (SELECT FROM {schema}.outbox WHERE error IS NOT NULL)) OR (
	SELECT r.position FROM {schema}.outbox AS r
	WHERE r.error IS NOT NULL AND r.refused_category = m.category AND r.refused_stream_id = m.stream_id AND r.position < m.position
	LIMIT 1) IS NULL)
ORDER BY o.position LIMIT $2`

// Unpublished implements [store.Outbox]. What holds [Store.ReadAll] back holds
// it back too.
func (s *Store) Unpublished(ctx context.Context, after int64, limit int) ([]store.Outgoing, int64, error) {
	after = max(after, 0)
	if limit < 1 {
		return nil, after, ctx.Err()
	}
	for looked := false; ; looked = true {
		settled := s.head.settledUpTo() // before the snapshots of the look are taken
		page, last, err := s.lookAtOutbox(ctx, after, limit)
		if err != nil {
			return nil, 0, fmt.Errorf("read the outbox: %w", err)
		}
		certain, next := outgoingUpTo(page, after, settled)
		var unsure int64 // a position before which some may be missing
		if certain == len(page) {
			if len(page) == limit {
				return page, next, nil
			}
			// What lies behind the page and is not in the outbox was published, or
			// refused, or is missing.
			next = max(next, min(last, settled))
			unsure = last + 1
		} else {
			unsure = page[certain].Position
		}
		if unsure <= next+1 {
			return page[:certain], next, nil
		}
		passed := false
		if !looked {
			if passed, err = s.pass(ctx, unsure); err != nil {
				return nil, 0, fmt.Errorf("read the outbox: %w", err)
			}
		}
		if !passed {
			return page[:certain], next, nil
		}
	}
}

// lookAtOutbox returns a page of the outbox and a position that was the last of
// the log before the page was read.
func (s *Store) lookAtOutbox(ctx context.Context, after int64, limit int) (page []store.Outgoing, last int64, err error) {
	batch := &pgx.Batch{}
	batch.Queue(s.statements.last).QueryRow(func(row pgx.Row) error { return row.Scan(&last) })
	batch.Queue(s.statements.unpublished, after, limit).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var m store.Outgoing
			if err := scanMessage(rows, &m.Message, &m.Previous, &m.Attempts); err != nil {
				return err
			}
			page = append(page, m)
		}
		return rows.Err()
	})
	err = s.pool.SendBatch(ctx, batch).Close()
	return page, last, err
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
