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
	snap, ok := s.snapshots[snapshotKey{stream, schema}]
	if !ok {
		snap = store.Snapshot{Stream: stream, Schema: schema}
	}
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
	if s.snapshots[key].Version < snap.Version {
		snap.Data = bytes.Clone(snap.Data)
		s.snapshots[key] = snap
	}
	return nil
}
