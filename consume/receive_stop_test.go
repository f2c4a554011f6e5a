package consume_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/memory"
)

func TestWhatIsInHandIsFinishedWhenTheContextEnds(t *testing.T) {
	bubble(t, consume.ReceiveConfig{}, func(t *testing.T, r *receipt) {
		started := make(chan struct{})
		r.view.setFail(func(m eventus.Message[ticked]) error {
			close(started)
			time.Sleep(5 * time.Second) // half of StopTimeout
			return nil
		})
		stop := r.run(r.receiver.Run)
		r.publish("a")
		<-started
		stop()
		r.view.check(t, "a", 1)
	})
}

func TestWhatTakesLongerThanStopTimeoutIsGivenBack(t *testing.T) {
	bubble(t, consume.ReceiveConfig{}, func(t *testing.T, r *receipt) {
		started, once := make(chan struct{}), atomic.Bool{}
		handle := func(ctx context.Context, tx *memory.Tx, m eventus.Message[ticked]) error {
			if once.CompareAndSwap(false, true) {
				close(started)
				<-ctx.Done()
				return ctx.Err()
			}
			return r.view.Handle(ctx, tx, m)
		}
		receiver := consume.Receive(consume.Idempotent("view", r.store, handle, consume.Retry{}), ticks, r.broker,
			consume.ReceiveConfig{TransactionTimeout: time.Minute, Logger: discard()})
		stop := r.run(receiver.Run)
		r.publish("a")
		<-started
		stop()
		r.view.check(t, "a", 0)
		r.mustPark(nil)
		r.run(receiver.Run)
		settle(time.Minute)
		r.view.check(t, "a", 1)
	})
}

// A slow handler must not meet its own message again, nor must another member.
func TestMessagesBeingWorkedOnAreNotRedelivered(t *testing.T) {
	bubble(t, consume.ReceiveConfig{TransactionTimeout: time.Hour}, func(t *testing.T, r *receipt) {
		r.view.setFail(func(eventus.Message[ticked]) error { time.Sleep(5 * time.Minute); return nil })
		r.run(r.receiver.Run)
		r.run(r.member(consume.ReceiveConfig{TransactionTimeout: time.Hour}).Run)
		r.publish("a")
		settle(20 * time.Minute)
		r.view.check(t, "a", 1)
		if n := r.calls("a"); n != 1 {
			t.Errorf("%d calls, want 1", n)
		}
		if s := r.receiver.State(); s.Duplicates != 0 {
			t.Errorf("got %+v", s)
		}
	})
}

// hanging is a broker that delivers and then takes no settlement.
type hanging struct{ broker.Subscriber }

func (h hanging) Subscribe(ctx context.Context, name, topic string, start broker.Start) (broker.Subscription, error) {
	s, err := h.Subscriber.Subscribe(ctx, name, topic, start)
	return hangingSubscription{s}, err
}

type hangingSubscription struct{ broker.Subscription }

func (h hangingSubscription) Fetch(ctx context.Context, limit int) ([]broker.Delivery, error) {
	deliveries, err := h.Subscription.Fetch(ctx, limit)
	for i := range deliveries {
		deliveries[i] = hangingDelivery{deliveries[i]}
	}
	return deliveries, err
}

type hangingDelivery struct{ broker.Delivery }

func (hangingDelivery) Ack(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestABrokerThatHangsDoesNotHoldUpTheStop(t *testing.T) {
	bubble(t, consume.ReceiveConfig{}, func(t *testing.T, r *receipt) {
		once := consume.Idempotent("view", r.store, r.view.Handle, consume.Retry{})
		stop := r.run(consume.Receive(once, ticks, hanging{r.broker}, consume.ReceiveConfig{Logger: discard()}).Run)
		synctest.Wait()
		for range 100 {
			r.publish("a")
		}
		settle(time.Millisecond)
		began := time.Now()
		stop()
		// In the bubble's time, which only waiting moves.
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("the stop took %v", took)
		}
	})
}

func TestHandlersOfAReceiverSeeTheMessagesMetadataContinued(t *testing.T) {
	bubble(t, consume.ReceiveConfig{}, func(t *testing.T, r *receipt) {
		var got []eventus.Metadata
		handle := func(ctx context.Context, m eventus.Message[ticked]) error {
			got = append(got, eventus.MetadataFrom(ctx))
			return nil
		}
		r.run(consume.Receive(consume.AtLeastOnce("md", r.store, handle, consume.Retry{}), ticks, r.broker, consume.ReceiveConfig{}).Run)
		first, second := r.shop.next("a"), r.shop.next("a")
		second.Metadata = store.Metadata{CorrelationID: "request", CausationID: "command", Actor: "ada"}
		publish(t, r.broker, first, second)
		settle(time.Second)
		if len(got) != 2 || got[0].CorrelationID != first.ID || got[0].CausationID != first.ID ||
			got[1].CorrelationID != "request" || got[1].CausationID != second.ID || got[1].Actor != "ada" {
			t.Errorf("got %+v", got)
		}
	})
}
