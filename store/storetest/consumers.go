package storetest

import (
	"cmp"
	"context"
	"slices"
	"testing"
	"time"

	"github.com/eventus-go/eventus/store"
)

var (
	board = store.ConsumerID{Name: "board"}
	// next is the generation of board that is built beside it.
	next = store.ConsumerID{Name: "board", Generation: 1}
	mail = store.ConsumerID{Name: "mail"}
)

// newConsumer returns a consumer that nobody has worked on.
func newConsumer(id store.ConsumerID, segments int) store.Consumer {
	return store.Consumer{
		ConsumerID: id,
		Categories: []string{"order", "product"},
		Start:      "beginning",
		CreatedAt:  noon,
		Segments:   make([]store.Segment, segments),
	}
}

// busyConsumer returns a consumer that uses every field but RenamedTo.
func busyConsumer(id store.ConsumerID) store.Consumer {
	c := newConsumer(id, 3)
	c.Paused, c.MeetAt, c.NextSegments, c.Rebuild = true, 1<<40, 4, 1<<41
	for i := range c.Segments {
		n := int64(i) + 1
		c.Segments[i] = store.Segment{
			Progress: store.Progress{
				Position: 1<<40 + n, EventID: "id-1", Trying: 1<<40 + n + 1, Tries: i + 2,
				Forked: "the event there is another: \"é\", 'x'",
			},
			Owner: "a host/1 'é'", Epoch: 1<<40 + n, LeaseUntil: noon.Add(time.Duration(n) * time.Hour),
		}
	}
	for _, name := range []string{"b", "B", "a/é 'x'", "a"} {
		c.Members = append(c.Members, store.Member{Name: name, Program: "program of " + name, Until: noon.Add(time.Minute)})
	}
	return c
}

// keptConsumer returns c as a store gives it back.
func keptConsumer(c store.Consumer) store.Consumer {
	c.CreatedAt = keptTime(c.CreatedAt)
	c.Segments, c.Members = slices.Clone(c.Segments), slices.Clone(c.Members)
	for i := range c.Segments {
		c.Segments[i].LeaseUntil = keptTime(c.Segments[i].LeaseUntil)
	}
	for i := range c.Members {
		c.Members[i].Until = keptTime(c.Members[i].Until)
	}
	slices.SortFunc(c.Members, func(a, b store.Member) int { return cmp.Compare(a.Name, b.Name) })
	return c
}

func keptTime(t time.Time) time.Time { return time.UnixMicro(t.UnixMicro()).UTC() }

func mustCreate[Tx any](t tester, b subject[Tx], consumers ...store.Consumer) {
	t.Helper()
	for _, c := range consumers {
		mustInTx(t, b, func(ctx context.Context, tx Tx) error {
			created, err := b.CreateConsumer(ctx, tx, c)
			if err == nil && !created {
				t.Fatalf("create %v: it is there already", c.ConsumerID)
			}
			return err
		})
	}
}

func mustSave[Tx any](t tester, b subject[Tx], c store.Consumer) {
	t.Helper()
	mustInTx(t, b, func(ctx context.Context, tx Tx) error {
		if _, _, err := b.LockConsumer(ctx, tx, c.ConsumerID); err != nil {
			return err
		}
		return b.SaveConsumer(ctx, tx, c)
	})
}

// mustLock returns a consumer as a transaction that locks it sees it.
func mustLock[Tx any](t tester, b subject[Tx], id store.ConsumerID) (c store.Consumer) {
	t.Helper()
	mustInTx(t, b, func(ctx context.Context, tx Tx) (err error) {
		c, _, err = b.LockConsumer(ctx, tx, id)
		return err
	})
	return c
}

func mustList[Tx any](t tester, b subject[Tx], ids ...store.ConsumerID) []store.Consumer {
	t.Helper()
	consumers, _, err := b.ListConsumers(t.Context(), ids...)
	if err != nil {
		t.Fatalf("list consumers: %v", err)
	}
	return consumers
}

