package consume_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/broker/cloudevents"
	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/memory"
)

// failing returns a function for a view that fails for a stream, until it is
// mended.
func failing(id string, mended *atomic.Bool, cause error) func(eventus.Message[ticked]) error {
	return func(m eventus.Message[ticked]) error {
		if m.Stream.ID == id && !mended.Load() {
			return cause
		}
		return nil
	}
}

func TestAPoisonedStreamWaitsForARedriveAndHoldsUpNobody(t *testing.T) {
	bubble(t, consume.ReceiveConfig{}, func(t *testing.T, r *receipt) {
		var mended atomic.Bool
		r.view.setFail(failing("bad", &mended, errors.New("no such customer")))
		r.run(r.receiver.Run)
		for range 50 {
			r.publish("bad", "good")
		}
		settle(100 * time.Millisecond)
		r.view.check(t, "good", 50)
		r.mustPark(map[string]store.Reason{"bad": store.Waiting})
		settle(time.Hour)
		r.mustPark(map[string]store.Reason{"bad": store.Poison})
		if q := r.parked()["bad"]; q.Attempts != 5 || q.Error != "no such customer" || q.Version != 1 || q.Messages != 50 {
			t.Errorf("got %+v", q)
		}
		if n := r.calls("bad"); n > 7 { // once with the others, once alone, and the attempts
			t.Errorf("%d calls for 5 attempts", n)
		}
		if r.log.count("level=ERROR", "reason=poison", "id=bad", "redrive") != 1 {
			t.Error("the log does not say it once")
		}
		if s := r.receiver.State(); s.Parked[store.Poison] != 1 || s.Waiting != 50 || s.Oldest.IsZero() {
			t.Errorf("got %+v", s)
		}
		mended.Store(true)
		r.publish("bad")
		settle(time.Hour)
		r.view.check(t, "bad", 0)
		if err := r.receiver.Redrive(t.Context(), tick("bad")); err != nil {
			t.Fatal(err)
		}
		settle(time.Second)
		r.view.check(t, "bad", 51)
		r.mustPark(nil)
		if err := r.receiver.Redrive(t.Context(), tick("bad")); !errors.Is(err, consume.ErrNotParked) {
			t.Errorf("got %v", err)
		}
	})
}

func TestPermanentFailuresParkAtOnceAndAllAreRedriven(t *testing.T) {
	bubble(t, consume.ReceiveConfig{}, func(t *testing.T, r *receipt) {
		var mended atomic.Bool
		r.view.setFail(func(m eventus.Message[ticked]) error {
			if m.Stream.ID != "good" && !mended.Load() {
				return consume.Permanent(errors.New("never"))
			}
			return nil
		})
		r.run(r.receiver.Run)
		for i := range 150 {
			r.publish(fmt.Sprint("bad", i), "good")
		}
		settle(time.Second)
		r.view.check(t, "good", 150)
		if n := len(r.parked()); n != 150 {
			t.Errorf("%d streams are parked, want 150", n)
		}
		mended.Store(true)
		if n, err := r.receiver.RedriveAll(t.Context()); n != 150 || err != nil {
			t.Errorf("redriven %d, %v", n, err)
		}
		settle(time.Second)
		for i := range 150 {
			r.view.check(t, fmt.Sprint("bad", i), 1)
		}
		r.mustPark(nil)
	})
}

