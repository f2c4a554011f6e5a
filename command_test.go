package eventus_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/memory"
)

// mustLead fails the test unless an update has led to a version.
func mustLead(t *testing.T, want int64, version int64, err error) {
	t.Helper()
	if version != want || err != nil {
		t.Fatalf("version %d, error %v, want version %d", version, err, want)
	}
}

func mustTotal(t *testing.T, r *eventus.Repository[*counter], want int64) {
	t.Helper()
	c, err := r.Load(t.Context(), "c")
	if err != nil || c.State().Total != want {
		t.Fatalf("total %d, error %v, want %d", c.State().Total, err, want)
	}
}

func twice(c *counter) error { return errors.Join(c.Add(2), c.Add(4)) }

func TestACommandThatIsRepeatedTakesEffectOnce(t *testing.T) {
	for name, options := range map[string][]eventus.Option{"plain": nil, "with snapshots": {eventus.WithSnapshotEvery(2)}} {
		t.Run(name, func(t *testing.T) {
			r := eventus.NewRepository(memory.New(), counters, options...)
			once := eventus.CommandID("cmd-1")
			version, err := versionOf(r.Update(t.Context(), "c", twice, once))
			mustLead(t, 2, version, err)
			version, err = versionOf(r.Update(t.Context(), "c", twice, once))
			mustLead(t, 2, version, err)
			update(t, r, "c", 2, 2, 2)
			// The version that the client has seen before the command is not the one of
			// the repetition.
			version, err = versionOf(r.Update(t.Context(), "c", func(*counter) error { return errOdd }, once, eventus.Expect(0)))
			mustLead(t, 2, version, err)
			mustTotal(t, r, 12)
			version, err = versionOf(r.Update(t.Context(), "c", twice, eventus.CommandID("cmd-2")))
			mustLead(t, 7, version, err)
			version, err = versionOf(r.Update(t.Context(), "c", twice, eventus.CommandID("")))
			mustLead(t, 9, version, err)
			// Another aggregate has not seen the command.
			version, err = versionOf(r.Update(t.Context(), "d", twice, once))
			mustLead(t, 2, version, err)
		})
	}
}

func TestEventsCarryTheIDOfTheirCommand(t *testing.T) {
	r := eventus.NewRepository(memory.New(), counters)
	ctx := eventus.ContextWithActor(eventus.ContextWithCausationID(t.Context(), "message"), "me")
	if _, err := r.Update(ctx, "c", twice, eventus.CommandID("cmd")); err != nil {
		t.Fatal(err)
	}
	for m, err := range eventus.History(ctx, r, "c") {
		if err != nil || m.Metadata.CausationID != "cmd" || m.Metadata.Actor != "me" {
			t.Errorf("got %+v, error %v", m.Metadata, err)
		}
	}
}

// The window has a stated size, behind a snapshot and without one.
func TestARepetitionIsRecognizedAmongTheLastEvents(t *testing.T) {
	for _, every := range []int{0, 400} {
		t.Run(fmt.Sprint("a snapshot every ", every), func(t *testing.T) {
			r := eventus.NewRepository(memory.New(), counters, eventus.WithSnapshotEvery(every))
			once := eventus.CommandID("cmd")
			if _, err := r.Update(t.Context(), "c", twice, once); err != nil {
				t.Fatal(err)
			}
			for range 4 {
				if _, err := r.Update(t.Context(), "c", func(c *counter) error {
					for range 249 {
						c.Record(added{By: 2})
					}
					return nil
				}); err != nil {
					t.Fatal(err)
				}
			}
			version, err := versionOf(r.Update(t.Context(), "c", twice, once)) // 998 events came in between
			mustLead(t, 2, version, err)
		})
	}
}

// A command whose answer was lost is repeated while others write, and beside itself.
func TestARepetitionThatMeetsItsCommandWaitsForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{Store: memory.New(), pause: time.Millisecond}
		r := eventus.NewRepository(s, counters)
		results := make(chan outcome, 8)
		for i := range 8 {
			go func() {
				var o outcome
				o.version, o.err = versionOf(r.Update(t.Context(), "c", twice, eventus.CommandID(fmt.Sprint("cmd-", i%2))))
				results <- o
			}()
			synctest.Wait()
		}
		versions := make(map[int64]int)
		for range 8 {
			o := <-results
			if o.err != nil {
				t.Error(o.err)
			}
			versions[o.version]++
		}
		if versions[2] != 4 || versions[4] != 4 {
			t.Errorf("got %v, want four times each command's version", versions)
		}
		mustTotal(t, r, 12)
	})
}

// silent is a store that stores, and whose answers are lost.
type silent struct{ *memory.Store }

func (l silent) Append(ctx context.Context, s store.Stream, expected store.Expected, events []store.Event) (int64, error) {
	if _, err := l.Store.Append(ctx, s, expected, events); err != nil {
		return 0, err
	}
	return 0, store.ErrOutcomeUnknown
}

func TestACommandOfUnknownOutcomeCanBeRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.New()
		once := eventus.CommandID("cmd")
		_, err := eventus.NewRepository(silent{s}, counters).Update(t.Context(), "c", twice, once)
		if !errors.Is(err, eventus.ErrOutcomeUnknown) {
			t.Fatalf("got error %v", err)
		}
		r := eventus.NewRepository(s, counters)
		version, err := versionOf(r.Update(t.Context(), "c", twice, once))
		mustLead(t, 2, version, err)
		mustTotal(t, r, 6)
	})
}
