package storetest

import (
	"errors"
	"testing"

	"github.com/eventus-go/eventus/store"
)

func damageClauses[Tx any]() []clause[Tx] {
	return []clause[Tx]{
		{"a damaged event is an error of every read that returns it, and of no other", func(t *testing.T, b subject[Tx]) {
			mustAppend(t, b, product, store.NoStream, events("a", 5)...)
			mustAppend(t, b, store.Stream{Category: "order", ID: "o-1"}, store.NoStream, events("b", 3)...)
			mustAppend(t, b, product, store.At(5), event("c"))
			log := mustReadAll(t, b.Log)
			b.Damage(t, log[2].Position)
			damaged := func(what string, err error) {
				t.Helper()
				var d *store.DamagedError
				if !errors.Is(err, store.ErrDamaged) || !errors.As(err, &d) || d.Stream != product || d.Version != 3 || d.Position != log[2].Position {
					t.Errorf("%s: got %v, want the damaged event at version 3", what, err)
				}
			}
			whole := func(what string, err error, n, want int) {
				t.Helper()
				if err != nil || n != want {
					t.Errorf("%s: %d messages, want %d, error %v", what, n, want, err)
				}
			}
			page, err := b.Read(t.Context(), product, 0, 3)
			damaged("a stream", err)
			whole("a page with an error", nil, len(page), 0)
			page, err = b.Read(t.Context(), product, 0, 2)
			whole("the stream before it", err, len(page), 2)
			page, err = b.Read(t.Context(), product, 3, 10)
			whole("the stream behind it", err, len(page), 3)
			_, err = b.Log.ReadAll(t.Context(), 0, 3)
			damaged("the log", err)
			page, err = b.Log.ReadAll(t.Context(), log[2].Position, 10)
			whole("the log behind it", err, len(page), 6)
			_, err = b.Log.ReadStretch(t.Context(), store.Range{Limit: 10, Categories: []string{"product"}})
			damaged("a stretch", err)
			s, err := b.Log.ReadStretch(t.Context(), store.Range{After: log[1].Position, UpTo: log[2].Position, Limit: 10, Categories: []string{"order"}})
			whole("a stretch of another category", err, len(s.Messages), 0)
			if b.Outbox != nil {
				_, _, err = b.Unpublished(t.Context(), 0, 10)
				damaged("the outbox", err)
				out, _, err := b.Unpublished(t.Context(), log[2].Position, 10)
				whole("the outbox behind it", err, len(out), 6)
			}
			if b.Snapshots != nil {
				mustWriteSnapshot(t, b, snapshot(product, 1, 2))
				_, _, err = b.ReadSnapshot(t.Context(), product, 1, 10)
				damaged("the tail of a snapshot", err)
				mustWriteSnapshot(t, b, snapshot(product, 1, 3))
				_, tail, err := b.ReadSnapshot(t.Context(), product, 1, 10)
				whole("the tail behind it", err, len(tail), 3)
			}
			if d, ok := b.Store.(store.Damageable); !ok || d.Damage() == nil || d.Damage().Position != log[2].Position {
				t.Errorf("%T does not tell of damage", b.Store)
			}
		}},
	}
}
