package postgres_test

import (
	"context"
	"sync"
	"testing"

	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/store"
	"github.com/jackc/pgx/v5"
)

type change func(ctx context.Context, s store.Inbox[pgx.Tx], tx pgx.Tx) error

func lookAt(ctx context.Context, s store.Inbox[pgx.Tx], tx pgx.Tx) error {
	_, err := s.Marks(ctx, tx, "c", []store.Stream{stream})
	return err
}

func forget(ctx context.Context, s store.Inbox[pgx.Tx], tx pgx.Tx) error {
	return s.Reset(ctx, tx, "c")
}

func nothing(context.Context, store.Inbox[pgx.Tx], pgx.Tx) error { return nil }

// TestMarksThatWaited has one transaction hold a mark that another one asks
// for, and looks at what the second sees once it gets it.
func TestMarksThatWaited(t *testing.T) {
	for name, stored := range map[string]bool{"a stored mark": true, "a mark not stored yet": false} {
		for what, c := range map[string]struct {
			hold, change change
			want         store.Mark
		}{
			"is moved": {lookAt, func(ctx context.Context, s store.Inbox[pgx.Tx], tx pgx.Tx) error {
				return s.SetMarks(ctx, tx, "c", []store.Mark{{Stream: stream, Version: 7}})
			}, store.Mark{Stream: stream, Version: 7}},
			"stops flowing": {lookAt, func(ctx context.Context, s store.Inbox[pgx.Tx], tx pgx.Tx) error {
				if err := s.SetMarks(ctx, tx, "c", []store.Mark{{Stream: stream, Version: 4}}); err != nil {
					return err
				}
				return s.SetQueue(ctx, tx, store.Queue{Consumer: "c", Stream: stream, Version: 5, Reason: store.Gap}, 0)
			}, store.Mark{Stream: stream, Version: 4, Reason: store.Gap}},
			"is forgotten": {forget, nothing, store.Mark{Stream: stream}},
		} {
			t.Run("who waited for "+name+" that "+what+" sees it", func(t *testing.T) {
				pool := pgtest.Pool(t)
				s := openStore(t, pool)
				if stored {
					if err := s.InTx(t.Context(), func(ctx context.Context, tx pgx.Tx) error {
						return s.SetMarks(ctx, tx, "c", []store.Mark{{Stream: stream, Version: 3}})
					}); err != nil {
						t.Fatal(err)
					}
				}
				holder := begin(t, pool)
				if err := c.hold(t.Context(), s, holder); err != nil {
					t.Fatal(err)
				}
				var got store.Mark
				var waiter sync.WaitGroup
				waiter.Go(func() {
					if err := s.InTx(t.Context(), func(ctx context.Context, tx pgx.Tx) error {
						marks, err := s.Marks(ctx, tx, "c", []store.Stream{stream})
						if err == nil {
							got = marks[0]
						}
						return err
					}); err != nil {
						t.Error(err)
					}
				})
				awaitBlocked(t, pool)
				if err := c.change(t.Context(), s, holder); err != nil {
					t.Fatal(err)
				}
				commit(t, holder)
				if waiter.Wait(); got != c.want {
					t.Errorf("got %+v, want %+v", got, c.want)
				}
			})
		}
	}
}
