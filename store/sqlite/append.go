package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/eventus-go/eventus/store"
)

// appendTimeout ends a combined append that neither commits nor fails. It is
// longer than the patience of [DSN] with other processes.
const appendTimeout = 30 * time.Second

// Append implements [store.Store].
//
// It waits for its turn to write together with the other appends of this value,
// and whoever gets the turn commits them all. An append whose context ends
// before that is not written; one that is already part of a transaction waits
// for its outcome, whatever happens to its context.
//
// With the context of a running [Store.InTx] it fails at once: that
// transaction holds the turn. Append through [Store.WithTx] there.
func (s *Store) Append(ctx context.Context, stream store.Stream, expected store.Expected, events []store.Event) (int64, error) {
	if err := store.Check(stream, expected, events); err != nil {
		return 0, err
	}
	if err := s.checkOutside(ctx); err != nil {
		return 0, err
	}
	r := &request{stream: stream, expected: expected, events: events, done: make(chan struct{})}
	s.queue.add(r)
	select {
	case s.writer <- struct{}{}:
		s.lead(ctx, r)
	case <-r.done:
	case <-ctx.Done():
		if s.queue.remove(r) {
			return 0, ctx.Err()
		}
		<-r.done
	}
	return r.version, r.err
}

// lead commits what waits until own is done. It is called with writer held and
// gives it back. Whoever led before has closed done of all it took, so own is
// either done or still in the queue.
func (s *Store) lead(ctx context.Context, own *request) {
	defer func() { <-s.writer }()
	if ctx.Err() != nil && s.queue.remove(own) {
		own.err = ctx.Err()
		return
	}
	for !own.isDone() {
		s.commit(ctx, s.queue.take())
	}
}

// commit writes a batch in one transaction and tells each request its result. A
// conflict of one does not touch the others. A conflict is told only after the
// commit, because it may be with a request of the same batch.
func (s *Store) commit(ctx context.Context, batch []*request) {
	err := errors.New("the append was abandoned by a panic")
	defer func() {
		for _, r := range batch {
			if err != nil {
				r.version, r.err = 0, err
			}
			close(r.done)
		}
	}()
	// The others' appends must not hang on this one's context.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), appendTimeout)
	defer cancel()
	written := 0
	err = s.transaction(ctx, func(tx *sql.Tx) (err error) {
		written, err = s.appendTo(ctx, tx, batch)
		return err
	})
	if err == nil && written > 0 {
		s.wake()
	}
}

// appendTo checks and writes a batch in tx, which holds the write lock, and
// returns the number of events written. An error condemns the whole batch.
func (s *Store) appendTo(ctx context.Context, tx *sql.Tx, batch []*request) (int, error) {
	versions, err := s.versions(ctx, tx, batch)
	if err != nil {
		return 0, fmt.Errorf("read versions: %w", err)
	}
	var values []any
	for _, r := range batch {
		version := versions[r.stream]
		if r.expected != store.Any && int64(r.expected) != version {
			r.err = &store.ConflictError{Stream: r.stream, Expected: r.expected, Actual: version}
			continue
		}
		for i := range r.events {
			version++
			event, err := eventValues(&r.events[i])
			if err != nil {
				return 0, fmt.Errorf("encode metadata of event %s: %w", r.events[i].ID, err)
			}
			values = append(append(values, r.stream.Category, r.stream.ID, version), event...)
		}
		versions[r.stream], r.version = version, version
	}
	return len(values) / insertColumns, s.insert(ctx, tx, values)
}

const versionsSQL = `
SELECT s.key, (SELECT max(version) FROM event_store WHERE category = s.value ->> 0 AND stream_id = s.value ->> 1)
FROM json_each(?) AS s`

// versions returns the current versions of the batch's streams.
func (s *Store) versions(ctx context.Context, tx *sql.Tx, batch []*request) (map[store.Stream]int64, error) {
	streams := make([]store.Stream, len(batch))
	for i, r := range batch {
		streams[i] = r.stream
	}
	rows, err := tx.StmtContext(ctx, s.statements.versions).QueryContext(ctx, streamsJSON(streams))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	versions := make(map[store.Stream]int64, len(batch))
	for rows.Next() {
		var i int
		var version sql.NullInt64
		if err := rows.Scan(&i, &version); err != nil {
			return nil, err
		}
		versions[streams[i]] = version.Int64
	}
	return versions, rows.Err()
}

// streamsJSON returns [["category","id"],...]. Checked streams are valid UTF-8,
// so JSON keeps every byte.
func streamsJSON(streams []store.Stream) string {
	pairs := make([][2]string, len(streams))
	for i, s := range streams {
		pairs[i] = [2]string{s.Category, s.ID}
	}
	text, err := json.Marshal(pairs)
	if err != nil {
		panic(err) // strings always encode
	}
	return string(text)
}

// An insert of many rows is cut into statements of fixed sizes, largest first,
// so that each is prepared once.
const insertColumns = 12

var insertSizes = [...]int{100, 10, 1}

func insertSQL(rows int) string {
	row := "(" + strings.Repeat("?,", insertColumns-1) + "?)"
	return `INSERT INTO event_store (category, stream_id, version, event_id, type, content_type, data, time,
		correlation_id, causation_id, actor, metadata) VALUES ` + strings.Repeat(row+",", rows-1) + row
}

const enqueueSQL = `INSERT INTO outbox (position) SELECT position FROM event_store WHERE position > ?`

// insert writes rows of event_store and their rows of the outbox.
func (s *Store) insert(ctx context.Context, tx *sql.Tx, values []any) error {
	if len(values) == 0 {
		return nil
	}
	first := int64(0)
	for i, size := range insertSizes {
		statement := tx.StmtContext(ctx, s.statements.insert[i])
		for n := size * insertColumns; len(values) >= n; values = values[n:] {
			result, err := statement.ExecContext(ctx, values[:n]...)
			if err != nil {
				return fmt.Errorf("insert events: %w", err)
			}
			if first == 0 {
				last, err := result.LastInsertId()
				if err != nil {
					return fmt.Errorf("insert events: %w", err)
				}
				first = last - int64(size) + 1
			}
		}
	}
	if _, err := tx.StmtContext(ctx, s.statements.enqueue).ExecContext(ctx, first-1); err != nil {
		return fmt.Errorf("insert outbox rows: %w", err)
	}
	return nil
}
