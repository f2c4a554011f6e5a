package storetest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eventus-go/eventus/store"
)

// record returns a dead letter that uses every field that its writer sets.
func record(consumer string, n int) store.DeadLetter {
	return store.DeadLetter{
		Consumer: consumer,
		Message:  store.Message{Event: event(fmt.Sprint(n)), Stream: product, Version: int64(n), Position: 7},
		Source:   "/shop", BrokerID: fmt.Sprint("broker-", n), Sequence: 1<<63 - 1,
		Header: map[string]string{"ce-id": "1", "x": "é \"quoted\""}, Size: 1 << 20, Error: "no id",
	}
}

// keptRecord returns record as a store gives it back.
func keptRecord(consumer string, n int, as store.DeadLetter) store.DeadLetter {
	l := record(consumer, n)
	l.ID, l.At = as.ID, as.At
	l.Message.Time = time.UnixMicro(l.Message.Time.UnixMicro()).UTC()
	return l
}

func mustAddLetter[Tx any](t tester, b subject[Tx], l store.DeadLetter) {
	t.Helper()
	mustInTx(t, b, func(ctx context.Context, tx Tx) error { return b.AddDeadLetter(ctx, tx, l) })
}

func mustListLetters[Tx any](t tester, b subject[Tx], consumer string, before int64, limit int) []store.DeadLetter {
	t.Helper()
	letters, err := b.ListDeadLetters(t.Context(), consumer, before, limit)
	if err != nil {
		t.Fatalf("dead letters of %s: %v", consumer, err)
	}
	return letters
}

func mustIncarnation[Tx any](t tester, b subject[Tx], consumer string) string {
	t.Helper()
	name, err := b.Incarnation(t.Context(), consumer)
	if err != nil {
		t.Fatalf("incarnation of %s: %v", consumer, err)
	}
	return name
}

func key(id string) store.EventKey {
	return store.EventKey{Category: "product", Source: "/erp", ID: id}
}

func remember[Tx any](t tester, b subject[Tx], consumer string, keys ...store.EventKey) (fresh []bool) {
	t.Helper()
	mustInTx(t, b, func(ctx context.Context, tx Tx) (err error) {
		fresh, err = b.Remember(ctx, tx, consumer, keys)
		return err
	})
	return fresh
}

