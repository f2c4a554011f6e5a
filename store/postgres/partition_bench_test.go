package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/store"
)

// BenchmarkParts compares stores of the same 64,000 events in one table and in 2,
// 8 and 32 parts: appends of one event to a stream that has some in each part, and
// loads of such a stream of 100 events. The stores take turns.
func BenchmarkParts(b *testing.B) {
	server := pgtest.Start(b, pgtest.Options{Fsync: true})
	kinds := []*parted{{parts: 1}, {parts: 2}, {parts: 8}, {parts: 32}}
	for _, k := range kinds {
		k.open(b, server)
	}
	for b.Loop() {
		for range 7 {
			for _, k := range kinds {
				k.measure(b)
			}
		}
	}
	for _, k := range kinds {
		b.ReportMetric(median(k.appends), fmt.Sprintf("µs/append-in-%d", k.parts))
		b.ReportMetric(median(k.loads), fmt.Sprintf("µs/load-in-%d", k.parts))
	}
}

// parted is a store in so many parts; 1 is one that was not partitioned.
type parted struct {
	parts          int
	idKind         // its pool and store
	appends, loads []float64
}

func (p *parted) open(b *testing.B, server *pgtest.Server) {
	p.name = fmt.Sprintf("parts_%d", p.parts)
	p.idKind.open(b, server)
	const all = 64_000
	size := all / p.parts
	for from := 0; from < all; from += size {
		if p.parts > 1 {
			partition(b, p.pool, int64(size)-1)
		}
		execAll(b, p.pool, fmt.Sprintf(`
			INSERT INTO event_store (category, stream_id, version, event_id, type, content_type, data, time, correlation_id, causation_id, actor)
			SELECT 'product', i %% 640, i / 640 + 1, gen_random_uuid(), 'product.repriced', 'application/json', repeat('x', 300)::bytea, now(), '', '', ''
			FROM generate_series(%d, %d) AS i`, from, from+size-1))
	}
	for _, statement := range []string{"VACUUM ANALYZE", "CHECKPOINT"} {
		if _, err := p.pool.Exec(b.Context(), statement); err != nil {
			b.Fatal(err)
		}
	}
}

func (p *parted) measure(b *testing.B) {
	const rounds = 100
	start := time.Now()
	for i := range rounds {
		if _, err := p.store.Append(b.Context(), streamOf(fmt.Sprint(i)), store.Any, events(1)); err != nil {
			b.Fatal(err)
		}
	}
	p.appends = append(p.appends, perCall(start, rounds))
	start = time.Now()
	for i := range rounds {
		page, err := p.store.Read(b.Context(), streamOf(fmt.Sprint(300+i)), 0, 1000)
		if err != nil || len(page) != 100 {
			b.Fatal(len(page), err)
		}
	}
	p.loads = append(p.loads, perCall(start, rounds))
}

func perCall(start time.Time, calls int) float64 {
	return float64(time.Since(start).Microseconds()) / float64(calls)
}