func TestASkipNeedsAReasonThatStaysOnRecord(t *testing.T) {
	bubble(t, consume.ReceiveConfig{}, func(t *testing.T, r *receipt) {
		r.view.setFail(func(m eventus.Message[ticked]) error {
			if m.Stream.ID == "bad" && m.Version == 1 {
				return consume.Permanent(errors.New("never"))
			}
			return nil
		})
		r.run(r.receiver.Run)
		r.publish("bad", "bad", "gap")
		r.shop.next("gap")
		r.publish("gap")
		publish(t, r.broker, newShop("other").event("fork", 1))
		publish(t, r.broker, r.shop.event("fork", 2), r.shop.event("fork", 3))
		settle(time.Second)
		r.mustPark(map[string]store.Reason{"bad": store.Poison, "gap": store.Gap, "fork": store.Forked})
		if err := r.receiver.Skip(t.Context(), tick("bad"), ""); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("without a reason: %v", err)
		}
		for _, id := range []string{"bad", "gap", "fork"} {
			if err := r.receiver.Skip(t.Context(), tick(id), "agreed with "+id); err != nil {
				t.Fatal(err)
			}
		}
		settle(time.Second)
		r.mustPark(nil)
		for id, want := range map[string]string{"bad": "[2]", "gap": "[1 3]", "fork": "[1 3]"} {
			if got := fmt.Sprint(r.view.of(id)); got != want {
				t.Errorf("%s: handled %v, want %v", id, got, want)
			}
		}
		letters := r.letters()
		if len(letters) != 3 {
			t.Fatalf("%d letters, want 3", len(letters))
		}
		for i, want := range []struct {
			id      string
			version int64
			event   string
		}{{"fork", 2, "shop-fork-2"}, {"gap", 2, ""}, {"bad", 1, "shop-bad-1"}} {
			l := letters[i]
			if l.Message.Stream != tick(want.id) || l.Message.Version != want.version || l.Message.ID != want.event || l.Reason != "agreed with "+want.id || l.Error == "" {
				t.Errorf("got %+v", l)
			}
		}
		if err := r.receiver.Skip(t.Context(), tick("bad"), "again"); !errors.Is(err, consume.ErrNotParked) {
			t.Errorf("got %v", err)
		}
		r.publish("bad", "gap")
		settle(time.Second)
		if got := fmt.Sprint(r.view.of("bad"), r.view.of("gap")); got != "[2 3] [1 3 4]" {
			t.Errorf("handled %v", got)
		}
	})
}

func TestAttemptsOutliveTheProcess(t *testing.T) {
	bubble(t, consume.ReceiveConfig{}, func(t *testing.T, r *receipt) {
		var mended atomic.Bool
		r.view.setFail(failing("bad", &mended, errors.New("no")))
		r.publish("bad")
		for range 20 {
			stop := r.run(r.member(consume.ReceiveConfig{}).Run)
			settle(110 * time.Millisecond) // one attempt or two
			stop()
		}
		settle(time.Minute)
		r.mustPark(map[string]store.Reason{"bad": store.Poison})
		if q := r.parked()["bad"]; q.Attempts != 5 {
			t.Errorf("%d attempts, want 5", q.Attempts)
		}
		if n := r.calls("bad"); n != 5 {
			t.Errorf("%d calls, want 5", n)
		}
	})
}

func TestPassingTroubleOfAReceiverCountsNoAttempts(t *testing.T) {
	for name, cause := range map[string]error{
		"the handler says so": consume.Transient(errors.New("the mail server is down")),
		"a lost race":         fmt.Errorf("reserve: %w", &store.ConflictError{}),
		"the database":        errDown,
		"damage":              fmt.Errorf("read: %w", &store.DamagedError{Err: errors.New("a page")}),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, consume.ReceiveConfig{}, func(t *testing.T, r *receipt) {
				var mended atomic.Bool
				r.view.setFail(failing("bad", &mended, cause))
				inbox := &troubled{Store: r.store, down: func() bool { return false }}
				r.run(r.over(inbox, consume.ReceiveConfig{}).Run)
				r.publish("bad", "good", "bad")
				settle(2 * time.Hour)
				r.view.check(t, "good", 1)
				r.mustPark(map[string]store.Reason{"bad": store.Waiting})
				if q := r.parked()["bad"]; q.Attempts > 2 { // the note of a try under way
					t.Errorf("%d attempts", q.Attempts)
				}
				if n := r.calls("bad"); n < 100 {
					t.Errorf("%d calls in two hours", n)
				}
				mended.Store(true)
				settle(time.Minute)
				r.view.check(t, "bad", 2)
			})
		})
	}
}

