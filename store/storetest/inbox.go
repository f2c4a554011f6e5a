package storetest

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/eventus-go/eventus/store"
)

var errHandler = errors.New("the handler failed")

func mustSetMarks[Tx any](t tester, b subject[Tx], consumer string, marks ...store.Mark) {
	t.Helper()
	mustInTx(t, b, func(ctx context.Context, tx Tx) error {
		streams := make([]store.Stream, len(marks))
		for i, m := range marks {
			streams[i] = m.Stream
		}
		if _, err := b.Marks(ctx, tx, consumer, streams); err != nil {
			return err
		}
		return b.SetMarks(ctx, tx, consumer, marks)
	})
}

// mustHave checks the committed value under key; "" means that there is none.
func mustHave[Tx any](t testing.TB, b subject[Tx], key, want string) {
	t.Helper()
	got, ok, err := b.Get(t.Context(), key)
	if err != nil {
		t.Fatalf("read %s: %v", key, err)
	}
	if got != want || ok != (want != "") {
		t.Fatalf("under %s is %q (there: %v), want %q", key, got, ok, want)
	}
}

// change makes one change of every kind that a transaction of the inbox can.
func change[Tx any](ctx context.Context, b subject[Tx], tx Tx) error {
	if _, err := b.Marks(ctx, tx, "consumer", []store.Stream{product, other}); err != nil {
		return err
	}
	if err := b.Put(ctx, tx, "key", "value"); err != nil {
		return err
	}
	if err := b.SetQueue(ctx, tx, queue("consumer", product, 8), 0); err != nil {
		return err
	}
	if err := b.Enqueue(ctx, tx, "consumer", []store.QueuedMessage{queued(product, 8, "8")}); err != nil {
		return err
	}
	if _, err := b.Remember(ctx, tx, "consumer", []store.EventKey{key("1")}); err != nil {
		return err
	}
	if err := b.AddDeadLetter(ctx, tx, record("consumer", 1)); err != nil {
		return err
	}
	return b.SetMarks(ctx, tx, "consumer", []store.Mark{{Stream: product, Version: 7}, {Stream: other, Version: 2}})
}

// mustBeChanged checks that all of change is committed.
func mustBeChanged[Tx any](t *testing.T, b subject[Tx]) {
	t.Helper()
	mustHave(t, b, "key", "value")
	equal(t, "marks", marksOf(t, b, "consumer", other, product), []store.Mark{
		{Stream: other, Version: 2}, {Stream: product, Version: 7, Reason: store.Waiting},
	})
	equal(t, "queue", queueOf(t, b, "consumer", product), []store.QueuedMessage{keptQueued(product, 8, "8")})
	equal(t, "keys", remember(t, b, "consumer", key("1")), []bool{false})
	equal(t, "records", len(mustListLetters(t, b, "consumer", 0, all)), 1)
}

// mustBeUnchanged checks that nothing of change is there, and that the next
// transaction is not held up by what is left of the last.
func mustBeUnchanged[Tx any](t *testing.T, b subject[Tx]) {
	t.Helper()
	mustHave(t, b, "key", "")
	equal(t, "marks", marksOf(t, b, "consumer", product, other), []store.Mark{{Stream: product}, {Stream: other}})
	equal(t, "queues", len(mustListQueues(t, b, "consumer", store.Stream{}, all)), 0)
	equal(t, "queue", len(queueOf(t, b, "consumer", product)), 0)
	equal(t, "records", len(mustListLetters(t, b, "consumer", 0, all)), 0)
	mustInTx(t, b, func(ctx context.Context, tx Tx) error {
		fresh, err := b.Remember(ctx, tx, "consumer", []store.EventKey{key("1")})
		equal(t, "keys", fresh, []bool{true})
		return err
	})
}

