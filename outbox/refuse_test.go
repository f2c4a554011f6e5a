package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/broker/cloudevents"
	"github.com/eventus-go/eventus/outbox"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/memory"
)

var errTooLarge = errors.New("message size exceeds the limit")

// picky refuses some versions of some streams. Before it does, it may confirm what
// comes before in the same call, or nothing of it.
type picky struct {
	wire
	refuses    func(store.Message) bool
	allOrNone  bool
	refusals   int
	publishing sync.Mutex
}

func (p *picky) Publish(ctx context.Context, messages []broker.Message) (int, error) {
	p.publishing.Lock()
	defer p.publishing.Unlock()
	for i, m := range messages {
		e, err := cloudevents.Decode(m)
		if err != nil {
			return 0, err
		}
		if !p.refuses(e.Message) {
			continue
		}
		p.refusals++
		refusal := fmt.Errorf("publish: %w", &broker.RefusedError{Index: i, ID: m.ID, Err: errTooLarge})
		if p.allOrNone {
			return 0, refusal
		}
		n, err := p.wire.Publish(ctx, messages[:i])
		if err != nil {
			return n, err
		}
		return n, refusal
	}
	return p.wire.Publish(ctx, messages)
}

func (p *picky) allow(refuses func(store.Message) bool) {
	p.publishing.Lock()
	defer p.publishing.Unlock()
	p.refuses = refuses
}

func refused(t *testing.T, s store.Outbox) []store.Refused {
	t.Helper()
	page, err := s.Refused(context.Background(), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return page
}

func TestARefusedMessageHoldsUpItsStreamAlone(t *testing.T) {
	for name, allOrNone := range map[string]bool{"what comes before is sent": false, "nothing is sent": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := memory.New()
				w := &picky{allOrNone: allOrNone, refuses: func(m store.Message) bool { return m.Stream.ID == "1" && m.Version == 2 }}
				for i := range 40 {
					add(t, s, fmt.Sprint(i%4))
				}
				defer run(t, outbox.New(s, w, outbox.Config{BatchSize: 7}))()
				settle(10 * time.Second)
				w.firstCopies(t, map[string]int64{"0": 10, "1": 1, "2": 10, "3": 10})
				if got := refused(t, s); len(got) != 1 || got[0].Version != 2 || got[0].Error != errTooLarge.Error() || got[0].Attempts != 1 {
					t.Fatalf("refused: %+v", got)
				}

				settle(50 * time.Second) // a minute after the first attempt
				add(t, s, "1")
				settle(time.Minute)
				if got := refused(t, s); len(got) != 1 || got[0].Attempts != 2 {
					t.Fatalf("refused: %+v", got)
				}
				w.firstCopies(t, map[string]int64{"1": 1})

				// The broker's limit is raised.
				w.allow(func(store.Message) bool { return false })
				settle(5 * time.Minute)
				if n := w.firstCopies(t, map[string]int64{"0": 10, "1": 11, "2": 10, "3": 10}); n != 41 {
					t.Errorf("%d messages arrived, want 41", n)
				}
				if got := refused(t, s); len(got) != 0 || left(t, s) != 0 {
					t.Errorf("%d refused, %d left", len(got), left(t, s))
				}
			})
		})
	}
}

func TestARefusedMessageIsTriedAgainAtTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.New()
		w := &picky{refuses: func(store.Message) bool { return true }}
		add(t, s, "a")
		add(t, s, "a")
		stop := run(t, outbox.New(s, w, outbox.Config{}))
		settle(time.Second)
		stop()
		w.allow(func(store.Message) bool { return false })
		defer run(t, outbox.New(s, w, outbox.Config{}))()
		settle(time.Second)
		w.firstCopies(t, map[string]int64{"a": 2})
	})
}