func TestADatabaseThatIsAwayCondemnsNothing(t *testing.T) {
	bubble(t, consume.ReceiveConfig{}, func(t *testing.T, r *receipt) {
		began := time.Now()
		var mended atomic.Bool
		r.view.setFail(failing("bad", &mended, consume.Transient(errors.New("down too"))))
		// Away for a minute of every two, also in the middle of tries.
		inbox := &troubled{Store: r.store, down: func() bool { return time.Since(began)/time.Minute%2 == 1 }}
		r.run(r.over(inbox, consume.ReceiveConfig{}).Run)
		for range 60 {
			r.publish("bad", "good")
			settle(time.Minute)
		}
		r.mustPark(map[string]store.Reason{"bad": store.Waiting})
		mended.Store(true)
		settle(5 * time.Minute)
		r.view.check(t, "bad", 60)
		r.view.check(t, "good", 60)
	})
}

// slowToBegin is a database whose next transactions take longer to begin than
// their context lasts, which it does not notice.
type slowToBegin struct {
	*memory.Store
	left    atomic.Int64
	counted atomic.Int64 // failures of messages
}

func (s *slowToBegin) SetQueue(ctx context.Context, tx *memory.Tx, q store.Queue, retryAfter time.Duration) error {
	if !strings.HasPrefix(q.Error, "the process ended") { // as it is noted before each try
		s.counted.Add(int64(q.Attempts))
	}
	return s.Store.SetQueue(ctx, tx, q, retryAfter)
}

func (s *slowToBegin) InTx(ctx context.Context, f func(ctx context.Context, tx *memory.Tx) error) error {
	if _, bounded := ctx.Deadline(); bounded && s.left.Add(-1) >= 0 {
		<-ctx.Done()
		time.Sleep(time.Minute)
		return errors.New("database is locked")
	}
	return s.Store.InTx(ctx, f)
}

func TestADatabaseThatIsBusyCondemnsNothing(t *testing.T) {
	bubble(t, consume.ReceiveConfig{}, func(t *testing.T, r *receipt) {
		inbox := &slowToBegin{Store: r.store}
		r.run(r.over(inbox, consume.ReceiveConfig{}).Run)
		for busy := range int64(8) {
			inbox.left.Store(busy)
			r.publish("a", "b")
			settle(20 * time.Minute)
		}
		if n := inbox.counted.Load(); n > 0 {
			t.Errorf("%d attempts were counted", n)
		}
		r.view.check(t, "a", 8)
		r.view.check(t, "b", 8)
	})
}

type tock struct{ N int64 }

func (tock) Apply(*struct{}) {}

type clock struct {
	eventus.Aggregate[struct{}, clockEvent]
}
type clockEvent interface{ eventus.Event[struct{}] }

var clocks = eventus.Define("tick", eventus.New[clock], eventus.Type[tock]("tocked"))

// A rolling deploy: the old program leaves what it does not know to the new one.
func TestAnUnknownEventWaitsForAProgramThatKnowsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceipt(t, consume.ReceiveConfig{})
		defer r.end()
		old := consume.Receive(consume.Idempotent("view", r.store, func(context.Context, *memory.Tx, eventus.Message[clockEvent]) error { return nil }, consume.Retry{}),
			clocks, r.broker, consume.ReceiveConfig{Logger: discard()})
		stopOld := r.run(old.Run)
		broken := r.shop.next("broken")
		broken.Type, broken.Data = "tocked", []byte("{")
		publish(t, r.broker, broken)
		r.publish("a", "a", "b")
		settle(24 * time.Hour)
		r.mustPark(map[string]store.Reason{"a": store.Unknown, "b": store.Unknown, "broken": store.Unknown})
		if q := r.parked()["a"]; q.Attempts != 0 || !strings.Contains(q.Error, "unknown event type") {
			t.Errorf("got %+v", q)
		}
		// Both run for a while.
		r.run(r.receiver.Run)
		r.publish("a")
		settle(10 * time.Minute)
		stopOld()
		settle(10 * time.Minute)
		r.view.check(t, "a", 3)
		r.view.check(t, "b", 1)
		if len(r.letters()) > 0 {
			t.Errorf("dead letters: %+v", r.letters())
		}
	})
}

