package consume_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/store"
)

// TestAParkedStreamThatABackupBringsBack puts a backup back under a follower that
// runs. The backup has a parked stream that flows by now, at the place where the
// follower still is: the follower must not go on behind the stream's back.
func TestAParkedStreamThatABackupBringsBack(t *testing.T) {
	for name, open := range map[string]func(t testing.TB) disk{"SQLite": newFileDisk, "PostgreSQL": newSchemaDisk} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := open(t)
			var fails atomic.Bool
			fails.Store(true)
			cfg := quick()
			cfg.LeaseDuration = time.Minute // it renews nothing meanwhile
			start(t, d.follower("view", d, cfg, program{after: func(_ context.Context, _ any, m eventus.Message[bumpEvent]) error {
				if m.Stream.ID == "bad" && fails.Load() {
					return consume.Permanent(errNever)
				}
				return nil
			}}))
			add(t, d, "good", 2)
			add(t, d, "bad", 2)
			await(t, "the stream is parked, and the follower at the end", func() bool {
				c := consumerOf(t, d, "view")
				return parkedOf(t, d, "view")["bad"].Reason == store.Poison && c.Segments[0].Position == 4
			})
			d.backup(t)
			epoch := consumerOf(t, d, "view").Segments[0].Epoch
			fails.Store(false)
			ask(t, d, "view", store.Request{Action: store.Redrive})
			awaitExact(t, d, "view", d)
			await(t, "the stream flows", func() bool { return len(parkedOf(t, d, "view")) == 0 })
			// Its claim says when the follower knows that nothing is parked.
			await(t, "the claim is renewed", func() bool { return consumerOf(t, d, "view").Segments[0].Epoch > epoch })
			d.putBack(t, 0)
			add(t, d, "bad", 2)
			await(t, "the end of the log", func() bool { return consumerOf(t, d, "view").Segments[0].Position == 6 })
			ask(t, d, "view", store.Request{Action: store.Redrive})
			awaitExact(t, d, "view", d)
		})
	}
}
