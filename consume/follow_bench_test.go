package consume_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/postgres"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// The benchmarks compare a follower with the least that any projection must do:
// the same upserts by bare pgx, in transactions of the same size, without the
// log that they come from. They run on PostgreSQL with fsync on, in short slices
// that take turns, and report the median ratio with its quartiles: 1 is the
// limit of the database.

const upsertSQL = `INSERT INTO %s AS v (id, total, version) VALUES ($1, $2, $3)
ON CONFLICT (id) DO UPDATE SET total = v.total + excluded.total, version = excluded.version`

// logSize returns EVENTUS_EVENTS, the number of events of a log, or the default.
func logSize(events int) int {
	if n, err := strconv.Atoi(os.Getenv("EVENTUS_EVENTS")); err == nil {
		return n
	}
	return events
}

type rates struct {
	pool   *pgxpool.Pool
	store  *postgres.Store
	slice  int // events
	names  int
	upsert string
	bare   string
	loaded []eventus.Message[bumpEvent]
}

func newRates(b *testing.B, events, streams int) *rates {
	b.Helper()
	server := pgtest.Start(b, pgtest.Options{Fsync: true})
	pool, err := pgxpool.New(b.Context(), server.URL())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	if err := postgres.Migrate(b.Context(), pool, postgres.Config{}); err != nil {
		b.Fatal(err)
	}
	s, err := postgres.Open(b.Context(), pool, postgres.Config{})
	if err != nil {
		b.Fatal(err)
	}
	r := &rates{pool: pool, store: s, slice: events, upsert: fmt.Sprintf(upsertSQL, "followed"), bare: fmt.Sprintf(upsertSQL, "bare")}
	for _, table := range []string{"followed", "bare"} {
		if _, err := pool.Exec(b.Context(), `CREATE TABLE `+table+` (id text PRIMARY KEY, total bigint NOT NULL, version bigint NOT NULL) WITH (fillfactor = 50)`); err != nil {
			b.Fatal(err)
		}
	}
	r.fill(b, events, streams)
	return r
}

// fill appends events to streams in turn.
func (r *rates) fill(b *testing.B, events, streams int) {
	b.Helper()
	rounds := events / streams
	for i := range streams {
		for done := 0; done < rounds; {
			n := min(1000, rounds-done)
			batch := make([]store.Event, n)
			for j := range batch {
				e, err := bumps.Encode(bumped{1})
				if err != nil {
					b.Fatal(err)
				}
				e.ID, e.Time = fmt.Sprintf("%d-%d", i, done+j), time.Now()
				batch[j] = e
			}
			if _, err := r.store.Append(b.Context(), bumps.Stream(fmt.Sprint("stream-", i)), store.Any, batch); err != nil {
				b.Fatal(err)
			}
			done += n
		}
	}
	for after := int64(0); ; {
		page, err := r.store.ReadAll(b.Context(), after, 1000)
		if err != nil {
			b.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, m := range page {
			typed, _, err := bumps.Decode(m)
			if err != nil {
				b.Fatal(err)
			}
			r.loaded = append(r.loaded, typed)
		}
		after = page[len(page)-1].Position
	}
}

func (r *rates) one(ctx context.Context, tx pgx.Tx, m eventus.Message[bumpEvent]) error {
	_, err := tx.Exec(ctx, r.upsert, m.Stream.ID, m.Event.(bumped).N, m.Version)
	return err
}

func (r *rates) many(ctx context.Context, tx pgx.Tx, messages []eventus.Message[bumpEvent]) error {
	batch := &pgx.Batch{}
	for _, m := range messages {
		batch.Queue(r.upsert, m.Stream.ID, m.Event.(bumped).N, m.Version)
	}
	return tx.SendBatch(ctx, batch).Close()
}

// follow runs a new consumer through the whole log.
func (r *rates) follow(b *testing.B, route consume.Route[pgx.Tx]) time.Duration {
	b.Helper()
	r.names++
	f := consume.Follow(fmt.Sprint("rates-", r.names), r.store, consume.Config{}, route)
	ctx, stop := context.WithCancel(b.Context())
	done := make(chan error, 1)
	last := r.loaded[len(r.loaded)-1]
	started := time.Now()
	go func() { done <- f.Run(ctx) }()
	for f.Wait(ctx, last.Stream, last.Version) != nil {
	}
	took := time.Since(started)
	stop()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	return took
}

// bareRun does the upserts without a log.
func (r *rates) bareRun(b *testing.B, size int, write func(ctx context.Context, tx pgx.Tx, chunk []eventus.Message[bumpEvent]) error) time.Duration {
	b.Helper()
	started := time.Now()
	for chunk := range slices.Chunk(r.loaded, size) {
		if err := pgx.BeginFunc(b.Context(), r.pool, func(tx pgx.Tx) error { return write(b.Context(), tx, chunk) }); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(started)
}

func reportRatio(b *testing.B, name string, ratios []float64) {
	slices.Sort(ratios)
	at := func(q float64) float64 { return ratios[int(q*float64(len(ratios)-1)+0.5)] }
	b.ReportMetric(at(0.25), name+"-q1")
	b.ReportMetric(at(0.5), name+"-median")
	b.ReportMetric(at(0.75), name+"-q3")
	b.ReportMetric(0, "ns/op")
}

const batchSize = 256 // the default of Config.BatchSize

func BenchmarkOnBatchOfPipelinedUpserts(b *testing.B) {
	r := newRates(b, logSize(20_000), 1000)
	var ratios []float64
	perSecond := 0.0
	for b.Loop() {
		followed := r.follow(b, consume.OnBatch(bumps, r.many))
		bare := r.bareRun(b, batchSize, func(ctx context.Context, tx pgx.Tx, chunk []eventus.Message[bumpEvent]) error {
			batch := &pgx.Batch{}
			for _, m := range chunk {
				batch.Queue(r.bare, m.Stream.ID, m.Event.(bumped).N, m.Version)
			}
			return tx.SendBatch(ctx, batch).Close()
		})
		ratios = append(ratios, bare.Seconds()/followed.Seconds())
		perSecond = float64(r.slice) / followed.Seconds()
	}
	b.ReportMetric(perSecond, "events/s")
	reportRatio(b, "of-bare", ratios)
}

func BenchmarkOnOfSingleUpserts(b *testing.B) {
	r := newRates(b, logSize(10_000), 1000)
	var ratios []float64
	perSecond := 0.0
	for b.Loop() {
		followed := r.follow(b, consume.On(bumps, r.one))
		bare := r.bareRun(b, batchSize, func(ctx context.Context, tx pgx.Tx, chunk []eventus.Message[bumpEvent]) error {
			for _, m := range chunk {
				if _, err := tx.Exec(ctx, r.bare, m.Stream.ID, m.Event.(bumped).N, m.Version); err != nil {
					return err
				}
			}
			return nil
		})
		ratios = append(ratios, bare.Seconds()/followed.Seconds())
		perSecond = float64(r.slice) / followed.Seconds()
	}
	b.ReportMetric(perSecond, "events/s")
	reportRatio(b, "of-bare", ratios)
}
