package brokertest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/eventus-go/eventus/broker"
)

// claimer is the backend as an owner, if it is one.
func claimer(t *testing.T, b Backend) broker.Owner {
	t.Helper()
	o, ok := b.(broker.Owner)
	if !ok {
		t.Skipf("%T is no broker.Owner: nothing keeps two stores from publishing under one topic", b)
	}
	return o
}

func topicHasOneOwner(t *testing.T, b Backend) {
	o := claimer(t, b)
	for _, c := range []struct {
		topic, history, owner string
	}{
		{"topic", "first", "first"},
		{"topic", "first", "first"},
		{"topic", "second", "first"},
		{"other", "second", "second"},
		{"other", "first", "second"},
		{"topic", "first", "first"},
	} {
		err := o.Claim(within(t), c.topic, c.history)
		var owned *broker.OwnedError
		switch {
		case c.history == c.owner && err != nil:
			t.Errorf("%s claims %s: %v", c.history, c.topic, err)
		case c.history != c.owner && (!errors.As(err, &owned) || !errors.Is(err, broker.ErrOwned)):
			t.Errorf("%s claims %s: got %v, want an OwnedError", c.history, c.topic, err)
		case owned != nil && (owned.Topic != c.topic || owned.Owner != c.owner || owned.Claimant != c.history || owned.Cure == ""):
			t.Errorf("%s claims %s: got %+v", c.history, c.topic, owned)
		}
	}
	if err := o.Claim(within(t), "a.b", "first"); err == nil {
		t.Error("the topic a.b is accepted")
	}
}

func oneClaimWins(t *testing.T, b Backend) {
	o := claimer(t, b)
	for round := range 10 {
		var got atomic.Int64
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				if o.Claim(within(t), fmt.Sprint("topic-", round), fmt.Sprint("history-", i)) == nil {
					got.Add(1)
				}
			})
		}
		wg.Wait()
		if got.Load() != 1 {
			t.Errorf("%d histories got one topic", got.Load())
		}
	}
}

func claimIsNoMessage(t *testing.T, b Backend) {
	o := claimer(t, b)
	if err := o.Claim(within(t), "topic", "first"); err != nil {
		t.Fatal(err)
	}
	expectNothing(t, b, subscribe(t, b, "reader", "topic", broker.FromFirst), "topic")
}
