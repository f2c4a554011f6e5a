package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/eventus-go/eventus/store"
	"github.com/jackc/pgx/v5"
)

// sendTimeout ends a combined append that neither commits nor fails. Nobody in it
// waits for a lock of the store, so that only a server in trouble needs it.
const sendTimeout = 30 * time.Second

// Append implements [store.Store].
//
// It is part of one statement together with other appends of this value that
// come at the same time. An append whose context ends before that statement is
// sent is not written; one that is already in it waits for its outcome.
func (s *Store) Append(ctx context.Context, stream store.Stream, expected store.Expected, events []store.Event) (int64, error) {
	if err := store.Check(stream, expected, events); err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	r := &request{stream: stream, expected: expected, events: events, done: make(chan struct{})}
	s.queue.add(r)
	select {
	case s.senders <- struct{}{}:
		s.lead(ctx, r)
		<-r.done
	case <-r.done:
	case <-ctx.Done():
		if s.queue.remove(r) {
			return 0, ctx.Err()
		}
		<-r.done
	}
	if r.alone {
		s.appendAlone(ctx, r)
	}
	return r.version, r.err
}

// lead sends what waits until own is done or another sender has it. It is called
// with a place among the senders and gives it back.
func (s *Store) lead(ctx context.Context, own *request) {
	defer func() { <-s.senders }()
	if ctx.Err() != nil && s.queue.remove(own) {
		own.err = ctx.Err()
		close(own.done)
		return
	}
	for !own.isDone() {
		batch := s.queue.take()
		if len(batch) == 0 {
			return
		}
		s.send(ctx, own, batch)
	}
}

// send writes a batch in one statement and tells each request its result. What
// cannot be decided there, because somebody else is appending to the same stream
// or because the statement failed on another request of the batch, is left to
// its caller to append alone.
func (s *Store) send(ctx context.Context, own *request, batch []*request) {
	err := errors.New("the append was abandoned by a panic")
	defer func() {
		for _, r := range batch {
			switch {
			case err == nil:
			case sqlState(err) != "" && !isLost(err):
				r.alone = true // the server has refused the whole and written nothing
			default:
				r.version, r.err = 0, err
			}
			close(r.done)
		}
	}()
	if len(batch) > 1 || batch[0] != own {
		// The others' appends must not hang on this one's context.
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), sendTimeout)
		defer cancel()
	}
	if err = s.appendTo(ctx, s.pool, false, batch); err != nil {
		return
	}
	for _, r := range batch {
		if !r.alone && r.err == nil {
			s.wake()
			return
		}
	}
}

// tries bounds how often an append is sent again after the server has refused it
// for a race that the locks cannot decide, since the snapshot is older than they
// are. That needs a default_transaction_isolation above read committed.
const tries = 20

// appendAlone appends r in a statement of its own, which waits for other
// appenders of the stream.
func (s *Store) appendAlone(ctx context.Context, r *request) {
	select {
	case s.waiters <- struct{}{}:
		defer func() { <-s.waiters }()
	case <-ctx.Done():
		r.version, r.err = 0, ctx.Err()
		return
	}
	var err error
	for range tries {
		r.alone, r.err = false, nil
		if err = s.appendTo(ctx, s.pool, true, []*request{r}); err == nil {
			if r.err == nil {
				s.wake()
			}
			return
		}
		if !isRace(err) {
			break
		}
	}
	r.version, r.err = 0, s.conflict(ctx, s.pool, r, err)
}

const appendSQL = `SELECT {schema}.append_events($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`

const appendOneSQL = `SELECT {schema}.append_event($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`

// appendOne is appendTo for one event.
func (s *Store) appendOne(ctx context.Context, db querier, wait bool, r *request) error {
	e := &r.events[0]
	fields, err := fieldsJSON(e)
	if err != nil {
		return err
	}
	var found *int64
	err = db.QueryRow(ctx, s.statements.appendOne, int32(logLock), s.schemaKey, wait, r.stream.Category, r.stream.ID, int64(r.expected),
		e.ID, e.Type, e.ContentType, bytea(e.Data), timestamp(e.Time),
		e.Metadata.CorrelationID, e.Metadata.CausationID, e.Metadata.Actor, fields).Scan(&found)
	if err != nil {
		return fmt.Errorf("append: %w", err)
	}
	settle([]*request{r}, []*int64{found})
	return nil
}

// appendTo writes a batch and sets the results, unless it returns an error.
func (s *Store) appendTo(ctx context.Context, db querier, wait bool, batch []*request) error {
	if len(batch) == 1 && len(batch[0].events) == 1 {
		return s.appendOne(ctx, db, wait, batch[0])
	}
	args, err := s.appendArgs(wait, batch)
	if err != nil {
		return err
	}
	var found []*int64
	if err := db.QueryRow(ctx, s.statements.append, args...).Scan(&found); err != nil {
		return fmt.Errorf("append: %w", err)
	}
	settle(batch, found)
	return nil
}

// settle sets the results by the versions that append_events has found.
func settle(batch []*request, found []*int64) {
	for i, r := range batch {
		switch {
		case found[i] == nil:
			r.alone = true
		case r.expected != store.Any && int64(r.expected) != *found[i]:
			r.err = &store.ConflictError{Stream: r.stream, Expected: r.expected, Actual: *found[i]}
		default:
			r.version = *found[i] + int64(len(r.events))
		}
	}
}

// appendArgs returns the arguments of append_events.
func (s *Store) appendArgs(wait bool, batch []*request) ([]any, error) {
	n := 0
	for _, r := range batch {
		n += len(r.events)
	}
	var (
		categories, streamIDs = make([]string, len(batch)), make([]string, len(batch))
		expected              = make([]int64, len(batch))
		streams, places       = make([]int32, 0, n), make([]int32, 0, n)
		ids, types, contents  = make([]string, 0, n), make([]string, 0, n), make([]string, 0, n)
		datas                 = make([][]byte, 0, n)
		times                 = make([]time.Time, 0, n)
		correlations, causes  = make([]string, 0, n), make([]string, 0, n)
		actors, metadatas     = make([]string, 0, n), make([]string, 0, n)
	)
	for i, r := range batch {
		categories[i], streamIDs[i], expected[i] = r.stream.Category, r.stream.ID, int64(r.expected)
		for j := range r.events {
			e := &r.events[j]
			fields, err := fieldsJSON(e)
			if err != nil {
				return nil, err
			}
			streams, places = append(streams, int32(i+1)), append(places, int32(j+1))
			ids, types, contents = append(ids, e.ID), append(types, e.Type), append(contents, e.ContentType)
			datas, times = append(datas, bytea(e.Data)), append(times, timestamp(e.Time))
			correlations, causes = append(correlations, e.Metadata.CorrelationID), append(causes, e.Metadata.CausationID)
			actors, metadatas = append(actors, e.Metadata.Actor), append(metadatas, fields)
		}
	}
	return []any{
		int32(logLock), s.schemaKey, wait, categories, streamIDs, expected, streams, places,
		ids, types, contents, datas, times, correlations, causes, actors, metadatas,
	}, nil
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
