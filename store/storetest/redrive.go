package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/eventus-go/eventus/store"
)

// redriveClauses are about parked streams whose time has come.
func redriveClauses[Tx any]() []clause[Tx] {
	return []clause[Tx]{
		{"DueParked returns the streams that are retried by themselves and whose NextTry has come", func(t *testing.T, b subject[Tx]) {
			mustCreate(t, b, newConsumer(board, 1), newConsumer(next, 1))
			stream := func(name string, reason store.Reason) store.Stream {
				return store.Stream{Category: "product", ID: name + " " + string(reason)}
			}
			for _, reason := range reasons {
				mustSetParked(t, b, 0, because(parked(board, stream("now", reason)), reason))
				mustSetParked(t, b, time.Hour, because(parked(board, stream("later", reason)), reason))
				mustSetParked(t, b, 0, because(parked(next, stream("another generation", reason)), reason))
			}
			equal(t, "due", mustDue(t, b, board, 0, 1, all), []store.Stream{stream("now", store.Waiting), stream("now", store.Unknown)},
				anyOrder)
			mustSetParked(t, b, time.Hour, because(parked(board, stream("now", store.Waiting)), store.Waiting))
			equal(t, "due", mustDue(t, b, board, 0, 1, all), []store.Stream{stream("now", store.Unknown)})
		}},
		{"DueParked begins with the earliest NextTry, up to the limit", func(t *testing.T, b subject[Tx]) {
			mustCreate(t, b, newConsumer(board, 1))
			var want []store.Stream
			for _, i := range []int{3, 0, 4, 1, 2} {
				s := store.Stream{Category: "product", ID: fmt.Sprint((i * 3) % 5)}
				mustSetParked(t, b, time.Duration(i-10)*time.Minute, parked(board, s))
			}
			for i := range 5 {
				want = append(want, store.Stream{Category: "product", ID: fmt.Sprint((i * 3) % 5)})
			}
			for limit := -1; limit < 7; limit++ {
				equal(t, fmt.Sprintf("due, limit %d", limit), mustDue(t, b, board, 0, 1, limit), want[:max(0, min(limit, 5))])
			}
		}},
		{"DueParked returns the streams whose hash modulo segments is the segment", func(t *testing.T, b subject[Tx]) {
			mustCreate(t, b, newConsumer(board, 1))
			hashes := []uint32{0, 1, 2, 3, 4, 5, 1<<31 - 1, 1 << 31, 1<<31 + 1, 1<<32 - 2, 1<<32 - 1}
			stream := func(hash uint32) store.Stream { return store.Stream{Category: "product", ID: fmt.Sprint(hash)} }
			for _, hash := range hashes {
				p := parked(board, stream(hash))
				p.Hash = hash
				mustSetParked(t, b, 0, p)
			}
			for _, segments := range []int{1, 2, 3, store.MaxSegments} {
				for segment := range segments {
					if segment >= 8 && segment < segments-8 {
						continue
					}
					var want []store.Stream
					for _, hash := range hashes {
						if hash%uint32(segments) == uint32(segment) {
							want = append(want, stream(hash))
						}
					}
					equal(t, fmt.Sprintf("due in segment %d of %d", segment, segments), mustDue(t, b, board, segment, segments, all), want, anyOrder)
				}
			}
		}},
		{"RedriveParked makes a stream waiting and due at once with no attempts counted, whatever its reason", func(t *testing.T, b subject[Tx]) {
			mustCreate(t, b, newConsumer(board, 1), newConsumer(next, 1))
			mustSetParked(t, b, time.Hour, parked(board, other), parked(next, product))
			for _, reason := range reasons {
				mustSetParked(t, b, time.Hour, because(parked(board, product), reason))
				want := mustListParked(t, b, board)
				want[0].Reason, want[0].Attempts = store.Waiting, 0
				var before time.Time
				mustInTx(t, b, func(ctx context.Context, tx Tx) error {
					before = clock(t, b)
					n, err := b.RedriveParked(ctx, tx, board, product)
					equal(t, "rows", n, 1)
					return err
				})
				got := mustListParked(t, b, board)
				between(t, "NextTry", got[0].NextTry, before, clock(t, b), 0)
				want[0].NextTry = got[0].NextTry
				equal(t, "parked streams", got, want)
				equal(t, "due", mustDue(t, b, board, 0, 1, all), []store.Stream{product})
			}
			equal(t, "due in another generation", mustDue(t, b, next, 0, 1, all), nil)
			mustInTx(t, b, func(ctx context.Context, tx Tx) error {
				n, err := b.RedriveParked(ctx, tx, board, store.Stream{Category: "product", ID: "not parked"})
				equal(t, "rows of a stream that is not parked", n, 0)
				return err
			})
		}},
		{"RedriveParked with the zero Stream takes all streams of the consumer that are not forked", func(t *testing.T, b subject[Tx]) {
			mustCreate(t, b, newConsumer(board, 1), newConsumer(mail, 1))
			var redriven []store.Stream
			var forked store.Stream
			for _, reason := range reasons {
				s := store.Stream{Category: "product", ID: string(reason)}
				mustSetParked(t, b, time.Hour, because(parked(board, s), reason), because(parked(mail, s), reason))
				if reason == store.Forked {
					forked = s
				} else {
					redriven = append(redriven, s)
				}
			}
			kept, theirs := findParked(t, b, board, forked), mustListParked(t, b, mail)
			mustInTx(t, b, func(ctx context.Context, tx Tx) error {
				n, err := b.RedriveParked(ctx, tx, board, store.Stream{})
				equal(t, "rows", n, 3)
				return err
			})
			equal(t, "due", mustDue(t, b, board, 0, 1, all), redriven, anyOrder)
			for _, p := range findParked(t, b, board, redriven...) {
				equal(t, "attempts of "+p.Stream.ID, p.Attempts, 0)
				equal(t, "reason of "+p.Stream.ID, p.Reason, store.Waiting)
			}
			equal(t, "forked stream", findParked(t, b, board, forked), kept)
			equal(t, "streams of another consumer", mustListParked(t, b, mail), theirs)
		}},
		{"RetryParked makes the unknown streams of a segment due at once, and those that wait for longer than they should", func(t *testing.T, b subject[Tx]) {
			mustCreate(t, b, newConsumer(board, 1), newConsumer(mail, 1), newConsumer(next, 1))
			for _, reason := range reasons {
				for hash := range uint32(4) {
					for name, retryAfter := range map[string]time.Duration{"soon": time.Minute, "late": time.Hour} {
						p := because(parked(board, store.Stream{Category: "product", ID: fmt.Sprint(reason, hash, name)}), reason)
						p.Hash = 1<<32 - 4 + hash
						mustSetParked(t, b, retryAfter, p)
						for _, id := range []store.ConsumerID{mail, next} {
							p.Consumer = id
							mustSetParked(t, b, retryAfter, p)
						}
					}
				}
			}
			want, theirs, generation := mustListParked(t, b, board), mustListParked(t, b, mail), mustListParked(t, b, next)
			var before time.Time
			mustInTx(t, b, func(ctx context.Context, tx Tx) error {
				before = clock(t, b)
				n, err := b.RetryParked(ctx, tx, board, 1, 4, 30*time.Minute)
				equal(t, "rows", n, 3)
				return err
			})
			got := mustListParked(t, b, board)
			for i, p := range want {
				if p.Hash%4 == 1 && (p.Reason == store.Unknown || p.Stream.ID == "waiting1late") {
					between(t, "NextTry", got[i].NextTry, before, clock(t, b), 0)
					want[i].NextTry = got[i].NextTry
				}
			}
			equal(t, "parked streams", got, want)
			equal(t, "streams of another consumer", mustListParked(t, b, mail), theirs)
			equal(t, "streams of another generation", mustListParked(t, b, next), generation)
		}},
	}
}
