package storetest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eventus-go/eventus/store"
)

func mustHead[Tx any](t tester, b subject[Tx]) store.Head {
	t.Helper()
	head, err := b.Log.Head(t.Context())
	if err != nil {
		t.Fatalf("head: %v", err)
	}
	return head
}

// mustSettle returns the head when it is settled, which it is in the end when
// nobody appends.
func mustSettle[Tx any](t tester, b subject[Tx]) store.Head {
	t.Helper()
	for { // a head that never settles hangs here
		if head := mustHead(t, b); head.Settled {
			return head
		}
	}
}

// headOf returns the head of a log that ends with m.
func headOf(m store.Message) store.Head {
	return store.Head{Position: m.Position, EventID: m.ID, Time: m.Time, Settled: true}
}

// headClauses are about the end of the log.
func headClauses[Tx any]() []clause[Tx] {
	return []clause[Tx]{
		{"Head returns the last committed message, and settles when nobody appends", func(t *testing.T, b subject[Tx]) {
			equal(t, "head of an empty log", mustSettle(t, b), store.Head{Settled: true})
			for i := range 5 {
				e := events(fmt.Sprint(i), 1+i%3)
				for j := range e {
					e[j].Time = noon.Add(time.Duration(10*(i%2)+j) * time.Minute) // not in the order of the log
				}
				mustAppend(t, b, store.Stream{Category: "product", ID: fmt.Sprint(i % 2)}, store.Any, e...)
				log := mustReadAll(t, b.Log)
				equal(t, "head", mustSettle(t, b), headOf(log[len(log)-1]))
			}
			_, err := b.Append(t.Context(), product, store.At(3), events("lost", 1))
			mustConflict(t, err, product, store.At(3), 0)
			log := mustReadAll(t, b.Log)
			equal(t, "head after a refused append", mustSettle(t, b), headOf(log[len(log)-1]))
		}},
		{"Head sees every append that has returned", func(t *testing.T, b subject[Tx]) {
			for i := range 20 {
				version := mustAppend(t, b, product, store.Any, event(fmt.Sprint(i)))
				head := mustHead(t, b) // may not be settled yet
				messages, err := b.Read(t.Context(), product, version-1, 1)
				mustBe(t, "read", err, nil)
				want := headOf(messages[0])
				want.Settled = head.Settled
				equal(t, "head", head, want)
			}
		}},
		{"when a head is settled, whatever commits later has a greater position", settles[Tx]},
		{"TimesAfter returns the time of the first message after each position, zero where there is none", func(t *testing.T, b subject[Tx]) {
			times, err := b.Log.TimesAfter(t.Context(), []int64{0, 5})
			mustBe(t, "times of an empty log", err, nil)
			equal(t, "times of an empty log", times, []time.Time{{}, {}})
			for i := range 6 {
				e := event(fmt.Sprint(i))
				e.Time = noon.Add(time.Duration(i*5%6) * time.Hour) // not in the order of the log
				mustAppend(t, b, store.Stream{Category: "product", ID: fmt.Sprint(i % 2)}, store.Any, e)
			}
			log := mustReadAll(t, b.Log)
			asked, want := []int64{1 << 60}, []time.Time{{}}
			for _, i := range []int{4, 0, 5, 3, 0, 2, 1} {
				asked = append(asked, log[i].Position, log[i].Position-1)
				after := time.Time{}
				if i < 5 {
					after = log[i+1].Time
				}
				want = append(want, after, log[i].Time)
			}
			times, err = b.Log.TimesAfter(t.Context(), append(asked, 0))
			mustBe(t, "times", err, nil)
			equal(t, "times", times, append(want, log[0].Time))
			times, err = b.Log.TimesAfter(t.Context(), nil)
			mustBe(t, "times after no position", err, nil)
			equal(t, "times after no position", times, nil)
		}},
	}
}

// settles asks for heads while writers append. What has a position up to that
// of a settled head and is not committed at once has come too late.
func settles[Tx any](t *testing.T, b subject[Tx]) {
	// The writers go on until the reader has looked often enough.
	const writers, appends, enough, most = 6, 30, 10, 300
	var looks atomic.Int64
	written := make([]store.Stream, writers)
	var reading, writing sync.WaitGroup
	done := make(chan struct{})
	for w := range written {
		written[w] = store.Stream{Category: "product", ID: fmt.Sprint(w)}
		writing.Go(func() {
			for i := 0; i < appends || i < most && looks.Load() < enough; i++ {
				if _, err := b.Append(t.Context(), written[w], store.Any, events(fmt.Sprintf("%d-%d", w, i), 1+i%3)); err != nil {
					t.Errorf("append: %v", err)
					return
				}
			}
		})
	}
	counts := make(map[int64]int) // of the messages up to a settled head
	reading.Go(func() {
		for last := false; !last; {
			select {
			case <-done:
				last = true // one more look at what the last writer left
			default:
			}
			head, err := b.Log.Head(t.Context())
			if err != nil {
				t.Errorf("head: %v", err)
				return
			}
			if !head.Settled {
				continue
			}
			n, err := countUpTo(t.Context(), b, written, head.Position)
			if err != nil {
				t.Errorf("read: %v", err)
				return
			}
			counts[head.Position] = n
			looks.Add(1)
		}
	})
	writing.Wait()
	close(done)
	reading.Wait()
	for position, n := range counts {
		in, err := countUpTo(t.Context(), b, written, position)
		mustBe(t, "read", err, nil)
		if in != n {
			t.Fatalf("the head was settled at position %d with %d messages, and later there are %d", position, n, in)
		}
	}
}

// countUpTo counts the committed messages with a position of at most last.
func countUpTo[Tx any](ctx context.Context, b subject[Tx], streams []store.Stream, last int64) (n int, err error) {
	for _, s := range streams {
		messages, err := b.Read(ctx, s, 0, all)
		if err != nil {
			return 0, err
		}
		for _, m := range messages {
			if m.Position <= last {
				n++
			}
		}
	}
	return n, nil
}
