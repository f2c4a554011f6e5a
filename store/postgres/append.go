package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/eventus-go/eventus/internal/combine"
	"github.com/eventus-go/eventus/store"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// The server writes one statement of this size in some milliseconds, and a link
	// of 1 MB a second carries it in time.
	maxStreams = 256 // and so the locks of one statement
	maxEvents  = 1000
	maxBytes   = 4 << 20

	// writeTimeout ends an append that neither commits nor fails. Nobody in it waits
	// for a stream, so that only a server in trouble needs it.
	writeTimeout = 30 * time.Second
	// writePatience is when the next append starts beside one that takes longer.
	writePatience = 250 * time.Millisecond
	// longestBusy is how long an append waits for an open transaction that has
	// appended to its stream.
	longestBusy = 30 * time.Second
)

func (s *Store) newQueue() *combine.Queue {
	return combine.New(combine.Config{
		MaxStreams: maxStreams, MaxEvents: maxEvents, MaxBytes: maxBytes,
		MaxWrites: int(max(2, s.pool.Config().MaxConns/2)),
		Timeout:   writeTimeout, Patience: writePatience, MaxWait: longestBusy,
		Write: s.write, Refused: refused, Divide: divides,
	})
}

// Append implements [store.Store].
//
// It is part of one statement together with other appends of this value that
// come at the same time. An append whose context ends before that statement is
// sent is not written. One that is in a statement then waits two seconds for the
// outcome; after that, its error is a [store.ErrOutcomeUnknown].
//
// While an open transaction of somebody else has appended to the stream, Append
// waits for its end, 30 seconds at most, and then returns a [*store.BusyError].
// With the context of a running [Store.InTx] that has appended to the stream
// itself, it fails at once: append through [Store.WithTx] there.
func (s *Store) Append(ctx context.Context, stream store.Stream, expected store.Expected, events []store.Event) (int64, error) {
	if err := store.CheckAppend(stream, expected, events); err != nil {
		return 0, err
	}
	if err := s.checkOutside(ctx, stream); err != nil {
		return 0, err
	}
	return s.queue.Append(ctx, stream, expected, events)
}

// unsentError is the error of an append that was not sent to the server.
type unsentError struct{ err error }

func (e *unsentError) Error() string { return e.err.Error() }
func (e *unsentError) Unwrap() error { return e.err }

// refused reports whether an append that failed has certainly written nothing.
func refused(err error) bool {
	var unsent *unsentError
	return errors.As(err, &unsent) || errors.Is(err, store.ErrConflict) || sqlState(err) != "" && !isLost(err)
}

// divides reports whether the server may take a part of what it has refused: the
// refusal may be of one append, or there was no room for so many locks.
func divides(err error) bool { return !isTransient(err) || sqlState(err) == outOfMemory }

// write writes groups in one statement. What is committed then wakes readers.
func (s *Store) write(ctx context.Context, groups []*combine.Group) error {
	var err error
	for range tries {
		if err = s.send(ctx, groups); err == nil {
			if slices.ContainsFunc(groups, (*combine.Group).Written) {
				s.wake()
			}
			return nil
		}
		if !isRace(err) && !pgconn.SafeToRetry(err) {
			break
		}
	}
	if len(groups) == 1 && isRace(err) {
		return s.lost(ctx, s.pool, groups[0], err)
	}
	return err
}

func (s *Store) send(ctx context.Context, groups []*combine.Group) error {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return &unsentError{fmt.Errorf("append: %w", err)}
	}
	defer conn.Release()
	err = s.appendTo(ctx, conn, false, groups)
	if pgconn.SafeToRetry(err) {
		return &unsentError{err}
	}
	return err
}

// tries bounds how often an append is sent again: over a connection that was dead
// before, or after the server has refused it for a race that the locks cannot
// decide, since the snapshot is older than they are. That needs a
// default_transaction_isolation above read committed.
const tries = 20

const (
	appendEventSQL  = `SELECT {schema}.append_event($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`
	appendStreamSQL = `SELECT {schema}.append_stream($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`
	appendEventsSQL = `SELECT {schema}.append_events($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)`
)

// appendTo writes groups and tells them what was found. Only a single one can
// wait for its stream.
func (s *Store) appendTo(ctx context.Context, db querier, wait bool, groups []*combine.Group) error {
	if len(groups) > 1 {
		var found []*int64
		args, err := s.manyArgs(groups)
		if err == nil {
			err = db.QueryRow(ctx, s.statements.appendEvents, args...).Scan(&found)
		}
		if err != nil {
			return fmt.Errorf("append: %w", s.damaged(err))
		}
		for i, g := range groups {
			answer(g, found[i])
		}
		return nil
	}
	var found *int64
	query, args, err := s.oneArgs(wait, groups[0])
	if err == nil {
		err = db.QueryRow(ctx, query, args...).Scan(&found)
	}
	if err != nil {
		return fmt.Errorf("append: %w", s.damaged(err))
	}
	answer(groups[0], found)
	return nil
}

