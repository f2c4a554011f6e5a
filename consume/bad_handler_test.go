package consume_test

import (
	"context"
	"database/sql"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/store"
	"github.com/jackc/pgx/v5"
)

// end commits or rolls back a transaction that is not the handler's to end.
func end(ctx context.Context, tx any, commit bool) error {
	switch tx := tx.(type) {
	case pgx.Tx:
		if commit {
			return tx.Commit(ctx)
		}
		return tx.Rollback(ctx)
	case *sql.Tx:
		if commit {
			return tx.Commit()
		}
		return tx.Rollback()
	}
	panic("unknown transaction")
}

// write writes an effect through a transaction.
func writeThrough(ctx context.Context, tx any) (err error) {
	const statement = `INSERT INTO effects (consumer, category, id, event_id) VALUES ('view', 'bump', 'late', 'late')`
	switch tx := tx.(type) {
	case pgx.Tx:
		_, err = tx.Exec(ctx, statement)
	case *sql.Tx:
		_, err = tx.ExecContext(ctx, statement)
	}
	return err
}

// TestAHandlerThatMisbehaves has one stream whose handler does what it must not.
// Others flow, its stream is parked with an error that says why, and once the
// handler is mended each event has its effect once.
func TestAHandlerThatMisbehaves(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	for _, c := range []struct {
		name string
		do   func(ctx context.Context, tx any) error
		says string // in the row of the parked stream
	}{
		{name: "commits its transaction", do: func(ctx context.Context, tx any) error { return end(ctx, tx, true) }, says: "transaction"},
		{name: "commits and hides the error", do: func(ctx context.Context, tx any) error { _ = end(ctx, tx, true); return nil }, says: "transaction"},
		{name: "rolls its transaction back", do: func(ctx context.Context, tx any) error { return end(ctx, tx, false) }, says: "transaction"},
		{name: "rolls back and hides the error", do: func(ctx context.Context, tx any) error { _ = end(ctx, tx, false); return nil }, says: "transaction"},
		{name: "rolls back and goes on", do: func(ctx context.Context, tx any) error {
			_ = end(ctx, tx, false)
			_ = writeThrough(ctx, tx)
			return nil
		}, says: "transaction"},
		{name: "blocks forever", do: func(context.Context, any) error { <-release; return nil }, says: "has not returned"},
		{name: "blocks until its context ends", do: func(ctx context.Context, _ any) error { <-ctx.Done(); return nil }, says: "took longer than"},
		{name: "panics", do: func(context.Context, any) error { panic("boom") }, says: "the handler panicked: boom"},
		{name: "panics with nil", do: func(context.Context, any) error { panic(nil) }, says: "the handler panicked"},
		{name: "calls Goexit", do: func(context.Context, any) error { runtime.Goexit(); return nil }, says: "runtime.Goexit"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			eachDatabase(t, func(t *testing.T, r rig) {
				bad := program{after: func(ctx context.Context, tx any, m eventus.Message[bumpEvent]) error {
					if m.Stream.ID == "bad" {
						return c.do(ctx, tx)
					}
					return nil
				}}
				add(t, r, "good", 2)
				add(t, r, "bad", 2)
				add(t, r, "other", 2)
				stop := start(t, r.follower("view", r, quick(), bad))
				await(t, "the stream is poison", func() bool { return parkedOf(t, r, "view")["bad"].Reason == store.Poison })
				p := parkedOf(t, r, "view")["bad"]
				if p.Version != 1 || !strings.Contains(p.Error, c.says) {
					t.Errorf("parked: %+v", p)
				}
				await(t, "others flow", func() bool {
					effects, err := r.effects(t.Context(), "view")
					if err != nil {
						t.Fatal(err)
					}
					return len(effects[bumps.Stream("good")]) == 2 && len(effects[bumps.Stream("other")]) == 2
				})
				stop()
				start(t, r.follower("view", r, quick(), program{}))
				ask(t, r, "view", store.Request{Action: store.Redrive})
				awaitExact(t, r, "view", r)
			})
		})
	}
}

// TestAHandlerThatKeepsItsTransaction uses the transactions of messages after
// their end: nothing of that takes effect.
func TestAHandlerThatKeepsItsTransaction(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, r rig) {
		var mu sync.Mutex
		var kept []any
		start(t, r.follower("view", r, quick(), program{after: func(_ context.Context, tx any, _ eventus.Message[bumpEvent]) error {
			mu.Lock()
			defer mu.Unlock()
			kept = append(kept, tx)
			return nil
		}}))
		for range 5 {
			add(t, r, "a", 2)
			awaitExact(t, r, "view", r)
			mu.Lock()
			for _, tx := range kept {
				if err := writeThrough(t.Context(), tx); err == nil {
					t.Error("a transaction that is over takes a statement")
				}
				_ = end(t.Context(), tx, true)
				_ = end(t.Context(), tx, false)
			}
			mu.Unlock()
		}
		add(t, r, "a", 2)
		awaitExact(t, r, "view", r)
	})
}