// clock returns the database's time.
func clock[Tx any](t tester, b subject[Tx]) time.Time {
	t.Helper()
	_, now, err := b.ListConsumers(t.Context(), board)
	if err != nil {
		t.Fatalf("list consumers: %v", err)
	}
	return now
}

// between checks that got is in UTC and lies between from and to, both moved by
// the same duration.
func between(t tester, what string, got, from, to time.Time, by time.Duration) {
	t.Helper()
	if got.Before(from.Add(by)) || got.After(to.Add(by)) {
		t.Fatalf("%s is %v, want it between %v and %v", what, got, from.Add(by), to.Add(by))
	}
	equal(t, "zone of "+what, got.Location(), time.UTC)
}

func consumerClauses[Tx any]() []clause[Tx] {
	return []clause[Tx]{
		{"CreateConsumer stores a consumer with its segments, once for each name and generation", func(t *testing.T, b subject[Tx]) {
			mustCreate(t, b, newConsumer(board, 3), newConsumer(next, 1), newConsumer(store.ConsumerID{Name: "BOARD"}, 2))
			mustInTx(t, b, func(ctx context.Context, tx Tx) error {
				created, err := b.CreateConsumer(ctx, tx, busyConsumer(board))
				equal(t, "created again", created, false)
				return err
			})
			equal(t, "consumer", mustLock(t, b, board), keptConsumer(newConsumer(board, 3)))
			equal(t, "next generation", mustLock(t, b, next), keptConsumer(newConsumer(next, 1)))
			equal(t, "consumers", len(mustList(t, b)), 3)
		}},
		{"SaveConsumer replaces a consumer with its segments and members, and every field comes back", func(t *testing.T, b subject[Tx]) {
			mustCreate(t, b, newConsumer(board, 1), newConsumer(mail, 2))
			few := busyConsumer(board)
			few.Categories, few.Start, few.Paused = []string{"product"}, "now", false
			few.Segments, few.Members = few.Segments[1:2], few.Members[1:3]
			few.Members[0].Program = "a new program"
			for _, c := range []store.Consumer{busyConsumer(board), few, newConsumer(board, 5), busyConsumer(board)} {
				mustSave(t, b, c)
				equal(t, "locked", mustLock(t, b, board), keptConsumer(c))
				equal(t, "listed", mustList(t, b, board), []store.Consumer{keptConsumer(c)})
			}
			equal(t, "another consumer", mustLock(t, b, mail), keptConsumer(newConsumer(mail, 2)))
		}},
		{"LockConsumer returns the database's time when it is called", func(t *testing.T, b subject[Tx]) {
			mustCreate(t, b, newConsumer(board, 1))
			mustUse(t, b, func(ctx context.Context, tx Tx) {
				before := clock(t, b)
				_, now, err := b.LockConsumer(ctx, tx, board)
				if err != nil {
					t.Fatalf("lock: %v", err)
				}
				between(t, "the time", now, before, clock(t, b), 0)
			})
		}},
		{"a consumer that does not exist is ErrNoConsumer, and nothing is written", func(t *testing.T, b subject[Tx]) {
			mustCreate(t, b, newConsumer(board, 1))
			for _, id := range []store.ConsumerID{mail, next} {
				mustInTx(t, b, func(ctx context.Context, tx Tx) error {
					_, _, err := b.LockConsumer(ctx, tx, id)
					mustBe(t, "lock", err, store.ErrNoConsumer)
					mustBe(t, "save", b.SaveConsumer(ctx, tx, busyConsumer(id)), store.ErrNoConsumer)
					mustBe(t, "rename", b.RenameConsumer(ctx, tx, id, "another"), store.ErrNoConsumer)
					return b.DeleteConsumer(ctx, tx, id)
				})
			}
			equal(t, "consumers", mustList(t, b), []store.Consumer{keptConsumer(newConsumer(board, 1))})
		}},
		{"a name or generation that CheckConsumerID refuses is an InvalidError everywhere, and nothing is written", consumerNames[Tx]},
	}
}
