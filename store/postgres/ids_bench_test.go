package postgres_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/postgres"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
)

// BenchmarkStreamIDs appends to new streams of two stores that grow side by side:
// in one the ids of streams begin with the time (UUIDv7), in the other they are
// random (UUIDv4). EVENTUS_BENCH_EVENTS is how far they grow, 10,000 events by
// default; docs/growth.md has the figures of a million.
func BenchmarkStreamIDs(b *testing.B) {
	const rounds = 10
	largest := 10_000
	if n, err := strconv.Atoi(os.Getenv("EVENTUS_BENCH_EVENTS")); err == nil {
		largest = n
	}
	server := pgtest.Start(b, pgtest.Options{Fsync: true})
	kinds := []*idKind{
		// A filled store has ids from the year before, in the order of time.
		{name: "ordered", filled: `lpad(to_hex(1730000000000 + i), 12, '0') || '7' || substr(md5(i::text), 14)`, next: func() string { return uuid.Must(uuid.NewV7()).String() }},
		{name: "random", filled: `md5(i::text)`, next: uuid.NewString},
	}
	for _, k := range kinds {
		k.open(b, server)
	}
	for b.Loop() {
		for size := largest / 100; size <= largest; size *= 10 {
			for _, k := range kinds {
				k.fill(b, size)
			}
			for round := range rounds { // interleaved, since the machine has other work too
				for i := range kinds {
					kinds[(i+round)%2].measure(b)
				}
			}
			ratios := make([]float64, 0, rounds)
			for round := range rounds {
				ratios = append(ratios, kinds[1].rates[round]/kinds[0].rates[round])
			}
			b.ReportMetric(median(kinds[0].rates), fmt.Sprintf("appends/s-ordered-at-%d", size))
			b.ReportMetric(median(ratios), fmt.Sprintf("random/ordered-at-%d", size))
			for _, k := range kinds {
				b.ReportMetric(median(k.wal), fmt.Sprintf("WAL-B/append-%s-at-%d", k.name, size))
			}
		}
	}
}

// idKind is a store with one kind of stream ids.
type idKind struct {
	name, filled string
	next         func() string
	pool         *pgxpool.Pool
	store        *postgres.Store
	rates        []float64 // of this size
	wal          []float64 // bytes that an append wrote
}

func (k *idKind) open(b *testing.B, server *pgtest.Server) {
	pool, err := pgxpool.New(b.Context(), server.URL()+"&search_path="+k.name)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	execAll(b, pool, "CREATE SCHEMA "+k.name)
	k.pool, k.store = pool, openStore(b, pool)
}

// fill adds streams of ten events until there are so many events.
func (k *idKind) fill(b *testing.B, events int) {
	k.rates, k.wal = nil, nil
	execAll(b, k.pool, fmt.Sprintf(`
		INSERT INTO event_store (category, stream_id, version, event_id, type, content_type, data, time, correlation_id, causation_id, actor)
		SELECT 'product', %s, v, gen_random_uuid(), 'product.repriced', 'application/json', repeat('x', 300)::bytea, now(), '', '', ''
		FROM generate_series((SELECT count(*) FROM event_store) / 10, %d / 10 - 1) AS i, generate_series(1, 10) AS v`, k.filled, events))
	execAll(b, k.pool, "TRUNCATE outbox")
	if _, err := k.pool.Exec(b.Context(), "VACUUM ANALYZE event_store"); err != nil {
		b.Fatal(err)
	}
	execAll(b, k.pool, "CHECKPOINT")
}

// measure has 16 writers append to new streams for half a second.
func (k *idKind) measure(b *testing.B) {
	const writers = 16
	event := store.Event{ID: "e", Type: "product.repriced", ContentType: "application/json", Data: []byte(strings.Repeat("x", 300)), Time: time.Now()}
	var done sync.WaitGroup
	counts := make([]int, writers)
	before := k.written(b)
	start := time.Now()
	for w := range writers {
		done.Go(func() {
			for time.Since(start) < 500*time.Millisecond {
				if _, err := k.store.Append(b.Context(), streamOf(k.next()), store.NoStream, []store.Event{event}); err != nil {
					b.Error(err)
					return
				}
				counts[w]++
			}
		})
	}
	done.Wait()
	total := 0
	for _, n := range counts {
		total += n
	}
	k.rates = append(k.rates, float64(total)/time.Since(start).Seconds())
	k.wal = append(k.wal, (k.written(b)-before)/float64(total))
}

// written is the length of the write-ahead log.
func (k *idKind) written(b *testing.B) (bytes float64) {
	if err := k.pool.QueryRow(b.Context(), "SELECT pg_current_wal_insert_lsn() - '0/0'").Scan(&bytes); err != nil {
		b.Fatal(err)
	}
	return bytes
}

func median(figures []float64) float64 {
	figures = slices.Sorted(slices.Values(figures))
	return figures[len(figures)/2]
}
