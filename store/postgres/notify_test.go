package postgres_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/jackc/pgx/v5/pgxpool"
)

// BenchmarkNotify measures what it would cost to wake relays of other processes
// by NOTIFY within the appending transaction: 16 writers insert a row each, with
// and without, on a server that keeps fsync on.
func BenchmarkNotify(b *testing.B) {
	server := pgtest.Start(b, pgtest.Options{Fsync: true})
	config, err := pgxpool.ParseConfig(server.URL())
	if err != nil {
		b.Fatal(err)
	}
	const writers, rows = 16, 100
	config.MaxConns = writers
	pool, err := pgxpool.NewWithConfig(b.Context(), config)
	if err != nil {
		b.Fatal(err)
	}
	defer pool.Close()
	if _, err := pool.Exec(b.Context(), `CREATE TABLE bare (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, data text)`); err != nil {
		b.Fatal(err)
	}
	// In turns, so that all see the same machine.
	statements := []string{
		`INSERT INTO bare (data) VALUES ($1)`,
		`WITH row AS (INSERT INTO bare (data) VALUES ($1) RETURNING id) SELECT pg_notify('appended', '') FROM row`,
	}
	var spent [2]time.Duration
	n := 0
	for b.Loop() {
		for k, statement := range statements {
			began := time.Now()
			var wg sync.WaitGroup
			for w := range writers {
				wg.Go(func() {
					for i := range rows {
						if _, err := pool.Exec(b.Context(), statement, fmt.Sprint(w, i, text)); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
			spent[k] += time.Since(began)
		}
		n += writers * rows
	}
	b.ReportMetric(float64(n)/spent[0].Seconds(), "plain/s")
	b.ReportMetric(float64(n)/spent[1].Seconds(), "notify/s")
	b.ReportMetric(spent[0].Seconds()/spent[1].Seconds(), "notify/plain")
}
