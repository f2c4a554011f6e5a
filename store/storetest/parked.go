package storetest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/eventus-go/eventus/store"
)

// parked returns a row that uses every field. NextTry and Since are the store's
// to set, and are wrong here.
func parked(id store.ConsumerID, s store.Stream) store.Parked {
	return store.Parked{
		Consumer: id, Stream: s, Hash: 1<<32 - 1, Version: 1 << 40, Position: 1 << 41, EventID: "id-é",
		Reason: store.Waiting, Error: "the handler failed: 'x' \"é\"\n\tat line 3", Attempts: 3, NextTry: noon, Since: noon,
	}
}

// because returns p with another reason.
func because(p store.Parked, reason store.Reason) store.Parked {
	p.Reason = reason
	return p
}

func mustSetParked[Tx any](t tester, b subject[Tx], retryAfter time.Duration, rows ...store.Parked) {
	t.Helper()
	mustInTx(t, b, func(ctx context.Context, tx Tx) error {
		for _, p := range rows {
			if err := b.SetParked(ctx, tx, p, retryAfter); err != nil {
				return err
			}
		}
		return nil
	})
}

func mustListParked[Tx any](t tester, b subject[Tx], id store.ConsumerID) []store.Parked {
	t.Helper()
	rows, err := b.ListParked(t.Context(), id, store.Stream{}, all)
	if err != nil {
		t.Fatalf("list parked streams of %s: %v", id.Name, err)
	}
	return rows
}

// mustDue returns the streams that are due in a segment.
func mustDue[Tx any](t tester, b subject[Tx], id store.ConsumerID, segment, segments, limit int) []store.Stream {
	t.Helper()
	rows, err := b.DueParked(t.Context(), id, segment, segments, limit)
	if err != nil {
		t.Fatalf("due streams of %s: %v", id.Name, err)
	}
	return streamsOf(rows)
}

func streamsOf(rows []store.Parked) []store.Stream {
	streams := make([]store.Stream, len(rows))
	for i, p := range rows {
		streams[i] = p.Stream
	}
	return streams
}

// findParked returns the rows as a transaction sees them, in byte order.
func findParked[Tx any](t tester, b subject[Tx], id store.ConsumerID, streams ...store.Stream) (rows []store.Parked) {
	t.Helper()
	mustInTx(t, b, func(ctx context.Context, tx Tx) (err error) {
		rows, err = b.FindParked(ctx, tx, id, streams)
		return err
	})
	slices.SortFunc(rows, func(x, y store.Parked) int { return byteOrder(x.Stream, y.Stream) })
	return rows
}

func byteOrder(x, y store.Stream) int {
	return cmp.Or(cmp.Compare(x.Category, y.Category), cmp.Compare(x.ID, y.ID))
}

// untimed returns rows without what the store's clock decides.
func untimed(rows []store.Parked) []store.Parked {
	rows = slices.Clone(rows)
	for i := range rows {
		rows[i].NextTry, rows[i].Since = time.Time{}, time.Time{}
	}
	return rows
}