// Whatever is refused for how long: a stream goes on where it stopped, in order,
// and the others never notice.
func TestOrderHoldsThroughRefusals(t *testing.T) {
	cfg := outbox.Config{BatchSize: 3, MaxPollInterval: time.Minute} // the store wakes the relay
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			random, wireRandom := rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 2))
			s, w := memory.New(), &picky{allOrNone: seed%2 == 0}
			bad := make(map[string]bool)
			refuses := func(m store.Message) bool { return bad[fmt.Sprint(m.Stream.ID, m.Version)] }
			w.allow(refuses)
			w.wire.accept = func(n int) (int, int, error) {
				if wireRandom.IntN(4) > 0 {
					return n, n, nil
				}
				arrive := wireRandom.IntN(n + 1)
				return arrive, wireRandom.IntN(arrive + 1), errBroken
			}
			stop := run(t, outbox.New(s, w, cfg))
			want := make(map[string]int64)
			for i := range 200 {
				id := fmt.Sprint(random.IntN(5))
				add(t, s, id)
				want[id]++
				w.publishing.Lock()
				switch random.IntN(6) {
				case 0:
					bad[fmt.Sprint(id, want[id]+int64(random.IntN(3)))] = true
				case 1:
					clear(bad)
				}
				w.publishing.Unlock()
				if i%20 == 0 {
					settle(time.Minute)
				}
				if i%70 == 0 {
					stop()
					stop = run(t, outbox.New(s, w, cfg))
				}
			}
			w.allow(func(store.Message) bool { return false })
			settle(3 * time.Hour)
			stop()
			w.firstCopies(t, want)
			if n := left(t, s) + len(refused(t, s)); n != 0 {
				t.Errorf("seed %d: %d left in the outbox", seed, n)
			}
			if w.refusals == 0 {
				t.Errorf("seed %d: nothing was refused: this test proved nothing", seed)
			}
		})
	}
}

// While a page is published, the next is read and the one before is marked. Were
// it not so, each would wait for the other here.
func TestReadingPublishingAndMarkingOverlap(t *testing.T) {
	s := &staged{Store: memory.New(), reads: make(chan int64, 10), marks: make(chan struct{}, 10)}
	for range 9 {
		add(t, s.Store, "a")
	}
	second := make(chan struct{})
	w := &wire{}
	calls := 0
	w.published = func() {
		calls++
		switch calls {
		case 1:
			for after := range s.reads { // the second page is read meanwhile
				if after == 3 {
					break
				}
			}
		case 2:
			close(second)
		}
	}
	s.mark = func() {
		<-second // the first page is marked while the second is published
		s.marks <- struct{}{}
	}
	defer run(t, outbox.New(s, w, outbox.Config{BatchSize: 3}))()
	for range 3 {
		<-s.marks
	}
	w.firstCopies(t, map[string]int64{"a": 9})
}

// staged tells of its reads and waits with its marks.
type staged struct {
	*memory.Store
	reads chan int64
	marks chan struct{}
	mark  func()
}

func (s *staged) Unpublished(ctx context.Context, after int64, limit int) ([]store.Outgoing, int64, error) {
	select {
	case s.reads <- after:
	default:
	}
	return s.Store.Unpublished(ctx, after, limit)
}

func (s *staged) MarkPublished(ctx context.Context, positions []int64, last []store.Published) error {
	s.mark()
	return s.Store.MarkPublished(ctx, positions, last)
}

func TestEventsTravelWithTheirHistoryAndTheOneBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w := memory.New(), &wire{}
		for range 3 {
			add(t, s, "a")
		}
		add(t, s, "b")
		defer run(t, outbox.New(s, w, outbox.Config{}))()
		settle(time.Second)
		history, err := s.History(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var previous []string
		for _, e := range w.events {
			if e.History != history {
				t.Errorf("history %q, want %q", e.History, history)
			}
			previous = append(previous, e.Previous)
		}
		if want := []string{"", w.arrived[0].ID, w.arrived[1].ID, ""}; !slices.Equal(previous, want) {
			t.Errorf("previous %q, want %q", previous, want)
		}
	})
}
