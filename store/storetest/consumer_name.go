package storetest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/eventus-go/eventus/store"
)

func consumerNames[Tx any](t *testing.T, b subject[Tx]) {
	mustCreate(t, b, newConsumer(board, 1))
	bad := []store.ConsumerID{{Name: "board", Generation: -1}}
	for _, name := range []string{"", "a b", "a.b", "ä", "a\x00", strings.Repeat("c", store.MaxName+1)} {
		bad = append(bad, store.ConsumerID{Name: name})
	}
	for _, id := range bad {
		mustInTx(t, b, func(ctx context.Context, tx Tx) error {
			for name, call := range consumerCalls(b, tx, id) {
				if err := call(ctx); !errors.Is(err, store.ErrInvalid) {
					t.Errorf("%s for %q, generation %d: got error %v, want a *store.InvalidError", name, id.Name, id.Generation, err)
				}
			}
			if id.Generation == 0 {
				mustInvalid(t, b.RenameConsumer(ctx, tx, board, id.Name))
			}
			return nil
		})
		_, _, err := b.ListConsumers(t.Context(), board, id)
		mustInvalid(t, err)
		_, err = b.DueParked(t.Context(), id, 0, 1, 1)
		mustInvalid(t, err)
		_, err = b.ListParked(t.Context(), id, store.Stream{}, 1)
		mustInvalid(t, err)
		_, err = b.CountParked(t.Context(), id)
		mustInvalid(t, err)
		_, err = b.PendingRequests(t.Context(), id)
		mustInvalid(t, err)
		if id.Generation == 0 && id.Name != "" { // an empty name means all consumers
			_, err = b.ListRequests(t.Context(), id.Name, 0, 1)
			mustInvalid(t, err)
		}
	}
	equal(t, "consumers", mustList(t, b), []store.Consumer{keptConsumer(newConsumer(board, 1))})
	mustCreate(t, b, newConsumer(store.ConsumerID{Name: strings.Repeat("c", store.MaxName), Generation: 1 << 20}, 1))
}

// consumerCalls returns every method that takes a transaction and a consumer.
func consumerCalls[Tx any](b subject[Tx], tx Tx, id store.ConsumerID) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"CreateConsumer": func(ctx context.Context) error {
			_, err := b.CreateConsumer(ctx, tx, newConsumer(id, 1))
			return err
		},
		"LockConsumer":   func(ctx context.Context) error { _, _, err := b.LockConsumer(ctx, tx, id); return err },
		"SaveConsumer":   func(ctx context.Context) error { return b.SaveConsumer(ctx, tx, newConsumer(id, 2)) },
		"RenameConsumer": func(ctx context.Context) error { return b.RenameConsumer(ctx, tx, id, "view") },
		"DeleteConsumer": func(ctx context.Context) error { return b.DeleteConsumer(ctx, tx, id) },
		"Advance": func(ctx context.Context) error {
			return b.Advance(ctx, tx, store.Claim{Consumer: id}, store.Progress{Position: 1, EventID: "e"}, time.Hour)
		},
		"SetParked":    func(ctx context.Context) error { return b.SetParked(ctx, tx, parked(id, product), time.Hour) },
		"DeleteParked": func(ctx context.Context) error { return b.DeleteParked(ctx, tx, id, product) },
		"FindParked": func(ctx context.Context) error {
			_, err := b.FindParked(ctx, tx, id, []store.Stream{product})
			return err
		},
		"RedriveParked": func(ctx context.Context) error { _, err := b.RedriveParked(ctx, tx, id, product); return err },
		"RetryParked": func(ctx context.Context) error {
			_, err := b.RetryParked(ctx, tx, id, 0, 1, 0)
			return err
		},
	}
}
