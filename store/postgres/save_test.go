package postgres_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
)

type page struct {
	Text string `json:"text"`
}

type written struct{ page }

func (e written) Apply(s *page) { s.Text = e.Text }

type bookEvent interface{ eventus.Event[page] }

type book struct {
	eventus.Aggregate[page, bookEvent]
}

var books = eventus.Define("book", eventus.New[book], eventus.Type[written]("book.written"))

// text makes an event of 300 bytes.
var text = string(bytes.Repeat([]byte("x"), 289))

// BenchmarkSave compares a Save of one event, its outbox row included, with the
// least that any store must do: an INSERT of one row into a table with the
// columns and the key of event_store, by raw pgx. The server keeps fsync on.
func BenchmarkSave(b *testing.B) {
	server := pgtest.Start(b, pgtest.Options{Fsync: true})
	config, err := pgxpool.ParseConfig(server.URL())
	if err != nil {
		b.Fatal(err)
	}
	pool, err := pgxpool.NewWithConfig(b.Context(), config)
	if err != nil {
		b.Fatal(err)
	}
	defer pool.Close()
	s := openStore(b, pool)
	if _, err := pool.Exec(b.Context(), `CREATE TABLE bare (LIKE event_store INCLUDING ALL)`); err != nil {
		b.Fatal(err)
	}
	data := []byte(fmt.Sprintf(`{"text":%q}`, text))
	bare := func(ctx context.Context, i int) error {
		_, err := pool.Exec(ctx, `INSERT INTO bare (category, stream_id, version, event_id, type, content_type, data, time,
			correlation_id, causation_id, actor, metadata) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
			"book", fmt.Sprint(i), 1, uuid.Must(uuid.NewV7()).String(), "book.written", "application/json", data, time.Now(), "", "", "", nil)
		return err
	}
	r := eventus.NewRepository(s, books)
	save := func(ctx context.Context, i int) error {
		a := r.New(fmt.Sprint(i))
		a.Record(written{page{text}})
		return r.Save(ctx, a)
	}
	// In turns, so that both see the same machine.
	var spent [2]time.Duration
	n := 0
	for b.Loop() {
		for k, one := range []func(context.Context, int) error{bare, save} {
			began := time.Now()
			if err := one(b.Context(), n); err != nil {
				b.Fatal(err)
			}
			spent[k] += time.Since(began)
		}
		n++
	}
	b.ReportMetric(float64(n)/spent[0].Seconds(), "bare/s")
	b.ReportMetric(float64(n)/spent[1].Seconds(), "save/s")
	b.ReportMetric(spent[0].Seconds()/spent[1].Seconds(), "save/bare")
}