func recordClauses[Tx any]() []clause[Tx] {
	return []clause[Tx]{
		{"a key is new once for each consumer, also within one call", func(t *testing.T, b subject[Tx]) {
			equal(t, "no keys", len(remember(t, b, "c")), 0)
			equal(t, "keys", remember(t, b, "c", key("2"), key("1"), key("2"), key("1")), []bool{true, true, false, false})
			equal(t, "keys again", remember(t, b, "c", key("1"), key("3")), []bool{false, true})
			equal(t, "keys of another consumer", remember(t, b, "d", key("1")), []bool{true})
			near := []store.EventKey{{Category: "order", Source: "/erp", ID: "1"}, {Category: "product", Source: "/", ID: "erp1"}, {Category: "product", Source: "/ERP", ID: "1"}}
			equal(t, "keys that differ in one part", remember(t, b, "c", near...), []bool{true, true, true})
		}},
		{"of concurrent transactions one remembers a key", func(t *testing.T, b subject[Tx]) {
			var mu sync.Mutex
			var wg sync.WaitGroup
			count := make(map[string]int)
			for range 4 {
				wg.Go(func() {
					for i := range 25 {
						var fresh []bool
						keys := []store.EventKey{key(fmt.Sprint(i)), key(fmt.Sprint(i + 1))}
						err := b.InTx(t.Context(), func(ctx context.Context, tx Tx) (err error) {
							fresh, err = b.Remember(ctx, tx, "c", keys)
							return err
						})
						if err != nil {
							t.Errorf("transaction: %v", err)
							return
						}
						mu.Lock()
						for j := range keys {
							if fresh[j] {
								count[keys[j].ID]++
							}
						}
						mu.Unlock()
					}
				})
			}
			wg.Wait()
			for i := range 26 {
				equal(t, fmt.Sprint("times that key was new: ", i), count[fmt.Sprint(i)], 1)
			}
		}},
		{"keys are forgotten when they are old, up to the limit", func(t *testing.T, b subject[Tx]) {
			remember(t, b, "c", key("1"), key("2"), key("3"))
			remember(t, b, "d", key("1"))
			forget := func(age time.Duration, limit int) int64 {
				n, err := b.ForgetOlder(t.Context(), "c", age, limit)
				if err != nil {
					t.Fatal(err)
				}
				return n
			}
			equal(t, "forgotten of an hour", forget(time.Hour, all), 0)
			time.Sleep(2 * time.Millisecond) // so that they are older than nothing
			equal(t, "forgotten of none", forget(0, -1), 0)
			equal(t, "forgotten of two", forget(0, 2), 2)
			equal(t, "forgotten of all", forget(0, all), 1)
			equal(t, "keys", remember(t, b, "c", key("1"), key("2"), key("3")), []bool{true, true, true})
			equal(t, "keys of another consumer", remember(t, b, "d", key("1")), []bool{false})
		}},
		{"an incarnation is drawn once for each consumer, also by many at once", func(t *testing.T, b subject[Tx]) {
			names := make([]string, 8)
			var wg sync.WaitGroup
			for i := range names {
				wg.Go(func() {
					name, err := b.Incarnation(t.Context(), "c")
					if err != nil {
						t.Error(err)
					}
					names[i] = name
				})
			}
			wg.Wait()
			for _, name := range names {
				equal(t, "incarnation", name, names[0])
			}
			if len(names[0]) != 32 || strings.Trim(names[0], "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
				t.Errorf("the incarnation is %q, want 32 characters of a-z and 0-9", names[0])
			}
			if mustIncarnation(t, b, "d") == names[0] {
				t.Error("two consumers have one incarnation")
			}
		}},
		{"dead letters stay on record whole, the last first, paged by id", func(t *testing.T, b subject[Tx]) {
			began := time.Now()
			for n := 1; n <= 5; n++ {
				mustAddLetter(t, b, record("c", n))
				mustAddLetter(t, b, record("d", n))
			}
			got := mustListLetters(t, b, "c", 0, all)
			equal(t, "number of letters", len(got), 5)
			for i, l := range got {
				equal(t, "letter", l, keptRecord("c", 5-i, l))
				if age := l.At.Sub(began); age < -time.Minute || age > time.Minute {
					t.Errorf("at %v, added at %v", l.At, began)
				}
				if i > 0 && l.ID >= got[i-1].ID {
					t.Errorf("id %d comes after %d", l.ID, got[i-1].ID)
				}
			}
			equal(t, "page", mustListLetters(t, b, "c", got[1].ID, 2), got[2:4])
			equal(t, "page of none", len(mustListLetters(t, b, "c", 0, -1)), 0)
		}},
		{"a dead letter takes any text, and may know nothing", func(t *testing.T, b subject[Tx]) {
			l := store.DeadLetter{Consumer: "c", Header: map[string]string{"x": "a\x00b\xff"}, BrokerID: "a\x00\xff"}
			l.Message.ID, l.Message.Type, l.Message.Stream, l.Error = "\xff", "\x00", store.Stream{Category: "\xff", ID: "\x00"}, "\xff\x00"
			mustAddLetter(t, b, l)
			mustAddLetter(t, b, store.DeadLetter{Consumer: "c"})
			equal(t, "letters", len(mustListLetters(t, b, "c", 0, all)), 2)
		}},
		{"trimming leaves the newest letters, and all that have a reason", func(t *testing.T, b subject[Tx]) {
			for n := 1; n <= 5; n++ {
				l := record("c", n)
				if n == 1 || n == 4 {
					l.Reason = "a test"
				}
				mustAddLetter(t, b, l)
				mustAddLetter(t, b, record("d", n))
			}
			for _, step := range []struct {
				newest  int
				removed int64
				left    int
			}{{3, 0, 5}, {2, 1, 4}, {2, 0, 4}, {0, 2, 2}} {
				n, err := b.TrimDeadLetters(t.Context(), "c", step.newest)
				if err != nil {
					t.Fatal(err)
				}
				equal(t, "removed", n, step.removed)
				equal(t, "left", len(mustListLetters(t, b, "c", 0, all)), step.left)
			}
			for _, l := range mustListLetters(t, b, "c", 0, all) {
				equal(t, "reason", l.Reason, "a test")
			}
			equal(t, "letters of another consumer", len(mustListLetters(t, b, "d", 0, all)), 5)
		}},
	}
}
