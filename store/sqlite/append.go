package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/eventus-go/eventus/internal/combine"
	"github.com/eventus-go/eventus/store"
)

const (
	maxEvents = 1000    // in one transaction
	maxBytes  = 4 << 20 // of these events

	// appendTimeout ends an append that neither commits nor fails. It is longer than
	// the patience of [DSN] with other processes.
	appendTimeout = 30 * time.Second
)

func (s *Store) newQueue() *combine.Queue {
	return combine.New(combine.Config{
		MaxStreams: maxEvents, MaxEvents: maxEvents, MaxBytes: maxBytes, MaxWrites: 1,
		Timeout: appendTimeout, Patience: appendTimeout, MaxWait: appendTimeout,
		Enter: func(ctx context.Context) (func(), error) {
			if err := s.takeTurn(ctx); err != nil {
				return nil, err
			}
			return s.endTurn, nil
		},
		Write: s.writeGroups,
		Refused: func(err error) bool {
			var uncertain *commitError
			return !errors.As(err, &uncertain)
		},
		Divide: func(err error) bool { return !s.IsTransient(err) && !errors.Is(err, context.DeadlineExceeded) },
	})
}

// Append implements [store.Store].
//
// It waits for its turn to write together with the other appends of this value,
// and one transaction commits them all. An append whose context ends before that
// is not written. One that is already part of a transaction then waits two seconds
// for its outcome; after that, its error is a [store.ErrOutcomeUnknown].
//
// With the context of a running [Store.InTx] it fails at once: that
// transaction holds the turn. Append through [Store.WithTx] there.
func (s *Store) Append(ctx context.Context, stream store.Stream, expected store.Expected, events []store.Event) (int64, error) {
	if err := store.CheckAppend(stream, expected, events); err != nil {
		return 0, err
	}
	if err := s.checkOutside(ctx); err != nil {
		return 0, err
	}
	return s.queue.Append(ctx, stream, expected, events)
}

// writeGroups writes groups in one transaction. It is called with writer held.
func (s *Store) writeGroups(ctx context.Context, groups []*combine.Group) error {
	written := 0
	// What holds the write lock waits for nobody. The driver starts a goroutine for
	// each statement whose context can end.
	inside := context.WithoutCancel(ctx)
	err := s.transaction(ctx, func(tx *sql.Tx) (err error) {
		written, err = s.appendTo(inside, tx, groups)
		return err
	})
	if err == nil && written > 0 {
		s.wake()
	}
	return err
}

// appendTo checks and writes groups in tx, which holds the write lock, and returns
// the number of events written. After an error nothing counts.
func (s *Store) appendTo(ctx context.Context, tx *sql.Tx, groups []*combine.Group) (int, error) {
	lasts, err := s.lasts(ctx, tx, groups)
	if err != nil {
		return 0, fmt.Errorf("read versions: %w", err)
	}
	var values []any
	for i, g := range groups {
		version := lasts[i].Version
		if g.Expected != store.Any && g.Expected.Version != version {
			repeated, err := s.repeats(ctx, tx, g, version)
			if err != nil {
				return 0, err
			}
			if repeated {
				version = g.Expected.Version
			}
			g.Found(version)
			continue
		}
		if g.Expected.EventID != "" && g.Expected.EventID != lasts[i].EventID {
			g.Forked()
			continue
		}
		g.Found(version)
		for j := range g.Events {
			version++
			event, err := eventValues(&g.Events[j])
			if err != nil {
				return 0, fmt.Errorf("encode metadata of event %s: %w", g.Events[j].ID, err)
			}
			values = append(append(values, g.Stream.Category, g.Stream.ID, version), event...)
			values = append(values, store.Checksum(g.Stream, version, &g.Events[j]))
		}
	}
	return len(values) / insertColumns, s.insert(ctx, tx, values)
}

const repeatsSQL = `
SELECT count(*) FROM event_store
WHERE category = ? AND stream_id = ? AND (version = ? AND event_id = ? OR version = ? AND event_id = ?)`

// repeats reports whether a stream at a version has the events of a group already,
// from the expected version on.
func (s *Store) repeats(ctx context.Context, tx *sql.Tx, g *combine.Group, version int64) (bool, error) {
	n := len(g.Events)
	if version-int64(n) < g.Expected.Version {
		return false, nil
	}
	first, last := g.Expected.Version+1, g.Expected.Version+int64(n)
	found := 0
	err := tx.StmtContext(ctx, s.statements.repeats).QueryRowContext(ctx, g.Stream.Category, g.Stream.ID,
		first, g.Events[0].ID, last, g.Events[n-1].ID).Scan(&found)
	if err != nil {
		return false, fmt.Errorf("look for the events: %w", err)
	}
	return found == min(n, 2), nil
}

const lastsSQL = `
SELECT s.key, e.version, e.event_id
FROM json_each(?) AS s CROSS JOIN event_store AS e
WHERE e.position = (
	SELECT position FROM event_store WHERE category = s.value ->> 0 AND stream_id = s.value ->> 1 ORDER BY version DESC LIMIT 1)`

const lastOneSQL = `SELECT version, event_id FROM event_store WHERE category = ? AND stream_id = ? ORDER BY version DESC LIMIT 1`

// lasts returns the versions and ids of the last events of the groups' streams.
func (s *Store) lasts(ctx context.Context, tx *sql.Tx, groups []*combine.Group) ([]store.Expected, error) {
	if len(groups) == 1 {
		last, of := make([]store.Expected, 1), groups[0].Stream
		err := tx.StmtContext(ctx, s.statements.lastOne).QueryRowContext(ctx, of.Category, of.ID).Scan(&last[0].Version, &last[0].EventID)
		if errors.Is(err, sql.ErrNoRows) {
			err = nil
		}
		return last, err
	}
	streams := make([]store.Stream, len(groups))
	for i, g := range groups {
		streams[i] = g.Stream
	}
	rows, err := tx.StmtContext(ctx, s.statements.lasts).QueryContext(ctx, streamsJSON(streams))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	lasts := make([]store.Expected, len(groups))
	for rows.Next() {
		var i int
		var last store.Expected
		if err := rows.Scan(&i, &last.Version, &last.EventID); err != nil {
			return nil, err
		}
		lasts[i] = last
	}
	return lasts, rows.Err()
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
const insertColumns = 13

var insertSizes = [...]int{100, 10, 1}

func insertSQL(rows int) string {
	row := "(" + strings.Repeat("?,", insertColumns-1) + "?)"
	return `INSERT INTO event_store (category, stream_id, version, event_id, type, content_type, data, time,
		correlation_id, causation_id, actor, metadata, checksum) VALUES ` + strings.Repeat(row+",", rows-1) + row
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
