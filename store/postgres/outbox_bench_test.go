package postgres_test

import (
	"testing"
	"time"

	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/store"
)

// BenchmarkOutboxUnderHeldSnapshot publishes behind a transaction that keeps
// the server from forgetting the rows taken off the outbox.
func BenchmarkOutboxUnderHeldSnapshot(b *testing.B) {
	for name, hold := range map[string]bool{"free": false, "held": true} {
		b.Run(name, func(b *testing.B) {
			pool := pgtest.Pool(b)
			s := openStore(b, pool)
			tx := begin(b, pool)
			if hold {
				execTx(b, tx, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
				execTx(b, tx, "SELECT 1")
			}
			const n = 500
			var last time.Duration
			published, after := 0, int64(0)
			for b.Loop() {
				if _, err := s.Append(b.Context(), stream, store.Any, events(n)); err != nil {
					b.Fatal(err)
				}
				start := time.Now()
				page, next, err := s.Unpublished(b.Context(), after, n)
				if err != nil || len(page) != n {
					b.Fatal(len(page), err)
				}
				after = next
				positions := make([]int64, n)
				for i := range page {
					positions[i] = page[i].Position
				}
				if err := s.MarkPublished(b.Context(), positions, nil); err != nil {
					b.Fatal(err)
				}
				last = time.Since(start)
				published += n
			}
			b.ReportMetric(float64(last.Microseconds()), "µs/last-cycle")
			b.ReportMetric(float64(published), "published")
		})
	}
}
