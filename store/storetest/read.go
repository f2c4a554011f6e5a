package storetest

import (
	"math"
	"testing"

	"github.com/eventus-go/eventus/store"
)

func readClauses[Tx any]() []clause[Tx] {
	return []clause[Tx]{
		{"a stream without events gives an empty page and no error", func(t *testing.T, b Backend[Tx]) {
			mustAppend(t, b, other, store.NoStream, event("a"))
			equal(t, "page", mustRead(t, b, product), []store.Message{})
		}},
		{"a page has exactly what lies after and up to the limit", func(t *testing.T, b Backend[Tx]) {
			const n = 7
			batch := events("e", n)
			mustAppend(t, b, other, store.NoStream, events("noise", 2)...)
			mustAppend(t, b, product, store.NoStream, batch...)
			mustAppend(t, b, other, 2, events("noise", 2)...)
			for after := range n + 2 {
				for limit := range n + 3 {
					got, err := b.Read(t.Context(), product, int64(after), limit)
					if err != nil {
						t.Fatal(err)
					}
					from, to := min(after, n), min(after+limit, n)
					equalMessages(t, "page", got, page(product, int64(from), batch[from:to]))
				}
			}
		}},
		{"versions and limits beyond all bounds are harmless", func(t *testing.T, b Backend[Tx]) {
			mustAppend(t, b, product, store.NoStream, events("e", 3)...)
			for _, c := range []struct {
				after int64
				limit int
				want  int
			}{
				{math.MinInt64, math.MaxInt, 3}, {-1, 2, 2}, {math.MaxInt64, 10, 0}, {0, 0, 0}, {0, -1, 0}, {0, math.MinInt, 0},
			} {
				one, err := b.Read(t.Context(), product, c.after, c.limit)
				if err != nil {
					t.Fatal(err)
				}
				whole, err := b.ReadAll(t.Context(), c.after, c.limit)
				if err != nil {
					t.Fatal(err)
				}
				if len(one) != c.want || len(whole) != c.want {
					t.Fatalf("after %d up to %d: %d of the stream and %d of the log, want %d", c.after, c.limit, len(one), len(whole), c.want)
				}
			}
			unpublished, err := b.Unpublished(t.Context(), -1)
			if err != nil || len(unpublished) != 0 {
				t.Fatalf("unpublished up to -1: %d messages, error %v", len(unpublished), err)
			}
		}},
		{"a read sees every append that has returned", func(t *testing.T, b Backend[Tx]) {
			for i := range int64(50) {
				mustAppend(t, b, product, store.Expected(i), event("x"))
				got, err := b.Read(t.Context(), product, i, 10)
				if err != nil || len(got) != 1 {
					t.Fatalf("after append %d: %d messages, error %v", i+1, len(got), err)
				}
			}
		}},
	}
}
