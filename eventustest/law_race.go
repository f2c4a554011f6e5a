package eventustest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
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

// A command may be different each time it runs, by dice, a clock or its
// aggregate's id. So what a retry decided is an alarm only when it comes so many
// times in a row, and only where so many runs on fresh state agree.
const retries, freshRuns = 4, 16

// retried lets another writer, who stores the events after split, come between a
// command's load and its save.
func (tr *trial[S, E, A]) retried(command func(A) error, split int) *violation {
	var last outcome[S, E]
	for range retries {
		var v *violation
		var twice bool
		if last, twice, v = tr.interrupted(command, split); v != nil || !twice {
			return v
		}
		fresh, v := tr.fresh(command)
		if v != nil {
			return v
		}
		if d := differences(decided(fresh), decided(last)); len(d) == 0 {
			return nil
		}
	}
	var want map[string]string
	unsettled := make(map[string]bool)
	for range freshRuns {
		fresh, v := tr.fresh(command)
		if v != nil {
			return v
		}
		is := decided(fresh)
		if want == nil {
			want = is
		}
		for _, part := range differences(want, is) {
			unsettled[part] = true
		}
	}
	if unsettled[outcomeItself] {
		return nil
	}
	var b strings.Builder
	got := decided(last)
	for _, part := range differences(want, got) {
		if !unsettled[part] {
			fmt.Fprintf(&b, "- %s %s\n+ %s %s\n", part, want[part], part, got[part])
		}
	}
	if b.Len() == 0 {
		return nil
	}
	return broken(lawRetry, "another writer stored events %d to %d between load and save\n-decided on the fresh state +decided by the retry:\n%s", split+1, len(tr.events), &b)
}

const outcomeItself = "outcome:"

// decided takes apart what a command did, so that runs can be compared part by
// part.
func decided[S, E any](o outcome[S, E]) map[string]string {
	if o.err != nil {
		return map[string]string{outcomeItself: "refused"}
	}
	parts := make(map[string]string)
	types := ""
	for i, event := range o.recorded {
		v := reflect.ValueOf(event)
		types += fmt.Sprintf(" %T", event)
		if v.Kind() != reflect.Struct {
			parts[fmt.Sprintf("event %d:", i+1)] = fingerprintOf(v)
			continue
		}
		for j := range v.NumField() {
			parts[fmt.Sprintf("event %d, %s:", i+1, v.Type().Field(j).Name)] = fingerprintOf(v.Field(j))
		}
	}
	parts[outcomeItself] = "accepted, recorded" + types
	return parts
}

// differences lists the parts in which two runs differ. Runs with other outcomes
// differ in that alone.
func differences(a, b map[string]string) []string {
	if a[outcomeItself] != b[outcomeItself] {
		return []string{outcomeItself}
	}
	var parts []string
	for part := range a {
		if a[part] != b[part] {
			parts = append(parts, part)
		}
	}
	slices.Sort(parts)
	return parts
}

// fresh runs a command on an aggregate of its own with the stored events.
func (tr *trial[S, E, A]) fresh(command func(A) error) (o outcome[S, E], v *violation) {
	twin := tr.anew()
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

// interrupted runs a command through Update, and lets another writer store the
// events after split before its first append. It returns what the last try did,
// and whether there was a second one.
func (tr *trial[S, E, A]) interrupted(command func(A) error, split int) (last outcome[S, E], twice bool, v *violation) {
	s := &interrupted{Store: memory.New(), events: tr.events[split:]}
	stream := tr.definition.Stream(tr.ids())
	ctx := context.Background()
	if split > 0 {
		if _, err := s.Store.Append(ctx, stream, store.NoStream, tr.events[:split]); err != nil {
			return last, false, broken(lawRetry, "%v", err)
		}
	}
	attempts := 0
	repository := eventus.NewRepository(s, tr.definition, eventus.WithClock(startOfTime), eventus.WithRetries(3, time.Microsecond))
	panicked := recovered(func() {
		_, last.err = repository.Update(ctx, stream.ID, func(a A) error {
			attempts++
			err := command(a)
			last.recorded = a.Recorded()
			return err
		})
	})
	// One try, or a panic: the command is refused, or without sense, on a state
	// that nobody sees.
	return last, panicked == "" && attempts > 1, nil
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
	twin := tr.anew()
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
