package postgres_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/store"
)

// 20,000 callers come to one stream at once, by appends and by updates. Each of them
// counts, once.
func TestACrowdOnOneStream(t *testing.T) {
	const crowd = 20_000
	pool := pgtest.Pool(t)
	s := openStore(t, pool)
	var under sync.WaitGroup
	for range crowd {
		under.Go(func() {
			if _, err := s.Append(t.Context(), stream, store.Any, events(1)); err != nil {
				t.Error(err)
			}
		})
	}
	under.Wait()
	r := eventus.NewRepository(s, books, eventus.WithSnapshotEvery(100))
	for i := range crowd {
		under.Go(func() {
			_, err := r.Update(t.Context(), "b", func(b *book) error {
				b.Record(written{page{fmt.Sprint(i)}})
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	under.Wait()
	for _, of := range []store.Stream{stream, books.Stream("b")} {
		var events, ids, texts, version int64
		err := pool.QueryRow(t.Context(), `SELECT count(*), count(DISTINCT event_id), count(DISTINCT data), max(version)
			FROM event_store WHERE category = $1 AND stream_id = $2`, of.Category, of.ID).Scan(&events, &ids, &texts, &version)
		if err != nil || events != crowd || ids != crowd || version != crowd || of != stream && texts != crowd {
			t.Errorf("%s: %d events to version %d, with %d ids and %d texts, error %v, want %d", of, events, version, ids, texts, err, crowd)
		}
	}
}