func TestTypesThatAForeignTableDoesNotDeclareAreCountedAndLoggedOnce(t *testing.T) {
	bubble(t, consume.ReceiveConfig{}, func(t *testing.T, r *receipt) {
		r.run(r.receiver.Run)
		for range 5 {
			e := r.shop.next("a")
			e.Type = "ticked.v2"
			publish(t, r.broker, e)
		}
		r.publish("a")
		settle(time.Second)
		if got := fmt.Sprint(r.view.of("a")); got != "[6]" {
			t.Errorf("handled %v", got)
		}
		if s := r.receiver.State(); s.UnknownTypes != 5 || s.Handled != 1 {
			t.Errorf("got %+v", s)
		}
		if n := r.log.count("level=WARN", "type=ticked.v2"); n != 1 {
			t.Errorf("%d lines, want 1", n)
		}
	})
}

func TestOneFailureDoesNotRepeatTheEffectsOfABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceipt(t, consume.ReceiveConfig{})
		defer r.end()
		sent := make(map[string]int)
		mail := func(_ context.Context, m eventus.Message[ticked]) error {
			if m.Stream.ID == "50" {
				return errors.New("the address does not exist")
			}
			sent[m.Stream.ID]++
			return nil
		}
		for i := range 100 {
			r.publish(fmt.Sprint(i))
		}
		r.run(consume.Receive(consume.AtLeastOnce("mails", r.store, mail, consume.Retry{}), ticks, r.broker, consume.ReceiveConfig{Logger: discard()}).Run)
		settle(time.Hour)
		if len(sent) != 99 {
			t.Errorf("%d mails, want 99", len(sent))
		}
		for id, n := range sent {
			if n != 1 {
				t.Errorf("%s: %d mails", id, n)
			}
		}
	})
}

func TestHandlersThatDoNotReturnAsTheyShould(t *testing.T) {
	for name, misbehave := range map[string]func(ctx context.Context) error{
		"a panic":                  func(context.Context) error { panic("no") },
		"runtime.Goexit":           func(context.Context) error { runtime.Goexit(); return nil },
		"not before its time ends": func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		"never":                    func(context.Context) error { time.Sleep(10 * time.Hour); return nil },
		"nil after its time":       func(ctx context.Context) error { <-ctx.Done(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newReceipt(t, consume.ReceiveConfig{})
				defer r.end()
				handle := func(ctx context.Context, tx *memory.Tx, m eventus.Message[ticked]) error {
					if m.Stream.ID == "bad" {
						if err := misbehave(ctx); err != nil {
							return err
						}
					}
					return r.view.Handle(ctx, tx, m)
				}
				once := consume.Idempotent("view", r.store, handle, consume.Retry{MaxAttempts: 3})
				stop := r.run(consume.Receive(once, ticks, r.broker, consume.ReceiveConfig{Logger: discard()}).Run)
				r.publish("good", "bad", "bad", "good")
				settle(time.Hour)
				r.view.check(t, "good", 2)
				r.view.check(t, "bad", 0)
				r.mustPark(map[string]store.Reason{"bad": store.Poison})
				stop()
				settle(20 * time.Hour)
				r.view.check(t, "bad", 0)
			})
		})
	}
}

// A transaction that fails for a reason nobody can name speaks against the
// message if its handler was called.
func TestWhoIsToBlameForAFailedTransaction(t *testing.T) {
	for name, c := range map[string]struct {
		before bool // it cannot begin, else it cannot commit
		want   map[string]store.Reason
	}{
		"it cannot begin":  {true, nil},
		"it cannot commit": {false, map[string]store.Reason{"a": store.Poison}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, consume.ReceiveConfig{}, func(t *testing.T, r *receipt) {
				var broken atomic.Bool
				broken.Store(true)
				inbox := &unclassified{Store: r.store, fails: func(handled bool) bool { return broken.Load() && (c.before || handled) }, calls: func() int { return r.calls("a") }}
				r.publish("a")
				r.run(r.over(inbox, consume.ReceiveConfig{}).Run)
				settle(time.Hour)
				broken.Store(false)
				settle(time.Minute)
				r.mustPark(c.want)
			})
		})
	}
}

