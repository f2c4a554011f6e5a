package eventustest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/memory"
)

// disturbed runs a command while another writer is at work: one that is as fast,
// and one that stores the events after split meanwhile.
func (tr *trial[S, E, A]) disturbed(command func(A) error, split int) *violation {
	if v := tr.raced(command); v != nil || split == len(tr.events) {
		return v
	}
	return tr.retried(command, split)
}

// retried lets another writer come between a command's load and its save.
func (tr *trial[S, E, A]) retried(command func(A) error, split int) *violation {
	fresh, v := tr.fresh(command)
	if v != nil {
		return v
	}
	control, v := tr.fresh(command)
	if v != nil {
		return v
	}
	s := &interrupted{Store: memory.New(), events: tr.events[split:]}
	stream := tr.definition.Stream(anotherID())
	ctx := context.Background()
	if split > 0 {
		if _, err := s.Store.Append(ctx, stream, store.NoStream, tr.events[:split]); err != nil {
			return broken(lawRetry, "%v", err)
		}
	}
	var last outcome[S, E]
	attempts := 0
	repository := eventus.NewRepository(s, tr.definition, eventus.WithClock(startOfTime), eventus.Retries(3, time.Microsecond))
	panicked := recovered(func() {
		last.err = repository.Update(ctx, stream.ID, func(a A) error {
			attempts++
			err := command(a)
			last.recorded = a.Recorded()
			return err
		})
	})
	if panicked != "" || attempts < 2 {
		return nil // refused, or without sense, on the state that is never seen
	}
	exact := tr.differs(fresh, control) == ""
	if !exact {
		// What the command records is its own each time, by a new id for one.
		fresh, last = nameless(fresh), nameless(last)
	}
	if d := tr.differs(fresh, last); d != "" {
		return broken(lawRetry, "another writer stored events %d to %d between load and save\n-decided on the fresh state +decided by the retry:\n%s", split+1, len(tr.events), d)
	}
	return nil
}

// fresh runs a command on an aggregate of its own with the stored events.
func (tr *trial[S, E, A]) fresh(command func(A) error) (o outcome[S, E], v *violation) {
	twin := newTrial(tr.definition, anotherID())
	if err := twin.given(tr.events); err != nil {
		return o, broken(lawStored, "%v", err)
	}
	a, err := load(twin.repository, twin.stream.ID)
	if err != nil {
		return o, broken(lawApplies, "the aggregate cannot be loaded: %v", err)
	}
	if panicked := recovered(func() { o.err = command(a) }); panicked != "" {
		return o, broken(lawCommand, "panic: %s", panicked)
	}
	o.recorded = a.Recorded()
	return o, nil
}

// differs compares what two runs of a command did.
func (tr *trial[S, E, A]) differs(a, b outcome[S, E]) string {
	if (a.err == nil) != (b.err == nil) {
		return fmt.Sprintf("-%v\n+%v", told(a), told(b))
	}
	if a.err != nil {
		return ""
	}
	return diff(tr.named(a.recorded), tr.named(b.recorded))
}

func told[S, E any](o outcome[S, E]) string {
	if o.err != nil {
		return fmt.Sprintf("refused: %v", o.err)
	}
	return fmt.Sprintf("accepted, %d events", len(o.recorded))
}

// nameless keeps the types of what was recorded, and forgets the rest.
func nameless[S, E any](o outcome[S, E]) outcome[S, E] {
	blank := make([]E, len(o.recorded))
	for i, e := range o.recorded {
		blank[i] = reflect.Zero(reflect.TypeOf(e)).Interface().(E)
	}
	o.recorded = blank
	return o
}

// interrupted is a store in which another writer is first, once.
type interrupted struct {
	*memory.Store
	events []store.Event
}

func (s *interrupted) Append(ctx context.Context, stream store.Stream, expected store.Expected, events []store.Event) (int64, error) {
	if others := s.events; len(others) > 0 {
		s.events = nil
		if _, err := s.Store.Append(ctx, stream, store.Any, others); err != nil {
			return 0, err
		}
	}
	return s.Store.Append(ctx, stream, expected, events)
}

// raced lets two writers decide on one version.
func (tr *trial[S, E, A]) raced(command func(A) error) *violation {
	twin := newTrial(tr.definition, anotherID())
	if err := twin.given(tr.events); err != nil {
		return broken(lawStored, "%v", err)
	}
	ctx := context.Background()
	var writers [2]A
	for i := range writers {
		a, err := load(twin.repository, twin.stream.ID)
		if err != nil {
			return broken(lawApplies, "the aggregate cannot be loaded: %v", err)
		}
		writers[i] = a
	}
	won, stored := 0, len(tr.events)
	for i, a := range writers {
		var err error
		if panicked := recovered(func() { err = command(a) }); panicked != "" {
			return broken(lawCommand, "panic: %s", panicked)
		}
		n := len(a.Recorded())
		if err != nil || n == 0 {
			return nil
		}
		err = twin.repository.Save(ctx, a)
		switch {
		case err == nil:
			won++
			stored += n
		case i == 0 || !errors.Is(err, eventus.ErrConflict):
			return broken(lawRace, "writer %d: %v", i+1, err)
		}
	}
	messages, err := twin.store.Read(ctx, twin.stream, 0, stored+1)
	if err != nil || won != 1 || len(messages) != stored {
		return broken(lawRace, "%d writers won, and the stream has %d events, want one winner and %d (%v); does the function that makes the aggregate return a new one each time?", won, len(messages), stored, err)
	}
	return nil
}
