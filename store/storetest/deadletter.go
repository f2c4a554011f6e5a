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

// letter returns a dead letter whose message uses every field.
func letter(consumer string, s store.Stream, version int64) store.DeadLetter {
	return store.DeadLetter{
		Consumer: consumer,
		Message:  store.Message{Event: event(fmt.Sprint(version)), Stream: s, Version: version, Position: 1000 + version},
		Error:    "poison",
		Attempts: 5,
		ParkedAt: noon.Add(time.Hour),
	}
}

// keptLetter returns letter as a store gives it back.
func keptLetter(consumer string, s store.Stream, version int64) store.DeadLetter {
	d := letter(consumer, s, version)
	d.Message.Time = time.UnixMicro(d.Message.Time.UnixMicro()).UTC()
	d.ParkedAt = time.UnixMicro(d.ParkedAt.UnixMicro()).UTC()
	return d
}

func mustPark[Tx any](t tester, b subject[Tx], d store.DeadLetter) {
	t.Helper()
	mustInTx(t, b, func(ctx context.Context, tx Tx) error { return b.Park(ctx, tx, d) })
}

func parkedOf[Tx any](t tester, b subject[Tx], consumer string, s store.Stream) (letters []store.DeadLetter) {
	t.Helper()
	mustInTx(t, b, func(ctx context.Context, tx Tx) (err error) {
		letters, err = b.Parked(ctx, tx, consumer, s, all)
		return err
	})
	return letters
}

func mustParkedStreams[Tx any](t tester, b subject[Tx], consumer string, after store.Stream, limit int) []store.DeadLetter {
	t.Helper()
	letters, err := b.ParkedStreams(t.Context(), consumer, after, limit)
	if err != nil {
		t.Fatalf("parked streams of %s: %v", consumer, err)
	}
	return letters
}

func deadLetterClauses[Tx any]() []clause[Tx] {
	return []clause[Tx]{
		{"dead letters come back whole, in ascending order of version, up to the limit", func(t *testing.T, b subject[Tx]) {
			for _, v := range []int64{11, 9, 10, 100} {
				mustPark(t, b, letter("c", product, v))
			}
			mustPark(t, b, letter("c", other, 1))
			mustPark(t, b, letter("d", product, 2))
			want := []store.DeadLetter{
				keptLetter("c", product, 9), keptLetter("c", product, 10), keptLetter("c", product, 11), keptLetter("c", product, 100),
			}
			mustInTx(t, b, func(ctx context.Context, tx Tx) error {
				for limit := -1; limit < 6; limit++ {
					got, err := b.Parked(ctx, tx, "c", product, limit)
					if err != nil {
						return err
					}
					equal(t, "letters", got, want[:max(0, min(limit, 4))])
				}
				return nil
			})
		}},
		{"a letter parked twice stays as it is, but a newer error and its attempts replace the old", func(t *testing.T, b subject[Tx]) {
			queued := letter("c", product, 3)
			queued.Error, queued.Attempts = "", 0
			mustPark(t, b, queued)
			want := keptLetter("c", product, 3)
			want.Error, want.Attempts = "", 0
			equal(t, "letters", parkedOf(t, b, "c", product), []store.DeadLetter{want})

			failed := letter("c", product, 3)
			failed.Message.Event = event("another")
			failed.ParkedAt = noon.Add(2 * time.Hour)
			failed.Error, failed.Attempts = "worse", 8
			mustPark(t, b, failed)
			want.Error, want.Attempts = "worse", 8
			equal(t, "letters", parkedOf(t, b, "c", product), []store.DeadLetter{want})

			mustPark(t, b, queued)
			equal(t, "letters", parkedOf(t, b, "c", product), []store.DeadLetter{want})
		}},
		{"Unpark removes one letter, and removing none is no error", func(t *testing.T, b subject[Tx]) {
			mustPark(t, b, letter("c", product, 1))
			mustPark(t, b, letter("c", product, 2))
			unpark := func(consumer string, s store.Stream, version int64) {
				mustInTx(t, b, func(ctx context.Context, tx Tx) error { return b.Unpark(ctx, tx, consumer, s, version) })
			}
			unpark("c", product, 3)
			unpark("c", other, 1)
			unpark("d", product, 1)
			equal(t, "letters", len(parkedOf(t, b, "c", product)), 2)
			unpark("c", product, 1)
			unpark("c", product, 1)
			equal(t, "letters", parkedOf(t, b, "c", product), []store.DeadLetter{keptLetter("c", product, 2)})
			equal(t, "marks", marksOf(t, b, "c", product), []store.Mark{{Stream: product, Parked: true}})
			unpark("c", product, 2)
			equal(t, "marks", marksOf(t, b, "c", product), []store.Mark{{Stream: product}})
			equal(t, "streams", mustParkedStreams(t, b, "c", store.Stream{}, all), []store.DeadLetter{})
		}},
		{"ParkedStreams gives each stream's oldest letter, paged in byte order", func(t *testing.T, b subject[Tx]) {
			var want []store.DeadLetter
			for _, category := range []string{"b", "B", "a", "a-b"} {
				for _, id := range ids {
					s := store.Stream{Category: category, ID: id}
					want = append(want, keptLetter("c", s, 7))
					mustInTx(t, b, func(ctx context.Context, tx Tx) error {
						for _, v := range []int64{8, 7, 9} {
							if err := b.Park(ctx, tx, letter("c", s, v)); err != nil {
								return err
							}
						}
						return b.Park(ctx, tx, letter("another", s, 1))
					})
				}
			}
			slices.SortFunc(want, func(x, y store.DeadLetter) int {
				return cmp.Or(cmp.Compare(x.Message.Stream.Category, y.Message.Stream.Category), cmp.Compare(x.Message.Stream.ID, y.Message.Stream.ID))
			})
			for _, limit := range []int{1, 7, all} {
				var got []store.DeadLetter
				for after := (store.Stream{}); ; after = got[len(got)-1].Message.Stream {
					page := mustParkedStreams(t, b, "c", after, limit)
					if len(page) == 0 {
						break
					}
					equal(t, "length of a page", len(page), min(limit, len(want)-len(got)))
					got = append(got, page...)
				}
				equal(t, fmt.Sprintf("streams in pages of %d", limit), got, want)
			}
			equal(t, "page of none", mustParkedStreams(t, b, "c", store.Stream{}, -1), []store.DeadLetter{})
		}},
		{"a store keeps nothing of a letter that it is given, and shares nothing of one that it gives", func(t *testing.T, b subject[Tx]) {
			d := letter("c", product, 1)
			mustInTx(t, b, func(ctx context.Context, tx Tx) error {
				defer spoil(&d.Message.Event) // before the commit
				return b.Park(ctx, tx, d)
			})
			for range 2 {
				for _, letters := range [][]store.DeadLetter{parkedOf(t, b, "c", product), mustParkedStreams(t, b, "c", store.Stream{}, all)} {
					equal(t, "letters", letters, []store.DeadLetter{keptLetter("c", product, 1)})
					spoil(&letters[0].Message.Event)
				}
			}
		}},
		{"an error of any text can be parked", func(t *testing.T, b subject[Tx]) {
			for i, text := range []string{"broken \xff UTF-8", "a NUL \x00 inside", "lines\r\n\tand 'quotes' \"🛒\""} {
				d := letter("c", product, int64(i)+1)
				d.Error = text
				mustPark(t, b, d)
				if got := parkedOf(t, b, "c", product)[i].Error; len(got) < len("broken ") || got[:5] != text[:5] {
					t.Fatalf("parked %q, got back %q", text, got)
				}
			}
		}},
	}
}
