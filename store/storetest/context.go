package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/eventus-go/eventus/store"
)

func contextClauses[Tx any]() []clause[Tx] {
	return []clause[Tx]{
		{"a context that has ended fails every call, and nothing is written", func(t *testing.T, b subject[Tx]) {
			mustAppend(t, b, product, store.NoStream, event("a"))
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			for name, call := range calls(b, ctx, mustRead(t, b, product)[0].Position) {
				if err := call(); !errors.Is(err, context.Canceled) {
					t.Errorf("%s: got error %v, want context.Canceled", name, err)
				}
			}
			mustHoldOnly(t, b, event("a"))
			if b.Snapshots != nil {
				snap, _ := mustReadSnapshot(t, b, product, 1, 1)
				equal(t, "snapshot", snap.Version, 0)
			}
			if b.Consumers != nil {
				equal(t, "requests", mustListRequests(t, b, ""), nil)
			}
			mustAppend(t, b, product, store.At(1), event("the store is usable"))
		}},
		{"an append whose context ends at any moment is stored, or is not, or can be repeated", endsAtAnyMoment[Tx]},
	}
}

// endsAtAnyMoment has contexts end before appends are queued, while they wait for
// others, while they are written and after that.
func endsAtAnyMoment[Tx any](t *testing.T, b subject[Tx]) {
	const writers, appends = 4, 40
	began := time.Now()
	for i := range 4 {
		mustAppend(t, b, other, store.Any, event(fmt.Sprint("measured ", i)))
	}
	longest := time.Since(began) // of an append that waits for others
	streamOf := func(w int) store.Stream { return store.Stream{Category: "product", ID: fmt.Sprint("writer ", w)} }
	var stored [writers][]store.Event
	var running sync.WaitGroup
	for w := range writers {
		running.Go(func() {
			s := streamOf(w)
			for i := range appends {
				batch := events(fmt.Sprint(w, " ", i, " "), 2)
				version := int64(len(stored[w]))
				ctx, cancel := context.WithTimeout(t.Context(), longest*time.Duration(i)/appends)
				got, err := b.Append(ctx, s, store.At(version), batch)
				cancel()
				if errors.Is(err, store.ErrOutcomeUnknown) {
					got, err = b.Append(t.Context(), s, store.At(version), batch)
				}
				switch {
				case err == nil && got == version+2:
					stored[w] = append(stored[w], batch...)
				case !errors.Is(err, context.DeadlineExceeded):
					t.Errorf("append %d of writer %d: version %d, error %v", i, w, got, err)
					return
				}
			}
		})
	}
	running.Wait()
	for w := range writers {
		equalMessages(t, "stream", mustRead(t, b, streamOf(w)), page(streamOf(w), 0, stored[w]))
	}
}

