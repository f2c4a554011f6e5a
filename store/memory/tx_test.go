package memory_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/memory"
)

func TestOnCommit(t *testing.T) {
	failed := errors.New("failed")
	stage := func(err error) (ran []string) {
		s := memory.New()
		got := s.InTx(t.Context(), func(_ context.Context, tx *memory.Tx) error {
			tx.OnCommit(func() { ran = append(ran, "first") })
			tx.OnCommit(func() { ran = append(ran, "second") })
			if len(ran) != 0 {
				t.Error("a staged function ran before the commit")
			}
			return err
		})
		if got != err {
			t.Errorf("got error %v, want %v", got, err)
		}
		return ran
	}
	t.Run("staged functions run in order when the transaction commits", func(t *testing.T) {
		if got := stage(nil); !slices.Equal(got, []string{"first", "second"}) {
			t.Errorf("ran %v", got)
		}
	})
	t.Run("staged functions do not run when it rolls back", func(t *testing.T) {
		if got := stage(failed); len(got) != 0 {
			t.Errorf("ran %v", got)
		}
	})
}

func TestTx(t *testing.T) {
	t.Run("a transaction inside a transaction is refused instead of waiting for itself", func(t *testing.T) {
		s, another := memory.New(), memory.New()
		err := s.InTx(t.Context(), func(ctx context.Context, _ *memory.Tx) error {
			inner := func(context.Context, *memory.Tx) error { return nil }
			if err := s.InTx(ctx, inner); err == nil {
				t.Error("it was not refused")
			}
			return another.InTx(ctx, inner)
		})
		if err != nil {
			t.Errorf("a transaction of another store inside: %v", err)
		}
	})
	t.Run("a transaction cannot be used after its end or with another store", func(t *testing.T) {
		s := memory.New()
		var kept *memory.Tx
		_ = s.InTx(t.Context(), func(ctx context.Context, tx *memory.Tx) error {
			kept = tx
			if _, err := memory.New().Marks(ctx, tx, "c", nil); err == nil {
				t.Error("another store took it")
			}
			return nil
		})
		if err := s.SetMarks(t.Context(), kept, "c", []store.Mark{{Version: 1}}); err == nil {
			t.Error("it was used after its end")
		}
	})
	t.Run("an append inside a transaction is an append of its own", func(t *testing.T) {
		s, stream := memory.New(), store.Stream{Category: "c", ID: "1"}
		_ = s.InTx(t.Context(), func(ctx context.Context, _ *memory.Tx) error {
			e := store.Event{ID: "1", Type: "t", ContentType: "c", Time: time.Unix(1, 0)}
			if _, err := s.Append(ctx, stream, store.NoStream, []store.Event{e}); err != nil {
				t.Errorf("append: %v", err)
			}
			return errors.New("roll back")
		})
		if got, err := s.Read(t.Context(), stream, 0, 2); err != nil || len(got) != 1 {
			t.Errorf("%d messages, error %v, want the one appended", len(got), err)
		}
	})
}
