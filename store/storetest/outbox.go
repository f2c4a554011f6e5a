package storetest

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/eventus-go/eventus/store"
)

func outboxClauses[Tx any]() []clause[Tx] {
	return []clause[Tx]{
		{"the outbox has exactly one row for each event, in the order of positions", func(t *testing.T, b subject[Tx]) {
			mustAppend(t, b, product, store.NoStream, events("a", 3)...)
			mustAppend(t, b, other, store.NoStream, events("b", 2)...)
			mustAppend(t, b, product, store.At(3), events("c", 1)...)
			equal(t, "outbox", mustUnpublished(t, b), mustReadInOrder(t, b, product, other))
		}},
		{"a page of the outbox ends at the limit", func(t *testing.T, b subject[Tx]) {
			mustAppend(t, b, product, store.NoStream, events("a", 5)...)
			want := mustRead(t, b, product)
			for limit := -1; limit < 7; limit++ {
				equal(t, "page", messagesOf(mustLook(t, b, 0, limit)), want[:max(0, min(limit, 5))])
			}
		}},
		{"marking takes exactly the given positions off the outbox", func(t *testing.T, b subject[Tx]) {
			mustAppend(t, b, product, store.NoStream, events("a", 6)...)
			log := mustRead(t, b, product)
			mustPublish(t, b, log[4].Position, log[0].Position, log[1].Position)
			equal(t, "outbox", mustUnpublished(t, b), slices.Concat(log[2:4], log[5:]))
			equal(t, "stream", mustRead(t, b, product), log)
		}},
		{"marking twice and marking unknown positions change nothing", func(t *testing.T, b subject[Tx]) {
			mustAppend(t, b, product, store.NoStream, events("a", 3)...)
			log := mustRead(t, b, product)
			mustPublish(t, b, log[0].Position)
			mustPublish(t, b, log[0].Position, log[0].Position)
			mustPublish(t, b, -1, 0, log[2].Position+1, math.MaxInt64, math.MinInt64)
			mustPublish(t, b)
			equal(t, "outbox", mustUnpublished(t, b), log[1:])
			mustAppend(t, b, product, store.At(3), event("new"))
			equal(t, "messages in the outbox", len(mustUnpublished(t, b)), 3)
		}},
		{"a page of the outbox begins after a position, and the next one where it ends", func(t *testing.T, b subject[Tx]) {
			mustAppend(t, b, product, store.NoStream, events("a", 6)...)
			log := mustRead(t, b, product)
			mustPublish(t, b, log[0].Position, log[3].Position)
			equal(t, "page", messagesOf(mustLook(t, b, log[0].Position, all)), []store.Message{log[1], log[2], log[4], log[5]})
			equal(t, "page", messagesOf(mustLook(t, b, log[2].Position, all)), log[4:])
			var got []store.Message
			for after := int64(math.MinInt64); ; {
				page, next, err := b.Unpublished(t.Context(), after, 3)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, messagesOf(page)...)
				if after = next; len(page) == 0 {
					break
				}
			}
			equal(t, "outbox", got, []store.Message{log[1], log[2], log[4], log[5]})
		}},
		{"next passes what was published", func(t *testing.T, b subject[Tx]) {
			mustAppend(t, b, product, store.NoStream, events("a", 6)...)
			log := mustRead(t, b, product)
			mustPublish(t, b, positions(log)...)
			page, next, err := b.Unpublished(t.Context(), 0, all)
			if err != nil || len(page) > 0 || next < log[5].Position {
				t.Fatalf("%d messages, next %d, error %v, want next to be %d", len(page), next, err, log[5].Position)
			}
			mustAppend(t, b, product, store.At(6), event("new"))
			equal(t, "page", messagesOf(mustLook(t, b, next, all)), mustRead(t, b, product)[6:])
		}},
		{"a message of the outbox has the id of the event before in its stream", func(t *testing.T, b subject[Tx]) {
			mustAppend(t, b, product, store.NoStream, events("a", 2)...)
			mustAppend(t, b, other, store.NoStream, events("b", 2)...)
			mustAppend(t, b, product, store.At(2), event("c"))
			log := mustRead(t, b, product)
			mustPublish(t, b, log[0].Position, log[1].Position)
			page := mustLook(t, b, 0, all)
			got := []string{page[0].Previous, page[1].Previous, page[2].Previous}
			equal(t, "ids", got, []string{"", mustRead(t, b, other)[0].ID, log[1].ID})
		}},
		{"what was published last is kept for each place", func(t *testing.T, b subject[Tx]) {
			mustAppend(t, b, product, store.NoStream, events("a", 3)...)
			log := mustRead(t, b, product)
			keep := func(last ...store.Published) {
				t.Helper()
				if err := b.MarkPublished(t.Context(), []int64{log[0].Position}, last); err != nil {
					t.Fatal(err)
				}
			}
			p2 := store.Published{Place: "place 2", Topic: "product", Position: log[0].Position, MessageID: log[0].ID, Token: "12", Floor: 7}
			p1 := store.Published{Place: "place 1", Topic: "order", Position: log[1].Position, MessageID: log[1].ID}
			keep(p2, p1)
			mustKeep(t, b, p1, p2)
			p2.Position, p2.MessageID, p2.Token, p2.Floor = log[2].Position, log[2].ID, "15", 0
			keep(p2)
			mustKeep(t, b, p1, p2)
			mustPublish(t, b, log[1].Position)
			mustKeep(t, b, p1, p2)
			if b.Reopen != nil {
				mustKeep(t, mustBeSubject(t, b.Reopen(t)), p1, p2)
			}
		}},
		{"the checkpoints of a place stay until others are given", func(t *testing.T, b subject[Tx]) {
			keep := func(last ...store.Published) {
				t.Helper()
				if err := b.MarkPublished(t.Context(), nil, last); err != nil {
					t.Fatal(err)
				}
			}
			p1 := store.Published{Place: "place 1", Topic: "order", Position: 9, MessageID: "i", Token: "9", Checkpoints: []store.Checkpoint{
				{Position: 4, MessageID: "d", Token: "4"}, {Position: 3, MessageID: "c", Token: "5"}, {Position: 8, MessageID: "h", Token: "8"}}}
			p2 := store.Published{Place: "place 2", Topic: "order", Position: 7, MessageID: "g", Token: "7", Checkpoints: []store.Checkpoint{{MessageID: "a", Token: "1"}}}
			keep(p1, p2)
			mustKeep(t, b, p1, p2)
			without := p1
			without.Position, without.Checkpoints = 10, nil
			keep(without)
			p1.Position = 10
			mustKeep(t, b, p1, p2)
			p1.Checkpoints = []store.Checkpoint{{Position: 10, MessageID: "j", Token: "10"}}
			keep(p1)
			mustKeep(t, b, p1, p2)
			p2.Checkpoints = []store.Checkpoint{}
			keep(p2)
			p2.Checkpoints = nil
			mustKeep(t, b, p1, p2)
			if b.Reopen != nil {
				mustKeep(t, mustBeSubject(t, b.Reopen(t)), p1, p2)
			}
		}},
		{"the time of what was published is the one that is given, or else the store's", func(t *testing.T, b subject[Tx]) {
			at := time.Date(2020, 2, 3, 4, 5, 6, 7000, time.UTC)
			keep := func(at time.Time) store.Published {
				t.Helper()
				p := store.Published{Place: "place", Topic: "order", Position: 2, MessageID: "b", Token: "2", Time: at,
					Checkpoints: []store.Checkpoint{{Position: 1, MessageID: "a", Token: "1", Time: at}}}
				if err := b.MarkPublished(t.Context(), nil, []store.Published{p}); err != nil {
					t.Fatal(err)
				}
				all, err := b.Published(t.Context())
				if err != nil || len(all) != 1 || len(all[0].Checkpoints) != 1 {
					t.Fatalf("published: %+v, %v", all, err)
				}
				return all[0]
			}
			p := keep(at)
			equal(t, "times", []time.Time{p.Time, p.Checkpoints[0].Time}, []time.Time{at, at})
			p = keep(time.Time{})
			if day := 24 * time.Hour; time.Since(p.Time).Abs() > day || time.Since(p.Checkpoints[0].Time).Abs() > day {
				t.Errorf("it was published at %v, and its checkpoint at %v", p.Time, p.Checkpoints[0].Time)
			}
		}},
		{"a relay that goes on at next loses and repeats nothing while writers append", drainsOnce[Tx]},
	}
}