// calls returns every method that takes a context and can be called outside a
// transaction.
func calls[Tx any](b subject[Tx], ctx context.Context, position int64) map[string]func() error {
	methods := map[string]func() error{
		"Append": func() error { _, err := b.Append(ctx, product, store.At(1), events("b", 2)); return err },
		"Read":   func() error { _, err := b.Read(ctx, product, 0, 1); return err },
	}
	if b.Log != nil {
		methods["ReadAll"] = func() error { _, err := b.Log.ReadAll(ctx, 0, 1); return err }
		methods["ReadStretch"] = func() error {
			_, err := b.Log.ReadStretch(ctx, store.Range{Limit: 1, Categories: []string{"product"}})
			return err
		}
		methods["Head"] = func() error { _, err := b.Log.Head(ctx); return err }
		methods["TimesAfter"] = func() error { _, err := b.Log.TimesAfter(ctx, []int64{0}); return err }
	}
	if b.Outbox != nil {
		methods["Unpublished"] = func() error { _, _, err := b.Unpublished(ctx, 0, 1); return err }
		methods["MarkPublished"] = func() error { return b.MarkPublished(ctx, []int64{position}, nil) }
		methods["Published"] = func() error { _, err := b.Published(ctx); return err }
		methods["Refuse"] = func() error { return b.Refuse(ctx, position, "too large", 1) }
		methods["Readmit"] = func() error { _, err := b.Readmit(ctx, true); return err }
		methods["Refused"] = func() error { _, err := b.Refused(ctx, 0, 1); return err }
	}
	if b.Snapshots != nil {
		methods["ReadSnapshot"] = func() error { _, _, err := b.ReadSnapshot(ctx, product, 1, 1); return err }
		methods["WriteSnapshot"] = func() error { return b.WriteSnapshot(ctx, snapshot(product, 1, 1)) }
	}
	if b.Inbox != nil {
		methods["InTx"] = func() error { return b.InTx(ctx, func(context.Context, Tx) error { return nil }) }
		maps.Copy(methods, inboxCalls(b, ctx, "c"))
	}
	if b.Consumers != nil {
		methods["InTx"] = func() error { return b.InTx(ctx, func(context.Context, Tx) error { return nil }) }
		methods["ListConsumers"] = func() error { _, _, err := b.ListConsumers(ctx); return err }
		methods["DueParked"] = func() error { _, err := b.DueParked(ctx, board, 0, 1, 1); return err }
		methods["ListParked"] = func() error { _, err := b.ListParked(ctx, board, store.Stream{}, 1); return err }
		methods["CountParked"] = func() error { _, err := b.CountParked(ctx, board); return err }
		methods["PendingRequests"] = func() error { _, err := b.PendingRequests(ctx, board); return err }
		methods["ListRequests"] = func() error { _, err := b.ListRequests(ctx, "", 0, 1); return err }
		methods["AddRequest"] = func() error {
			_, err := b.AddRequest(ctx, store.Request{Consumer: board, Action: store.Pause})
			return err
		}
	}
	if b.Identity != nil {
		methods["History"] = func() error { _, err := b.History(ctx); return err }
	}
	if b.Leases != nil {
		methods["Acquire"] = func() error { _, err := b.Acquire(ctx, "relay", "a", 1<<40); return err }
		methods["Release"] = func() error { return b.Release(ctx, "relay", "a") }
	}
	return methods
}

// inboxContextClauses are about contexts that end inside of transactions.
func inboxContextClauses[Tx any]() []clause[Tx] {
	return []clause[Tx]{
		{"a transaction whose context ends rolls back, and the next one starts", func(t *testing.T, b subject[Tx]) {
			ctx, cancel := context.WithCancel(t.Context())
			err := b.InTx(ctx, func(ctx context.Context, tx Tx) error {
				if err := change(ctx, b, tx); err != nil {
					t.Errorf("change: %v", err)
				}
				cancel()
				return nil
			})
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("got error %v, want context.Canceled", err)
			}
			mustBeUnchanged(t, b)
		}},
		{"who waits for a mark stops waiting when its context ends", func(t *testing.T, b subject[Tx]) {
			held, release, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
			go func() {
				done <- b.InTx(t.Context(), func(ctx context.Context, tx Tx) error {
					defer func() { <-release }()
					defer close(held)
					return addOne(ctx, b, tx, []store.Stream{product})
				})
			}()
			<-held
			ctx, cancel := context.WithCancel(t.Context())
			waiter := make(chan error, 1)
			go func() {
				waiter <- b.InTx(ctx, func(ctx context.Context, tx Tx) error {
					return addOne(ctx, b, tx, []store.Stream{product})
				})
			}()
			cancel() // before, while or after it begins to wait: it must end in any case
			if err := <-waiter; err == nil {
				t.Error("the waiter committed while the mark was held")
			}
			close(release)
			if err := <-done; err != nil {
				t.Fatalf("the holder: %v", err)
			}
			equal(t, "mark", markOf(t, b, "consumer", product), 1)
		}},
	}
}
