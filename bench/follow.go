package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/postgres"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	followed     = 10_000 // events of the log
	followedEach = 10     // events of a stream
	followBatch  = 256    // the default of consume.Config.BatchSize
)

func followFigures() []figure {
	return []figure{
		{
			name:  "follow/batch",
			title: "Projection of a log, OnBatch with pipelined upserts",
			unit:  "events/s",
			open: func(ctx context.Context, l *lab) ([]contender, error) {
				return openFollow(ctx, l, func(v *view) consume.Route[pgx.Tx] { return consume.OnBatch(orders, v.many) }, (*view).many)
			},
		},
		{
			name:  "follow/single",
			title: "Projection of a log, On with one upsert for each event",
			unit:  "events/s",
			open: func(ctx context.Context, l *lab) ([]contender, error) {
				return openFollow(ctx, l, func(v *view) consume.Route[pgx.Tx] { return consume.On(orders, v.one) }, (*view).oneByOne)
			},
		},
		{
			name:    "follow/latency",
			title:   "From the commit to the view, at rest",
			unit:    "ms",
			latency: true,
			open:    openLatency,
		},
	}
}

// view is a read model in a table of its own.
type view struct{ upsert string }

func newView(ctx context.Context, pool *pgxpool.Pool, table string) (*view, error) {
	_, err := pool.Exec(ctx, `CREATE TABLE `+table+` (id text PRIMARY KEY, total bigint NOT NULL, version bigint NOT NULL) WITH (fillfactor = 50)`)
	return &view{`INSERT INTO ` + table + ` AS v (id, total, version) VALUES ($1, $2, $3)
ON CONFLICT (id) DO UPDATE SET total = v.total + excluded.total, version = excluded.version`}, err
}

type orderMessage = eventus.Message[event]

func (v *view) one(ctx context.Context, tx pgx.Tx, m orderMessage) error {
	_, err := tx.Exec(ctx, v.upsert, m.Stream.ID, m.Event.(ordered).Amount, m.Version)
	return err
}

func (v *view) oneByOne(ctx context.Context, tx pgx.Tx, messages []orderMessage) error {
	for _, m := range messages {
		if err := v.one(ctx, tx, m); err != nil {
			return err
		}
	}
	return nil
}

func (v *view) many(ctx context.Context, tx pgx.Tx, messages []orderMessage) error {
	batch := &pgx.Batch{}
	for _, m := range messages {
		batch.Queue(v.upsert, m.Stream.ID, m.Event.(ordered).Amount, m.Version)
	}
	return tx.SendBatch(ctx, batch).Close()
}

// openFollow compares a new follower, which reads the whole log, with the same
// upserts from memory in transactions of the same size.
func openFollow(ctx context.Context, l *lab, route func(*view) consume.Route[pgx.Tx], write func(v *view, ctx context.Context, tx pgx.Tx, messages []orderMessage) error) ([]contender, error) {
	s, pool, err := l.postgres(ctx, 8)
	if err != nil {
		return nil, err
	}
	log, err := fillLog(ctx, s)
	if err != nil {
		return nil, err
	}
	if err := settle(ctx, pool); err != nil {
		return nil, err
	}
	ofFollower, err := newView(ctx, pool, "followed")
	if err != nil {
		return nil, err
	}
	bare, err := newView(ctx, pool, "bare")
	if err != nil {
		return nil, err
	}
	return []contender{
		{name: "Eventus", role: ours, measure: batches(followed, func(ctx context.Context) (time.Duration, error) {
			f := consume.Follow(l.name(), s, consume.Config{}, route(ofFollower))
			return untilSeen(ctx, f, log[len(log)-1])
		})},
		{name: "bare pgx", role: limit, note: "from memory: reads no log, keeps no position", measure: batches(followed, func(ctx context.Context) (time.Duration, error) {
			start := time.Now()
			for chunk := range slices.Chunk(log, followBatch) {
				if err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { return write(bare, ctx, tx, chunk) }); err != nil {
					return 0, err
				}
			}
			return time.Since(start), nil
		})},
	}, nil
}

// fillLog appends events and returns them.
func fillLog(ctx context.Context, s *postgres.Store) ([]orderMessage, error) {
	repo := eventus.NewRepository(s, orders)
	err := seed(1, followed/followedEach, func() error {
		_, err := saveOrder(ctx, repo, followedEach)
		return err
	})
	if err != nil {
		return nil, err
	}
	page, err := s.ReadAll(ctx, 0, followed)
	if err != nil {
		return nil, err
	}
	log := make([]orderMessage, len(page))
	for i, m := range page {
		if log[i], _, err = orders.Decode(m); err != nil {
			return nil, err
		}
	}
	return log, nil
}

// untilSeen runs a follower until it has handled an event.
func untilSeen(ctx context.Context, f *consume.Follower[pgx.Tx], last orderMessage) (time.Duration, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	start := time.Now()
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	if err := awaitSeen(ctx, f, ended, last.Stream, last.Version); err != nil {
		return 0, err
	}
	took := time.Since(start)
	stop()
	return took, <-ended
}

// awaitSeen waits for an event. Wait fails until Run has registered the follower.
func awaitSeen(ctx context.Context, f *consume.Follower[pgx.Tx], ended <-chan error, s store.Stream, version int64) error {
	for f.Wait(ctx, s, version) != nil {
		select {
		case err := <-ended:
			return fmt.Errorf("the follower has ended: %w", err)
		case <-time.After(time.Millisecond):
		}
	}
	return nil
}
