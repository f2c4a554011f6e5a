package memory

import (
	"bytes"
	"context"

	"github.com/eventus-go/eventus/store"
)

type snapshotKey struct {
	stream store.Stream
	schema int
}

type snapshot struct {
	store.Snapshot
	eventID string // of the event at Version
}

// ReadSnapshot implements [store.Snapshots].
func (s *Store) ReadSnapshot(ctx context.Context, stream store.Stream, schema int, limit int) (store.Snapshot, []store.Message, error) {
	if err := stream.Check(); err != nil {
		return store.Snapshot{}, nil, err
	}
	if err := ctx.Err(); err != nil {
		return store.Snapshot{}, nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	snap := s.snapshot(snapshotKey{stream, schema})
	snap.Data = bytes.Clone(snap.Data)
	return snap, s.read(stream, snap.Version, limit), nil
}

// WriteSnapshot implements [store.Snapshots].
func (s *Store) WriteSnapshot(ctx context.Context, snap store.Snapshot) error {
	if err := snap.Check(); err != nil {
		return err
	}
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	key := snapshotKey{snap.Stream, snap.Schema}
	eventID := s.eventID(snap.Stream, snap.Version)
	if eventID != "" && s.snapshot(key).Version < snap.Version {
		snap.Data = bytes.Clone(snap.Data)
		if !snap.Latest.IsZero() {
			snap.Latest = cutTime(snap.Latest)
		}
		s.snapshots[key] = snapshot{snap, eventID}
	}
	return nil
}

// snapshot returns the snapshot under key if it stands. It is called with mu
// held.
func (s *Store) snapshot(key snapshotKey) store.Snapshot {
	snap := s.snapshots[key]
	if snap.Version == 0 || snap.eventID != s.eventID(key.stream, snap.Version) {
		return store.Snapshot{Stream: key.stream, Schema: key.schema}
	}
	return snap.Snapshot
}

// eventID returns the id of the event at a version, empty when there is none.
// It is called with mu held.
func (s *Store) eventID(stream store.Stream, version int64) string {
	places := window(s.streams[stream], version-1, 1)
	if len(places) == 0 {
		return ""
	}
	return s.log[places[0]].ID
}
