package storetest

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/eventus-go/eventus/store"
)

// tester is what the helpers need of *testing.T, *testing.B and *rapid.T.
type tester interface {
	Helper()
	Context() context.Context
	Fatalf(format string, args ...any)
}

// all is a limit that no test's data reaches.
const all = 1 << 20

func mustAppend(t tester, b store.Store, s store.Stream, expected store.Expected, events ...store.Event) int64 {
	t.Helper()
	version, err := b.Append(t.Context(), s, expected, events)
	if err != nil {
		t.Fatalf("append %d events to %s: %v", len(events), s, err)
	}
	return version
}

func mustRead(t tester, b store.Reader, s store.Stream) []store.Message {
	t.Helper()
	messages, err := b.Read(t.Context(), s, 0, all)
	if err != nil {
		t.Fatalf("read %s: %v", s, err)
	}
	return messages
}

func mustReadAll(t tester, b store.Log) []store.Message {
	t.Helper()
	messages, err := b.ReadAll(t.Context(), 0, all)
	if err != nil {
		t.Fatalf("read the log: %v", err)
	}
	return messages
}

func mustUnpublished(t tester, b store.Outbox) []store.Message {
	t.Helper()
	return messagesOf(mustLook(t, b, 0, all))
}

// mustLook returns a page of the outbox.
func mustLook(t tester, b store.Outbox, after int64, limit int) []store.Outgoing {
	t.Helper()
	page, next, err := b.Unpublished(t.Context(), after, limit)
	if err != nil {
		t.Fatalf("read the outbox after %d: %v", after, err)
	}
	for i := range page {
		if last := page[i].Position; last <= after || last > next {
			t.Fatalf("position %d in the page after %d, whose next is %d", last, after, next)
		}
	}
	if next < after {
		t.Fatalf("a look after %d goes on at %d", after, next)
	}
	return page
}

func messagesOf(page []store.Outgoing) []store.Message {
	var messages []store.Message
	for _, m := range page {
		messages = append(messages, m.Message)
	}
	return messages
}

func mustPublish(t tester, b store.Outbox, positions ...int64) {
	t.Helper()
	if err := b.MarkPublished(t.Context(), positions, nil); err != nil {
		t.Fatalf("mark %v as published: %v", positions, err)
	}
}

// mustInTx runs f in a transaction that must commit.
func mustInTx[Tx any](t tester, b subject[Tx], f func(ctx context.Context, tx Tx) error) {
	t.Helper()
	if err := b.InTx(t.Context(), f); err != nil {
		t.Fatalf("transaction: %v", err)
	}
}

// marksOf returns the committed marks.
func marksOf[Tx any](t tester, b subject[Tx], consumer string, streams ...store.Stream) (marks []store.Mark) {
	t.Helper()
	mustInTx(t, b, func(ctx context.Context, tx Tx) (err error) {
		marks, err = b.Marks(ctx, tx, consumer, streams)
		return err
	})
	return marks
}

func markOf[Tx any](t tester, b subject[Tx], consumer string, s store.Stream) int64 {
	t.Helper()
	return marksOf(t, b, consumer, s)[0].Version
}

// mustConflict checks that err is the one error for a lost race, or for a stream at
// the expected version with another event.
func mustConflict(t tester, err error, s store.Stream, expected store.Expected, actual int64) {
	t.Helper()
	var conflict *store.ConflictError
	if !errors.As(err, &conflict) || !errors.Is(err, store.ErrConflict) {
		t.Fatalf("got error %v, want a *store.ConflictError", err)
	}
	equal(t, "conflict", *conflict, store.ConflictError{Stream: s, Expected: expected, Actual: actual,
		Forked: expected.EventID != "" && expected.Version == actual})
}

func mustBe(t tester, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%s: got error %v, want %v", what, err, want)
	}
}

func mustInvalid(t tester, err error) {
	t.Helper()
	var invalid *store.InvalidError
	if !errors.As(err, &invalid) || !errors.Is(err, store.ErrInvalid) {
		t.Fatalf("got error %v, want a *store.InvalidError", err)
	}
}

// mustHoldOnly checks that product has these events, and that nothing else is in
// the whole log and in the outbox, where the store has them.
func mustHoldOnly[Tx any](t tester, b subject[Tx], events ...store.Event) {
	t.Helper()
	want := page(product, 0, events)
	equalMessages(t, "stream", mustRead(t, b, product), want)
	if b.Log != nil {
		equalMessages(t, "log", mustReadAll(t, b.Log), want)
	}
	if b.Outbox != nil {
		equalMessages(t, "outbox", mustUnpublished(t, b), want)
	}
}

// mustReadInOrder returns the messages of streams in the order of positions.
func mustReadInOrder(t tester, b store.Reader, streams ...store.Stream) []store.Message {
	t.Helper()
	var messages []store.Message
	for _, s := range streams {
		messages = append(messages, mustRead(t, b, s)...)
	}
	slices.SortFunc(messages, func(x, y store.Message) int { return cmp.Compare(x.Position, y.Position) })
	return messages
}
