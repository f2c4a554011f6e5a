package power

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/eventus-go/eventus/store"
)

// pause lets others run: up to 200 ms.
func pause() { time.Sleep(rand.N(200 * time.Millisecond)) }

// appendTo appends to a stream of its own and to one that all writers have in common,
// and says what was acknowledged, until an append fails.
func appendTo(ctx context.Context, s store.Store, w int, say func(...any)) error {
	for i := 0; ; i++ {
		stream := store.Stream{Category: category, ID: fmt.Sprint("w", w)}
		if i%2 == 0 {
			stream.ID = "common"
		}
		events := newEvents(1 + i%3)
		version, err := s.Append(ctx, stream, store.Any, events)
		if err != nil {
			return err
		}
		words := []any{"appended", version, stream.ID}
		for _, e := range events {
			words = append(words, e.ID)
		}
		say(words...)
	}
}

// mark marks what is in the outbox.
func mark(ctx context.Context, s store.Outbox, say func(...any)) error {
	for after := int64(0); ; {
		page, next, err := s.Unpublished(ctx, after, 3)
		if err != nil {
			return err
		}
		for _, m := range page {
			if m.Position%3 == 0 {
				continue // so that some stay
			}
			say("marking", m.Position)
			if err := s.MarkPublished(ctx, []int64{m.Position}, nil); err != nil {
				return err
			}
			say("marked", m.Position)
		}
		after = next
	}
}
