package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/eventus-go/eventus/store"
)

func mustRefuse(t tester, b store.Outbox, position int64, reason string, pause time.Duration) {
	t.Helper()
	if err := b.Refuse(t.Context(), position, reason, pause); err != nil {
		t.Fatalf("refuse %d: %v", position, err)
	}
}

func mustReadmit(t tester, b store.Outbox, all bool) int64 {
	t.Helper()
	first, err := b.Readmit(t.Context(), all)
	if err != nil {
		t.Fatalf("readmit: %v", err)
	}
	return first
}

func mustRefused(t tester, b store.Outbox, after int64, limit int) []store.Refused {
	t.Helper()
	page, err := b.Refused(t.Context(), after, limit)
	if err != nil {
		t.Fatalf("refused: %v", err)
	}
	return page
}

func refusedClauses[Tx any]() []clause[Tx] {
	return []clause[Tx]{
		{"a refused message waits, the later ones of its stream with it, and no other", func(t *testing.T, b subject[Tx]) {
			mustAppend(t, b, product, store.NoStream, events("a", 4)...)
			mustAppend(t, b, other, store.NoStream, events("b", 2)...)
			log, others := mustRead(t, b, product), mustRead(t, b, other)
			mustRefuse(t, b, log[1].Position, "too large", time.Hour)
			equal(t, "outbox", mustUnpublished(t, b), slices.Concat(log[:1], others))
			mustAppend(t, b, product, store.At(4), event("later"))
			equal(t, "outbox", mustUnpublished(t, b), slices.Concat(log[:1], others))
			equal(t, "page", messagesOf(mustLook(t, b, others[0].Position, all)), others[1:])
			mustPublish(t, b, log[1].Position)
			equal(t, "outbox after all", len(mustUnpublished(t, b)), 6)
			equal(t, "refused", mustRefused(t, b, 0, all), []store.Refused{})
		}},
		{"a refused message tells why, when and how often", func(t *testing.T, b subject[Tx]) {
			mustAppend(t, b, product, store.NoStream, events("a", 3)...)
			mustAppend(t, b, other, store.NoStream, events("b", 1)...)
			log := mustReadInOrder(t, b, product, other)
			mustRefuse(t, b, log[3].Position, "not allowed", time.Minute)
			mustRefuse(t, b, log[1].Position, "too large", time.Hour)
			mustRefuse(t, b, log[1].Position, "still too large", 2*time.Hour)
			all := mustRefused(t, b, 0, all)
			for i, want := range []store.Refused{
				{Message: log[1], Error: "still too large", Attempts: 2},
				{Message: log[3], Error: "not allowed", Attempts: 1},
			} {
				want.Since, want.RetryAt = all[i].Since, all[i].Since.Add([]time.Duration{2 * time.Hour, time.Minute}[i])
				if d := all[i].RetryAt.Sub(want.RetryAt).Abs(); d < time.Second {
					want.RetryAt = all[i].RetryAt // two readings of one clock
				}
				equal(t, "refused", all[i], want)
			}
			equal(t, "page", mustRefused(t, b, 0, 1), all[:1])
			equal(t, "page", mustRefused(t, b, log[1].Position, 7), all[1:])
			equal(t, "page", mustRefused(t, b, 0, 0), []store.Refused{})
		}},
		{"Readmit takes back what is due, or all, and attempts are counted on", func(t *testing.T, b subject[Tx]) {
			mustAppend(t, b, product, store.NoStream, events("a", 2)...)
			mustAppend(t, b, other, store.NoStream, events("b", 2)...)
			log := mustReadInOrder(t, b, product, other)
			equal(t, "first", mustReadmit(t, b, true), 0)
			mustRefuse(t, b, log[0].Position, "too large", time.Hour)
			mustRefuse(t, b, log[2].Position, "too large", 0)
			for first := int64(0); first == 0; { // until the store's clock has moved on
				if first = mustReadmit(t, b, false); first != 0 {
					equal(t, "first", first, log[2].Position)
				}
			}
			equal(t, "outbox", mustUnpublished(t, b), log[2:])
			equal(t, "first", mustReadmit(t, b, true), log[0].Position)
			page := mustLook(t, b, 0, all)
			equal(t, "outbox", messagesOf(page), log)
			equal(t, "attempts", []int{page[0].Attempts, page[1].Attempts, page[2].Attempts}, []int{1, 0, 1})
			equal(t, "first", mustReadmit(t, b, true), 0)
		}},
		{"refusing what is not in the outbox changes nothing", func(t *testing.T, b subject[Tx]) {
			mustAppend(t, b, product, store.NoStream, events("a", 2)...)
			log := mustRead(t, b, product)
			mustPublish(t, b, log[0].Position)
			for _, position := range []int64{-1, 0, log[0].Position, log[1].Position + 1} {
				mustRefuse(t, b, position, "too large", 0)
			}
			equal(t, "refused", mustRefused(t, b, 0, all), []store.Refused{})
			equal(t, "outbox", mustUnpublished(t, b), log[1:])
		}},
	}
}
