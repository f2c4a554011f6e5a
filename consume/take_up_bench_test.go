package consume_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/store"
	"github.com/jackc/pgx/v5"
)

// BenchmarkStartWithManyUnknownStreams starts a follower whose last program has
// left 10,000 streams with events that it did not know, and takes the time until
// the first new message is handled.
func BenchmarkStartWithManyUnknownStreams(b *testing.B) {
	const streams = 10_000
	r := newPostgres(b).(*bed[pgx.Tx])
	stop := start(b, r.follower("view", r, consume.Config{}, program{}))
	add(b, r, "a", 1)
	awaitExact(b, r, "view", r)
	stop()
	for i := range b.N {
		b.StopTimer()
		err := r.InTx(b.Context(), func(ctx context.Context, tx pgx.Tx) error {
			for i := range streams {
				s := bumps.Stream(fmt.Sprint("unknown-", i))
				err := r.SetParked(ctx, tx, store.Parked{Consumer: store.ConsumerID{Name: "view"}, Stream: s, Version: 1, Reason: store.Unknown, Since: time.Now()}, time.Hour)
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
		id := fmt.Sprint("new-", i)
		add(b, r, id, 1)
		f := r.follower("view", r, consume.Config{}, program{})
		b.StartTimer()
		stop := start(b, f)
		if err := f.Wait(b.Context(), bumps.Stream(id), 1); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		stop()
	}
}