func answer(g *combine.Group, found *int64) {
	if found == nil {
		g.Busy()
		return
	}
	g.Found(*found)
}

// oneArgs returns the statement for events of one stream, with its arguments.
func (s *Store) oneArgs(wait bool, g *combine.Group) (query string, args []any, err error) {
	args = []any{int32(logLock), s.schemaKey, wait, g.Stream.Category, g.Stream.ID, g.Expected.Version}
	if len(g.Events) == 1 {
		e := &g.Events[0]
		fields, err := fieldsJSON(e)
		return s.statements.appendEvent, append(args, e.ID, e.Type, e.ContentType, bytea(e.Data), timestamp(e.Time),
			e.Metadata.CorrelationID, e.Metadata.CausationID, e.Metadata.Actor, fields, store.Checksum(g.Stream, 0, e)), err
	}
	c := newColumns(len(g.Events))
	err = c.add(g.Stream, g.Events)
	return s.statements.appendStream, append(args, c.args()...), err
}

// manyArgs returns the arguments of append_events.
func (s *Store) manyArgs(groups []*combine.Group) ([]any, error) {
	n := 0
	for _, g := range groups {
		n += len(g.Events)
	}
	var (
		categories, streamIDs = make([]string, len(groups)), make([]string, len(groups))
		expected              = make([]int64, len(groups))
		sizes                 = make([]int32, len(groups))
		firsts, lasts         = make([]string, len(groups)), make([]string, len(groups))
		streams, places       = make([]int32, 0, n), make([]int32, 0, n)
		c                     = newColumns(n)
	)
	for i, g := range groups {
		categories[i], streamIDs[i], expected[i] = g.Stream.Category, g.Stream.ID, g.Expected.Version
		sizes[i], firsts[i], lasts[i] = int32(len(g.Events)), g.Events[0].ID, g.Events[len(g.Events)-1].ID
		for j := range g.Events {
			streams, places = append(streams, int32(i+1)), append(places, int32(j+1))
		}
		if err := c.add(g.Stream, g.Events); err != nil {
			return nil, err
		}
	}
	return append([]any{int32(logLock), s.schemaKey, categories, streamIDs, expected, sizes, firsts, lasts, streams, places}, c.args()...), nil
}

// columns are the events of an append, column by column.
type columns struct {
	ids, types, contentTypes                   []string
	datas                                      [][]byte
	times                                      []time.Time
	correlationIDs, causationIDs, actors, more []string
	checksums                                  []int32
}

func newColumns(n int) *columns {
	text := make([]string, 7*n)
	part := func(i int) []string { return text[i*n : i*n : (i+1)*n] }
	return &columns{
		ids: part(0), types: part(1), contentTypes: part(2), correlationIDs: part(3), causationIDs: part(4), actors: part(5), more: part(6),
		datas: make([][]byte, 0, n), times: make([]time.Time, 0, n), checksums: make([]int32, 0, n),
	}
}

func (c *columns) add(s store.Stream, events []store.Event) error {
	for i := range events {
		e := &events[i]
		fields, err := fieldsJSON(e)
		if err != nil {
			return err
		}
		c.ids, c.types, c.contentTypes = append(c.ids, e.ID), append(c.types, e.Type), append(c.contentTypes, e.ContentType)
		c.datas, c.times = append(c.datas, bytea(e.Data)), append(c.times, timestamp(e.Time))
		c.correlationIDs, c.causationIDs = append(c.correlationIDs, e.Metadata.CorrelationID), append(c.causationIDs, e.Metadata.CausationID)
		c.actors, c.more = append(c.actors, e.Metadata.Actor), append(c.more, fields)
		c.checksums = append(c.checksums, store.Checksum(s, 0, e))
	}
	return nil
}

func (c *columns) args() []any {
	return []any{c.ids, c.types, c.contentTypes, c.datas, c.times, c.correlationIDs, c.causationIDs, c.actors, c.more, c.checksums}
}

const versionSQL = `
SELECT version FROM {schema}.event_store
WHERE category = $1 AND stream_id = $2
ORDER BY version DESC LIMIT 1`

func (s *Store) version(ctx context.Context, db querier, stream store.Stream) (version int64, err error) {
	err = db.QueryRow(ctx, s.statements.version, stream.Category, stream.ID).Scan(&version)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	return version, err
}
