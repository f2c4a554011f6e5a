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
	if s.has(snap) && s.snapshot(key).Version < snap.Version {
		snap.Data = bytes.Clone(snap.Data)
		if !snap.Latest.IsZero() {
			snap.Latest = cutTime(snap.Latest)
		}
		s.snapshots[key] = snap
	}
	return nil
}

// snapshot returns the snapshot under key if it stands. It is called with mu
// held.
func (s *Store) snapshot(key snapshotKey) store.Snapshot {
	snap := s.snapshots[key]
	if snap.Version == 0 || !s.has(snap) {
		return store.Snapshot{Stream: key.stream, Schema: key.schema}
	}
	return snap
}

// has reports whether the stream of a snapshot has its event at its version. It is
// called with mu held.
func (s *Store) has(snap store.Snapshot) bool {
	places := window(s.streams[snap.Stream], snap.Version-1, 1)
	return len(places) > 0 && s.log[places[0]].ID == snap.EventID
}
