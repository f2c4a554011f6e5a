package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eventus-go/eventus/store"
)

func leaseClauses[Tx any]() []clause[Tx] {
	take := func(t *testing.T, l store.Leases, name, holder string, ttl time.Duration) bool {
		t.Helper()
		held, err := l.Acquire(t.Context(), name, holder, ttl)
		if err != nil {
			t.Fatalf("lease %s for %s: %v", name, holder, err)
		}
		return held
	}
	return []clause[Tx]{
		{"a lease has one holder, who renews it, and others wait for its end or release", func(t *testing.T, b subject[Tx]) {
			equal(t, "a takes it", take(t, b, "relay", "a", time.Hour), true)
			equal(t, "b takes it", take(t, b, "relay", "b", time.Hour), false)
			equal(t, "a renews it", take(t, b, "relay", "a", time.Hour), true)
			equal(t, "b takes another", take(t, b, "other", "b", time.Hour), true)
			if err := b.Release(t.Context(), "relay", "b"); err != nil {
				t.Fatal(err)
			}
			equal(t, "b takes it after releasing what it does not have", take(t, b, "relay", "b", time.Hour), false)
			if err := b.Release(t.Context(), "relay", "a"); err != nil {
				t.Fatal(err)
			}
			equal(t, "b takes it after the release", take(t, b, "relay", "b", time.Hour), true)
			equal(t, "a takes it back", take(t, b, "relay", "a", time.Hour), false)
		}},
		{"a lease ends by itself", func(t *testing.T, b subject[Tx]) {
			equal(t, "a takes it", take(t, b, "relay", "a", 20*time.Millisecond), true)
			for !take(t, b, "relay", "b", time.Hour) {
				time.Sleep(5 * time.Millisecond)
			}
			equal(t, "a renews what it has lost", take(t, b, "relay", "a", time.Hour), false)
		}},
		{"of holders that ask at one time one gets the lease", func(t *testing.T, b subject[Tx]) {
			for round := range 10 {
				var held atomic.Int64
				var wg sync.WaitGroup
				for holder := range 8 {
					wg.Go(func() {
						ok, err := b.Acquire(t.Context(), fmt.Sprint(round), fmt.Sprint(holder), time.Hour)
						if err != nil {
							t.Error(err)
						}
						if ok {
							held.Add(1)
						}
					})
				}
				wg.Wait()
				equal(t, "holders", held.Load(), 1)
			}
		}},
	}
}
