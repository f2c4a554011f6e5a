package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/eventus-go/eventus/store"
)

// ledger is everything that is committed of the consumers of a clause.
type ledger struct {
	Consumers []store.Consumer
	Parked    [][]store.Parked
	Requests  []store.Request
}

func ledgerOf[Tx any](t tester, b subject[Tx]) ledger {
	t.Helper()
	l := ledger{Consumers: mustList(t, b), Requests: mustListRequests(t, b, "")}
	for _, id := range []store.ConsumerID{board, next, mail, {Name: "view"}} {
		l.Parked = append(l.Parked, mustListParked(t, b, id))
	}
	return l
}

// fillLedger stores something of every kind, and returns a request that is not
// done.
func fillLedger[Tx any](t tester, b subject[Tx]) (request int64) {
	t.Helper()
	mustCreate(t, b, newConsumer(board, 3), newConsumer(next, 1))
	mustSave(t, b, busyConsumer(board))
	mustSetParked(t, b, time.Hour, parked(board, product), because(parked(board, other), store.Poison))
	mustFinish(t, b, mustAdd(t, b, store.Request{Consumer: board, Action: store.Pause}), "paused")
	return mustAdd(t, b, store.Request{Consumer: board, Action: store.Resume, Actor: "someone@example.com"})
}

// consumerChanges returns one change of every kind to what fillLedger stores.
func consumerChanges[Tx any](b subject[Tx], tx Tx, request int64) map[string]func(context.Context) error {
	another := parked(board, product)
	another.Version, another.Reason = 9, store.Poison
	return map[string]func(context.Context) error{
		"CreateConsumer": func(ctx context.Context) error {
			created, err := b.CreateConsumer(ctx, tx, newConsumer(mail, 2))
			return must(err, created)
		},
		"SaveConsumer": func(ctx context.Context) error {
			if _, _, err := b.LockConsumer(ctx, tx, board); err != nil {
				return err
			}
			return b.SaveConsumer(ctx, tx, newConsumer(board, 1))
		},
		"RenameConsumer": func(ctx context.Context) error { return b.RenameConsumer(ctx, tx, board, "view") },
		"DeleteConsumer": func(ctx context.Context) error { return b.DeleteConsumer(ctx, tx, board) },
		"Advance": func(ctx context.Context) error {
			return b.Advance(ctx, tx, claimOf(busyConsumer(board), 2), store.Progress{Position: 1 << 50, EventID: "e"}, time.Hour)
		},
		"SetParked":     func(ctx context.Context) error { return b.SetParked(ctx, tx, another, 0) },
		"SetParked new": func(ctx context.Context) error { return b.SetParked(ctx, tx, parked(next, product), 0) },
		"DeleteParked":  func(ctx context.Context) error { return b.DeleteParked(ctx, tx, board, product) },
		"RedriveParked": func(ctx context.Context) error {
			n, err := b.RedriveParked(ctx, tx, board, store.Stream{})
			return must(err, n == 2)
		},
		"FinishRequest": func(ctx context.Context) error {
			finished, err := b.FinishRequest(ctx, tx, request, "resumed")
			return must(err, finished)
		},
	}
}

// must returns err, or an error when a change found nothing to do.
func must(err error, done bool) error {
	if err == nil && !done {
		return errors.New("it found nothing to do")
	}
	return err
}