// mustKeep checks what Published gives.
func mustKeep(t tester, b store.Outbox, want ...store.Published) {
	t.Helper()
	got, err := b.Published(t.Context())
	if err != nil {
		t.Fatalf("published: %v", err)
	}
	for i := range got {
		if got[i].Time.Before(time.Unix(1, 0)) {
			t.Fatalf("it was published at %v", got[i].Time)
		}
		got[i].Time = time.Time{}
		for j := range got[i].Checkpoints {
			got[i].Checkpoints[j].Time = time.Time{}
		}
	}
	equal(t, "published", got, want)
}

func drainsOnce[Tx any](t *testing.T, b subject[Tx]) {
	const writers, appends = 4, 40
	done := make(chan struct{})
	var writing, relay sync.WaitGroup
	var sent []store.Message
	relay.Go(func() {
		after := int64(0)
		for last := false; ; {
			page, next, err := b.Unpublished(t.Context(), after, 16)
			if err != nil {
				t.Errorf("read the outbox: %v", err)
				return
			}
			if err := b.MarkPublished(t.Context(), positions(messagesOf(page)), nil); err != nil {
				t.Errorf("mark: %v", err)
				return
			}
			sent = append(sent, messagesOf(page)...)
			if after = next; len(page) > 0 {
				continue
			}
			if last {
				return
			}
			select {
			case <-done:
				last = true
			default:
			}
		}
	})
	for w := range writers {
		writing.Go(func() {
			// Two streams, of which one is shared: only in different streams does a
			// smaller position commit after a greater one.
			for i := range appends {
				s := product
				if i%2 == 0 {
					s.ID = fmt.Sprint("own-", w)
				}
				if _, err := b.Append(t.Context(), s, store.Any, events("e", 2)); err != nil {
					t.Errorf("append: %v", err)
					return
				}
			}
		})
	}
	writing.Wait()
	close(done)
	relay.Wait()
	equal(t, "messages sent", len(sent), writers*appends*2)
	streams := make(map[store.Stream][]store.Message)
	for _, m := range sent {
		streams[m.Stream] = append(streams[m.Stream], m)
	}
	for _, messages := range streams {
		noHoles(t, messages)
	}
	equal(t, "messages left", len(mustUnpublished(t, b)), 0)
}