func parkedClauses[Tx any]() []clause[Tx] {
	return []clause[Tx]{
		{"SetParked stores a row with every field, and replaces that of the same consumer and stream", func(t *testing.T, b subject[Tx]) {
			mustCreate(t, b, newConsumer(board, 1), newConsumer(next, 1))
			second := parked(board, product)
			second.Hash, second.Version, second.Position, second.EventID = 0, 2, 3, ""
			second.Reason, second.Error, second.Attempts = store.Forked, "", 0
			mustSetParked(t, b, time.Hour, parked(board, other), parked(next, product))
			for _, p := range []store.Parked{
				parked(board, product), second, because(parked(board, product), store.Unknown), because(second, store.Poison),
			} {
				mustSetParked(t, b, time.Hour, p)
				equal(t, "found", untimed(findParked(t, b, board, product)), untimed([]store.Parked{p}))
				equal(t, "listed", mustListParked(t, b, board)[:1], findParked(t, b, board, product))
			}
			equal(t, "another stream", untimed(findParked(t, b, board, other)), untimed([]store.Parked{parked(board, other)}))
			equal(t, "another generation", untimed(mustListParked(t, b, next)), untimed([]store.Parked{parked(next, product)}))
		}},
		{"SetParked counts NextTry from now by the database's clock, and keeps the Since of a row that exists", func(t *testing.T, b subject[Tx]) {
			mustCreate(t, b, newConsumer(board, 1))
			var since time.Time
			for i, retryAfter := range []time.Duration{0, time.Hour, 1500 * time.Millisecond} {
				var before time.Time
				mustInTx(t, b, func(ctx context.Context, tx Tx) error {
					before = clock(t, b) // the transaction may have begun long before
					return b.SetParked(ctx, tx, parked(board, product), retryAfter)
				})
				row, after := mustListParked(t, b, board)[0], clock(t, b)
				between(t, "NextTry", row.NextTry, before, after, retryAfter)
				if i == 0 {
					between(t, "Since", row.Since, before, after, 0)
					since = row.Since
				}
				equal(t, "Since", row.Since, since)
				for !clock(t, b).After(since) { // so that a Since of now is another
				}
			}
			mustInTx(t, b, func(ctx context.Context, tx Tx) error { return b.DeleteParked(ctx, tx, board, product) })
			mustSetParked(t, b, 0, parked(board, product))
			if row := mustListParked(t, b, board)[0]; !row.Since.After(since) {
				t.Fatalf("a stream that is parked again has Since %v, the row that was removed had %v", row.Since, since)
			}
		}},
		{"SetParked accepts any text as the error", func(t *testing.T, b subject[Tx]) {
			mustCreate(t, b, newConsumer(board, 1))
			for _, text := range weirdTexts {
				p := parked(board, product)
				p.Error = text
				mustSetParked(t, b, 0, p)
				mustBeLike(t, mustListParked(t, b, board)[0].Error, text)
			}
		}},
		{"SetParked refuses a stream that Stream.Check refuses", func(t *testing.T, b subject[Tx]) {
			mustCreate(t, b, newConsumer(board, 1))
			for _, s := range []store.Stream{{}, {Category: "product"}, {Category: "a b", ID: "1"}, {Category: "product", ID: "a\x00"}} {
				mustInTx(t, b, func(ctx context.Context, tx Tx) error {
					mustInvalid(t, b.SetParked(ctx, tx, parked(board, s), 0))
					return nil
				})
			}
			equal(t, "parked streams", mustListParked(t, b, board), nil)
		}},
		{"FindParked returns the rows of those of the streams that are parked, each once", func(t *testing.T, b subject[Tx]) {
			mustCreate(t, b, newConsumer(board, 1), newConsumer(mail, 1))
			var asked, want []store.Stream
			var rows []store.Parked
			for i := range 3000 {
				asked = append(asked, store.Stream{Category: "product", ID: fmt.Sprint(i)})
				if i%100 == 0 {
					rows = append(rows, parked(board, asked[i]))
					want = append(want, asked[i])
				}
			}
			for i, id := range ids {
				s := store.Stream{Category: "order", ID: id}
				if i%2 == 0 {
					rows = append(rows, parked(board, s))
					want = append(want, s)
				} else {
					rows = append(rows, parked(mail, s)) // is not this consumer's
				}
				asked = append(asked, s, s)
			}
			mustSetParked(t, b, 0, append(rows, parked(board, product))...)
			slices.SortFunc(want, byteOrder)
			equal(t, "streams", streamsOf(findParked(t, b, board, asked...)), want)
			equal(t, "rows of no stream", findParked(t, b, board), nil)
		}},
		{"DeleteParked removes the row of one stream, and removing none is not an error", func(t *testing.T, b subject[Tx]) {
			mustCreate(t, b, newConsumer(board, 1), newConsumer(next, 1))
			mustSetParked(t, b, 0, parked(board, product), parked(board, other), parked(next, product))
			for range 2 {
				mustInTx(t, b, func(ctx context.Context, tx Tx) error { return b.DeleteParked(ctx, tx, board, product) })
				equal(t, "streams", streamsOf(mustListParked(t, b, board)), []store.Stream{other})
			}
			equal(t, "streams of another generation", streamsOf(mustListParked(t, b, next)), []store.Stream{product})
		}},
		{"ListParked returns a consumer's rows in byte order of category and id, paged", func(t *testing.T, b subject[Tx]) {
			mustCreate(t, b, newConsumer(board, 1), newConsumer(next, 1))
			var want []store.Stream
			var rows []store.Parked
			for i, category := range []string{"b", "B", "a", "a-b"} {
				for _, id := range ids {
					s := store.Stream{Category: category, ID: id}
					want = append(want, s)
					rows = append(rows, because(parked(board, s), reasons[i]), parked(next, s))
				}
			}
			mustSetParked(t, b, time.Hour, rows...)
			slices.SortFunc(want, byteOrder)
			for _, limit := range []int{1, 7, all} {
				var got []store.Stream
				for after := (store.Stream{}); ; after = got[len(got)-1] {
					page, err := b.ListParked(t.Context(), board, after, limit)
					if err != nil {
						t.Fatal(err)
					}
					if len(page) == 0 {
						break
					}
					equal(t, "length of a page", len(page), min(limit, len(want)-len(got)))
					got = append(got, streamsOf(page)...)
				}
				equal(t, fmt.Sprintf("streams in pages of %d", limit), got, want)
			}
			for limit := -1; limit <= 0; limit++ {
				page, err := b.ListParked(t.Context(), board, store.Stream{}, limit)
				mustBe(t, "list", err, nil)
				equal(t, "page of none", page, nil)
			}
		}},
		{"CountParked counts the streams of each reason, with the oldest Since", func(t *testing.T, b subject[Tx]) {
			mustCreate(t, b, newConsumer(board, 1), newConsumer(next, 1))
			want := make(map[store.Reason]store.ParkedCount)
			for n, reason := range reasons {
				for i := range n {
					s := store.Stream{Category: "product", ID: fmt.Sprint(reason, i)}
					for start := clock(t, b); !clock(t, b).After(start); { // so that each Since is another
					}
					mustSetParked(t, b, time.Hour, because(parked(board, s), reason), parked(next, s))
				}
			}
			for _, p := range mustListParked(t, b, board) {
				c := want[p.Reason]
				if c.Streams++; c.Streams == 1 || p.Since.Before(c.Oldest) {
					c.Oldest = p.Since
				}
				want[p.Reason] = c
			}
			all, err := b.CountParked(t.Context(), board)
			if err != nil {
				t.Fatal(err)
			}
			got := all[board]
			equal(t, "consumers that were asked for", len(all), 1)
			equal(t, "counts", got, want)
			if all, err = b.CountParked(t.Context()); err != nil {
				t.Fatal(err)
			}
			equal(t, "all consumers", len(all), 2)
			equal(t, "counts among all", all[board], want)
			for n, reason := range reasons {
				equal(t, "streams parked as "+string(reason), got[reason].Streams, int64(n))
			}
		}},
	}
}

var reasons = []store.Reason{store.Waiting, store.Unknown, store.Poison, store.Forked}