// rollbackClauses are about all changes of consumers alike.
func rollbackClauses[Tx any]() []clause[Tx] {
	var names []string
	for name := range consumerChanges(subject[Tx]{}, *new(Tx), 0) {
		names = append(names, name)
	}
	return []clause[Tx]{
		{"every change of a consumer is undone when the transaction rolls back, and stays when it commits", func(t *testing.T, b subject[Tx]) {
			request := fillLedger(t, b)
			before := ledgerOf(t, b)
			for _, name := range names {
				mustUse(t, b, func(ctx context.Context, tx Tx) {
					if err := consumerChanges(b, tx, request)[name](ctx); err != nil {
						t.Errorf("%s: %v", name, err)
					}
					equal(t, "everything, before "+name+" ends", ledgerOf(t, b), before)
				})
				equal(t, "everything, after "+name+" was rolled back", ledgerOf(t, b), before)
			}
			for _, name := range []string{"CreateConsumer", "SetParked", "SetParked new", "FinishRequest", "Advance", "DeleteParked", "RenameConsumer"} {
				before := ledgerOf(t, b)
				mustInTx(t, b, func(ctx context.Context, tx Tx) error { return consumerChanges(b, tx, request)[name](ctx) })
				if diff(ledgerOf(t, b), before) == "" {
					t.Errorf("%s committed, and nothing is changed", name)
				}
			}
		}},
		{"a transaction sees its own changes of a consumer", func(t *testing.T, b subject[Tx]) {
			request := fillLedger(t, b)
			mustUse(t, b, func(ctx context.Context, tx Tx) {
				lock := func(id store.ConsumerID) store.Consumer {
					c, _, err := b.LockConsumer(ctx, tx, id)
					mustBe(t, "lock "+id.Name, err, nil)
					return c
				}
				find := func(id store.ConsumerID, s store.Stream) []store.Parked {
					rows, err := b.FindParked(ctx, tx, id, []store.Stream{s})
					mustBe(t, "find", err, nil)
					return rows
				}
				changes := consumerChanges(b, tx, request)
				change := func(name string) { mustBe(t, name, changes[name](ctx), nil) }
				change("CreateConsumer")
				equal(t, "created", lock(mail), keptConsumer(newConsumer(mail, 2)))
				change("Advance")
				equal(t, "advanced", lock(board).Segments[2].Position, 1<<50)
				change("SetParked")
				equal(t, "version", find(board, product)[0].Version, 9)
				change("RedriveParked")
				equal(t, "reason", find(board, other)[0].Reason, store.Waiting)
				change("DeleteParked")
				equal(t, "removed", find(board, product), nil)
				change("SaveConsumer")
				equal(t, "saved", lock(board), keptConsumer(newConsumer(board, 1)))
				change("RenameConsumer")
				view := store.ConsumerID{Name: "view"}
				equal(t, "renamed", lock(view), keptConsumer(newConsumer(view, 1)))
				equal(t, "rows of the new name", len(find(view, other)), 1)
				equal(t, "rows of the old name", find(board, other), nil)
				mustBe(t, "delete", b.DeleteConsumer(ctx, tx, view), nil)
				_, _, err := b.LockConsumer(ctx, tx, view)
				mustBe(t, "lock what is deleted", err, store.ErrNoConsumer)
				equal(t, "rows of what is deleted", find(view, other), nil)
			})
		}},
		{"a context that has ended fails every call inside a transaction, and nothing is written", func(t *testing.T, b subject[Tx]) {
			request := fillLedger(t, b)
			before := ledgerOf(t, b)
			ended, cancel := context.WithCancel(t.Context())
			cancel()
			for _, name := range names {
				mustUse(t, b, func(ctx context.Context, tx Tx) {
					if err := consumerChanges(b, tx, request)[name](ended); !errors.Is(err, context.Canceled) {
						t.Errorf("%s: got error %v, want context.Canceled", name, err)
					}
				})
			}
			for name := range consumerCalls(b, *new(Tx), board) {
				mustUse(t, b, func(ctx context.Context, tx Tx) {
					if err := consumerCalls(b, tx, board)[name](ended); !errors.Is(err, context.Canceled) {
						t.Errorf("%s: got error %v, want context.Canceled", name, err)
					}
				})
			}
			equal(t, "everything", ledgerOf(t, b), before)
		}},
		{"a commit keeps changes of several consumers together", func(t *testing.T, b subject[Tx]) {
			request := fillLedger(t, b)
			before := ledgerOf(t, b)
			order := []string{"CreateConsumer", "SetParked new", "FinishRequest", "Advance", "SetParked", "RenameConsumer"}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			err := b.InTx(ctx, func(ctx context.Context, tx Tx) error {
				changes := consumerChanges(b, tx, request)
				for _, name := range order {
					if err := changes[name](ctx); err != nil {
						t.Errorf("%s: %v", name, err)
					}
				}
				cancel()
				return nil
			})
			mustBe(t, "transaction", err, context.Canceled)
			equal(t, "everything, after the context ended", ledgerOf(t, b), before)
			mustInTx(t, b, func(ctx context.Context, tx Tx) error {
				changes := consumerChanges(b, tx, request)
				for _, name := range order {
					if err := changes[name](ctx); err != nil {
						return err
					}
				}
				return nil
			})
			l := ledgerOf(t, b)
			equal(t, "consumers", len(l.Consumers), 4)
			equal(t, "position", mustLock(t, b, store.ConsumerID{Name: "view"}).Segments[2].Position, 1<<50)
			equal(t, "parked of view", len(l.Parked[3]), 2)
			equal(t, "parked of the next generation", len(l.Parked[1]), 1)
			equal(t, "outcome", l.Requests[0].Outcome, "resumed")
		}},
	}
}