func inboxClauses[Tx any]() []clause[Tx] {
	return []clause[Tx]{
		{"a commit keeps marks, queues, keys, dead letters and the handler's writes together", func(t *testing.T, b subject[Tx]) {
			mustInTx(t, b, func(ctx context.Context, tx Tx) error { return change(ctx, b, tx) })
			mustBeChanged(t, b)
		}},
		{"an error rolls everything back and comes out as it is", func(t *testing.T, b subject[Tx]) {
			err := b.InTx(t.Context(), func(ctx context.Context, tx Tx) error {
				if err := change(ctx, b, tx); err != nil {
					t.Errorf("change: %v", err)
				}
				return errHandler
			})
			if err != errHandler {
				t.Fatalf("got error %v, want the handler's own", err)
			}
			mustBeUnchanged(t, b)
		}},
		{"a panic rolls everything back and goes on", func(t *testing.T, b subject[Tx]) {
			func() {
				defer func() {
					if got := recover(); got != errHandler {
						t.Errorf("recovered %v, want the handler's own panic", got)
					}
				}()
				_ = b.InTx(t.Context(), func(ctx context.Context, tx Tx) error {
					if err := change(ctx, b, tx); err != nil {
						t.Errorf("change: %v", err)
					}
					panic(errHandler)
				})
			}()
			mustBeUnchanged(t, b)
		}},
		{"InTx runs the function once, whether it commits or not", func(t *testing.T, b subject[Tx]) {
			for _, want := range []error{nil, errHandler} {
				runs := 0
				err := b.InTx(t.Context(), func(ctx context.Context, tx Tx) error {
					runs++
					if err := change(ctx, b, tx); err != nil {
						return err
					}
					return want
				})
				if err != want || runs != 1 {
					t.Fatalf("%d runs, error %v, want one run and error %v", runs, err, want)
				}
			}
		}},
		{"a transaction sees its own changes, and nobody else does before the commit", func(t *testing.T, b subject[Tx]) {
			mustInTx(t, b, func(ctx context.Context, tx Tx) error {
				if err := change(ctx, b, tx); err != nil {
					return err
				}
				marks, err := b.Marks(ctx, tx, "consumer", []store.Stream{product, other})
				if err != nil {
					return err
				}
				equal(t, "marks inside", marks, []store.Mark{{Stream: product, Version: 7, Reason: store.Waiting}, {Stream: other, Version: 2}})
				mustHave(t, b, "key", "")
				outside, err := b.ListQueues(t.Context(), "consumer", store.Stream{}, all)
				if err != nil {
					return err
				}
				equal(t, "queues outside", len(outside), 0)
				return nil
			})
		}},
		{"a consumer that CheckConsumer refuses is refused", func(t *testing.T, b subject[Tx]) {
			for _, consumer := range []string{"", "a b", "a.b", "ä", "a\x00", strings.Repeat("c", store.MaxName+1)} {
				mustInTx(t, b, func(ctx context.Context, tx Tx) error {
					_, err := b.Marks(ctx, tx, consumer, []store.Stream{product})
					mustInvalid(t, err)
					mustInvalid(t, b.SetMarks(ctx, tx, consumer, []store.Mark{{Stream: product, Version: 1}}))
					mustInvalid(t, b.Reset(ctx, tx, consumer))
					mustInvalid(t, b.SetQueue(ctx, tx, queue(consumer, product, 1), 0))
					_, _, err = b.FindQueue(ctx, tx, consumer, product)
					mustInvalid(t, err)
					mustInvalid(t, b.DeleteQueue(ctx, tx, consumer, product))
					mustInvalid(t, b.Enqueue(ctx, tx, consumer, []store.QueuedMessage{queued(product, 1, "1")}))
					_, err = b.Queued(ctx, tx, consumer, product, 1)
					mustInvalid(t, err)
					mustInvalid(t, b.Dequeue(ctx, tx, consumer, product, 1))
					_, err = b.Remember(ctx, tx, consumer, []store.EventKey{key("1")})
					mustInvalid(t, err)
					mustInvalid(t, b.AddDeadLetter(ctx, tx, record(consumer, 1)))
					return b.Put(ctx, tx, "key", "the transaction is usable")
				})
				for name, call := range inboxCalls(b, t.Context(), consumer) {
					if err := call(); !errors.Is(err, store.ErrInvalid) {
						t.Errorf("%s: got error %v", name, err)
					}
				}
			}
			mustHave(t, b, "key", "the transaction is usable")
			longest := strings.Repeat("c", store.MaxName)
			mustSetMarks(t, b, longest, store.Mark{Stream: product, Version: 1})
			equal(t, "mark", markOf(t, b, longest, product), 1)
		}},
		{"Reset removes all but the dead letters of the consumer, and nothing of another", func(t *testing.T, b subject[Tx]) {
			names := make(map[string]string)
			for _, consumer := range []string{"a", "b"} {
				mustSetQueue(t, b, queue(consumer, product, 1), 0)
				mustEnqueue(t, b, consumer, queued(product, 1, "1"))
				remember(t, b, consumer, key("1"))
				mustAddLetter(t, b, record(consumer, 1))
				names[consumer] = mustIncarnation(t, b, consumer)
				mustInTx(t, b, func(ctx context.Context, tx Tx) error { return b.DeleteQueue(ctx, tx, consumer, product) })
				mustSetQueue(t, b, queue(consumer, other, 1), 0)
				mustEnqueue(t, b, consumer, queued(other, 1, "1"))
				mustSetMarks(t, b, consumer, store.Mark{Stream: product, Version: 7}, store.Mark{Version: 99})
			}
			mustInTx(t, b, func(ctx context.Context, tx Tx) error {
				if err := b.SetMarks(ctx, tx, "a", []store.Mark{{Stream: other, Version: 5}}); err != nil {
					return err
				}
				if err := b.Reset(ctx, tx, "a"); err != nil {
					return err
				}
				return b.SetMarks(ctx, tx, "a", []store.Mark{{Version: 1}})
			})
			equal(t, "marks of a", marksOf(t, b, "a", product, other, store.Stream{}), []store.Mark{{Stream: product}, {Stream: other}, {Version: 1}})
			equal(t, "marks of b", marksOf(t, b, "b", product, other, store.Stream{}), []store.Mark{
				{Stream: product, Version: 7}, {Stream: other, Reason: store.Waiting}, {Version: 99},
			})
			for consumer, left := range map[string]int{"a": 0, "b": 1} {
				equal(t, "queues of "+consumer, len(mustListQueues(t, b, consumer, store.Stream{}, all)), left)
				equal(t, "queue of "+consumer, len(queueOf(t, b, consumer, other)), left)
				equal(t, "keys of "+consumer, remember(t, b, consumer, key("1")), []bool{left == 0})
				equal(t, "records of "+consumer, len(mustListLetters(t, b, consumer, 0, all)), 1)
				equal(t, "incarnation of "+consumer+" stays", mustIncarnation(t, b, consumer) == names[consumer], left == 1)
			}
		}},
		{"a Reset that rolls back forgets nothing", func(t *testing.T, b subject[Tx]) {
			mustSetMarks(t, b, "a", store.Mark{Stream: product, Version: 7})
			err := b.InTx(t.Context(), func(ctx context.Context, tx Tx) error {
				if err := b.Reset(ctx, tx, "a"); err != nil {
					t.Errorf("forget: %v", err)
				}
				return errHandler
			})
			if err != errHandler {
				t.Fatalf("got error %v", err)
			}
			equal(t, "marks", marksOf(t, b, "a", product), []store.Mark{{Stream: product, Version: 7}})
		}},
		{"the handler's own errors are not transient", func(t *testing.T, b subject[Tx]) {
			for _, err := range []error{nil, errHandler, store.ErrConflict, store.ErrInvalid, context.Canceled} {
				if b.IsTransient(err) {
					t.Errorf("%v is transient", err)
				}
			}
		}},
	}
}
