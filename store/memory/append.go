package memory

import (
	"context"

	"github.com/eventus-go/eventus/store"
)

// Append implements [store.Store].
func (s *Store) Append(ctx context.Context, stream store.Stream, expected store.Expected, events []store.Event) (int64, error) {
	if err := store.CheckAppend(stream, expected, events); err != nil {
		return 0, err
	}
	unlock, err := s.lock(ctx)
	if err != nil {
		return 0, err
	}
	defer unlock()

	version := int64(len(s.streams[stream]))
	if expected != store.Any && expected.Version != version {
		if s.repeats(stream, expected.Version, events) {
			return expected.Version + int64(len(events)), nil
		}
		return 0, &store.ConflictError{Stream: stream, Expected: expected, Actual: version}
	}
	if expected.EventID != "" && s.log[s.streams[stream][version-1]].ID != expected.EventID {
		return 0, &store.ConflictError{Stream: stream, Expected: expected, Actual: version, Forked: true}
	}
	for _, e := range events {
		version++
		s.streams[stream] = append(s.streams[stream], len(s.log))
		s.published = append(s.published, false)
		s.log = append(s.log, store.Message{
			Event:    cloneEvent(e),
			Stream:   stream,
			Version:  version,
			Position: int64(len(s.log)) + 1,
		})
	}
	close(s.appended)
	s.appended = make(chan struct{})
	return version, nil
}

// repeats reports whether a stream has events already, from the expected version
// on.
func (s *Store) repeats(stream store.Stream, expected int64, events []store.Event) bool {
	have, n := s.streams[stream], int64(len(events))
	return expected <= int64(len(have))-n &&
		s.log[have[expected]].ID == events[0].ID && s.log[have[expected+n-1]].ID == events[n-1].ID
}
