package main

import (
	"context"
	"fmt"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/store"
	"github.com/goccy/go-json"
	"github.com/jackc/pgx/v5/pgxpool"
)

func loadFigures() []figure {
	return []figure{
		{
			name:    "load/1000",
			title:   "Load of 1,000 events",
			unit:    "events/s",
			ofLimit: 1,
			ofPeer:  3,
			open: func(ctx context.Context, l *lab) ([]contender, error) {
				s, pool, err := l.postgres(ctx, 4)
				if err != nil {
					return nil, err
				}
				id, err := saveOrder(ctx, eventus.NewRepository(s, orders), batch)
				if err != nil {
					return nil, err
				}
				if err := settle(ctx, pool); err != nil {
					return nil, err
				}
				goes, err := openGoesLoad(ctx, l)
				if err != nil {
					return nil, err
				}
				return []contender{
					{name: "Eventus", role: ours, measure: rate(1, batch, loader(eventus.NewRepository(s, orders), id))},
					{name: "bare pgx, 13 columns", role: limit, note: "JSON that is not strict, no checksum", measure: rate(1, batch, bareLoader(pool, id))},
					goes,
				}, nil
			},
		},
		{
			name:    "load/snapshot",
			title:   "Load of a long stream with a snapshot, of a load of 100 events",
			unit:    "loads/s",
			ofLimit: 1,
			open: func(ctx context.Context, l *lab) ([]contender, error) {
				return longStream(ctx, l)
			},
		},
	}
}

// saveOrder saves a new aggregate with a number of events, a batch at a time.
func saveOrder(ctx context.Context, r *eventus.Repository[*order], events int) (id string, err error) {
	a := r.New(newID())
	for n := range events {
		_ = a.add(n)
		if a.Version()%batch == 0 || n == events-1 {
			if err := r.Save(ctx, a); err != nil {
				return "", err
			}
		}
	}
	return a.ID(), nil
}

func loader(r *eventus.Repository[*order], id string) func(context.Context, int) error {
	return func(ctx context.Context, _ int) error {
		_, err := r.Load(ctx, id)
		return err
	}
}

const bareSelect = `
SELECT position, category, stream_id, version, event_id, type, content_type, data, time, correlation_id, causation_id, actor, metadata
FROM event_store WHERE category = $1 AND stream_id = $2 ORDER BY version`

// bareLoader reads all columns of the same table and applies the events.
func bareLoader(pool *pgxpool.Pool, id string) func(context.Context, int) error {
	return func(ctx context.Context, _ int) error {
		rows, err := pool.Query(ctx, bareSelect, category, id)
		if err != nil {
			return err
		}
		defer rows.Close()
		var s state
		var m store.Message
		var metadata []byte
		for rows.Next() {
			if err := rows.Scan(&m.Position, &m.Stream.Category, &m.Stream.ID, &m.Version, &m.ID, &m.Type, &m.ContentType, &m.Data, &m.Time,
				&m.Metadata.CorrelationID, &m.Metadata.CausationID, &m.Metadata.Actor, &metadata); err != nil {
				return err
			}
			var e ordered
			if err := json.Unmarshal(m.Data, &e); err != nil {
				return err
			}
			e.Apply(&s)
		}
		if err := rows.Err(); err != nil {
			return err
		}
		return wantCount(s.Count)
	}
}

// longStream compares a load of a long stream, which has a snapshot at its end, with
// a load of 100 events without one.
func longStream(ctx context.Context, l *lab) ([]contender, error) {
	s, pool, err := l.postgres(ctx, 4)
	if err != nil {
		return nil, err
	}
	plain := eventus.NewRepository(s, orders)
	short, err := saveOrder(ctx, plain, 100)
	if err != nil {
		return nil, err
	}
	snapshots := eventus.NewRepository(s, orders, eventus.WithSnapshotEvery(100))
	long, err := saveOrder(ctx, snapshots, l.long)
	if err != nil {
		return nil, err
	}
	if err := settle(ctx, pool); err != nil {
		return nil, err
	}
	return []contender{
		{name: fmt.Sprintf("%d events, snapshot", l.long), role: ours, measure: rate(1, 1, loader(snapshots, long))},
		{name: "100 events", role: limit, note: "Eventus without snapshots", measure: rate(1, 1, loader(plain, short))},
	}, nil
}

// wantCount returns an error for a load that missed events.
func wantCount(got int) error {
	if got != batch {
		return fmt.Errorf("loaded %d events, want %d", got, batch)
	}
	return nil
}
