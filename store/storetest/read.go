package storetest

import (
	"math"
	"testing"

	"github.com/eventus-go/eventus/store"
)

func readClauses[Tx any]() []clause[Tx] {
	return []clause[Tx]{
		{"a stream without events gives an empty page and no error", func(t *testing.T, b subject[Tx]) {
			mustAppend(t, b, other, store.NoStream, event("a"))
			equal(t, "page", mustRead(t, b, product), []store.Message{})
		}},
		{"a page has exactly what lies after and up to the limit", func(t *testing.T, b subject[Tx]) {
			const n = 7
			batch := events("e", n)
			mustAppend(t, b, other, store.NoStream, events("noise", 2)...)
			mustAppend(t, b, product, store.NoStream, batch...)
			mustAppend(t, b, other, store.At(2), events("noise", 2)...)
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
		{"versions and limits beyond all bounds are harmless", func(t *testing.T, b subject[Tx]) {
			mustAppend(t, b, product, store.NoStream, events("e", 3)...)
			for _, c := range []struct {
				after int64
				limit int
				want  int
			}{
				{math.MinInt64, math.MaxInt, 3}, {-1, 2, 2}, {math.MaxInt64, 10, 0}, {0, 0, 0}, {0, -1, 0}, {0, math.MinInt, 0},
			} {
				got, err := b.Read(t.Context(), product, c.after, c.limit)
				if err != nil || len(got) != c.want {
					t.Fatalf("after %d up to %d: %d messages, error %v, want %d", c.after, c.limit, len(got), err, c.want)
				}
				if b.Log != nil {
					got, err := b.Log.ReadAll(t.Context(), c.after, c.limit)
					if err != nil || len(got) != c.want {
						t.Fatalf("after %d up to %d of the log: %d messages, error %v, want %d", c.after, c.limit, len(got), err, c.want)
					}
				}
			}
		}},
		{"a read sees every append that has returned", func(t *testing.T, b subject[Tx]) {
			for i := range int64(50) {
				mustAppend(t, b, product, store.At(i), event("x"))
				got, err := b.Read(t.Context(), product, i, 10)
				if err != nil || len(got) != 1 {
					t.Fatalf("after append %d: %d messages, error %v", i+1, len(got), err)
				}
			}
		}},
	}
}
