package postgres_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/store"
	"github.com/jackc/pgx/v5/pgxpool"
)

// BenchmarkChecksums measures what the checksums cost: of a load of 1,000 events of
// 300 bytes, beside the same events without checksums, in turns; and of an append,
// as the time that it takes to compute them.
func BenchmarkChecksums(b *testing.B) {
	server := pgtest.Start(b, pgtest.Options{Fsync: true})
	pool, err := pgxpool.New(b.Context(), server.URL())
	if err != nil {
		b.Fatal(err)
	}
	defer pool.Close()
	s := openStore(b, pool)
	with, without := streamOf("with"), streamOf("without")
	batch := make([]store.Event, 1000)
	for i := range batch {
		batch[i] = store.Event{ID: fmt.Sprintf("0198c1f2-7a5b-7cc1-9d3e-%012d", i), Type: "product.repriced", ContentType: "application/json",
			Data: slices.Repeat([]byte("x"), 300), Time: time.Unix(1000, 0)}
	}
	for _, stream := range []store.Stream{with, without} {
		if _, err := s.Append(b.Context(), stream, store.NoStream, batch); err != nil {
			b.Fatal(err)
		}
	}
	execAll(b, pool, `
		ALTER TABLE event_store DISABLE TRIGGER event_store_append_only;
		UPDATE event_store SET checksum = NULL WHERE stream_id = 'without';
		UPDATE event_store SET checksum = checksum WHERE stream_id = 'with'; -- so that both were updated
		ALTER TABLE event_store ENABLE TRIGGER event_store_append_only`)
	execAll(b, pool, "VACUUM ANALYZE event_store")
	load := func(stream store.Stream) time.Duration {
		began := time.Now()
		if page, err := s.Read(b.Context(), stream, 0, 1000); err != nil || len(page) != 1000 {
			b.Fatalf("%d messages, error %v", len(page), err)
		}
		return time.Since(began)
	}
	ratio := func(name string, ratios []float64) {
		slices.Sort(ratios)
		for _, q := range []struct {
			name string
			at   float64
		}{{"q1", 0.25}, {"median", 0.5}, {"q3", 0.75}} {
			b.ReportMetric(ratios[int(q.at*float64(len(ratios)-1)+0.5)], name+"-"+q.name)
		}
	}
	var loads, appends []float64
	for b.Loop() {
		compared := load(with)
		loads = append(loads, compared.Seconds()/load(without).Seconds())
		began := time.Now()
		for i := range batch {
			store.Checksum(with, 0, &batch[i])
		}
		computed := time.Since(began)
		began = time.Now()
		if _, err := s.Append(b.Context(), streamOf("appended"), store.Any, batch); err != nil {
			b.Fatal(err)
		}
		appends = append(appends, computed.Seconds()/time.Since(began).Seconds())
	}
	b.ReportMetric(0, "ns/op")
	ratio("load-with-of-without", loads)
	ratio("of-append", appends)
}