// unclassified is an inbox whose transactions fail for a reason it cannot name.
type unclassified struct {
	*memory.Store
	calls func() int
	fails func(handled bool) bool
}

func (u *unclassified) InTx(ctx context.Context, f func(context.Context, *memory.Tx) error) error {
	if u.fails(false) {
		return errors.New("proxy: unexpected reply")
	}
	return u.Store.InTx(ctx, func(ctx context.Context, tx *memory.Tx) error {
		before := u.calls()
		if err := f(ctx, tx); err != nil {
			return err
		}
		if u.fails(u.calls() > before) {
			return errors.New("deferred constraint")
		}
		return nil
	})
}

func TestAnInboxWithoutRoomDegradesTheReceiverAndLosesNothing(t *testing.T) {
	for name, cfg := range map[string]consume.ReceiveConfig{
		"of a stream":     {MaxQueuedPerStream: 10},
		"of the consumer": {MaxQueued: 10},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, cfg, func(t *testing.T, r *receipt) {
				var mended atomic.Bool
				r.view.setFail(failing("bad", &mended, consume.Permanent(errors.New("no"))))
				r.run(r.receiver.Run)
				for range 50 {
					r.publish("bad", "good")
				}
				settle(time.Minute)
				r.view.check(t, "good", 50)
				if n := r.parked()["bad"].Messages; n != 10 {
					t.Errorf("%d messages wait, want 10", n)
				}
				s := r.receiver.State()
				if !strings.Contains(s.Degraded, "tick bad") || !strings.Contains(s.Degraded, "MaxQueued") || s.Left == 0 {
					t.Errorf("got %+v", s)
				}
				if n := r.log.count("level=ERROR", "degraded"); n != 1 {
					t.Errorf("%d lines, want 1", n)
				}
				mended.Store(true)
				if err := r.receiver.Redrive(t.Context(), tick("bad")); err != nil {
					t.Fatal(err)
				}
				settle(time.Hour)
				r.view.check(t, "bad", 50)
				if s := r.receiver.State(); s.Degraded != "" {
					t.Errorf("got %+v", s)
				}
			})
		})
	}
}

// plain returns a CloudEvent of a producer that is not Eventus.
func plain(id, subject string) cloudevents.Event {
	return cloudevents.Event{
		Message: store.Message{
			Event:  store.Event{ID: id, Type: "ticked", ContentType: "application/json; charset=utf-8", Data: []byte(`{"n":1}`)},
			Stream: store.Stream{Category: "tick", ID: subject},
		},
		Source: "/erp",
	}
}

// away is a broker that cannot be reached until it is back.
type away struct {
	broker.Subscriber
	back atomic.Bool
}

func (a *away) Subscribe(ctx context.Context, name, topic string, start broker.Start) (broker.Subscription, error) {
	if !a.back.Load() {
		return nil, errors.New("no server answers")
	}
	return a.Subscriber.Subscribe(ctx, name, topic, start)
}

func TestABrokerThatIsAwayIsLoggedOnce(t *testing.T) {
	bubble(t, consume.ReceiveConfig{}, func(t *testing.T, r *receipt) {
		b := &away{Subscriber: r.broker}
		once := consume.Idempotent("view", r.store, r.view.Handle, consume.Retry{})
		r.run(consume.Receive(once, ticks, b, consume.ReceiveConfig{Logger: slog.New(slog.NewTextHandler(r.log, nil))}).Run)
		r.publish("a")
		settle(time.Hour)
		if n := r.log.count("receiver pauses", "no server answers"); n != 1 {
			t.Errorf("%d lines in an hour, want 1", n)
		}
		b.back.Store(true)
		settle(time.Minute)
		r.view.check(t, "a", 1)
	})
}
