package store

import (
	"context"
	"time"
)

// Snapshot is the folded state of a stream at a version. It is a cache: losing
// one costs time, never truth.
type Snapshot struct {
	Stream Stream
	// Schema is the version of the state's shape, as the repository declares
	// it. Snapshots of different schemas live side by side, so that two
	// releases of a service can run at once.
	Schema int
	// Version is the stream's version up to which the state has its events. In a
	// result, 0 means that there is no snapshot.
	Version int64
	// EventID is the id of the event at Version. With it the snapshot belongs to one
	// history of the stream.
	EventID string
	// Latest is the latest time of all events up to Version, kept as
	// [Event.Time] is. A reader needs it to know whether all of the snapshot is older
	// than a time. The time of the event at Version is not enough, because clocks can
	// go back. Zero means that it is not known.
	Latest      time.Time
	ContentType string
	Data        []byte
}

// Snapshots keeps the newest snapshot for each stream and schema.
type Snapshots interface {
	// ReadSnapshot returns the snapshot of s with that schema together with the
	// first page of the stream after it, as [Reader.Read] would: one round
	// trip, one consistent view. Without a snapshot, Snapshot has only Stream
	// and Schema, and the page starts at version 1. A stream that
	// [Stream.Check] refuses is an [*InvalidError].
	//
	// A snapshot stands only while the stream has at its version the event, by
	// its id, that it had when the snapshot was written. One whose event is
	// gone (restored from an older backup, without the snapshots) or is another
	// by now is not returned.
	ReadSnapshot(ctx context.Context, s Stream, schema int, limit int) (Snapshot, []Message, error)

	// WriteSnapshot stores snap. It stores nothing when the stream does not have
	// the event snap.EventID at snap.Version, or when the store has a snapshot of
	// the same stream and schema that still stands and is as new or newer; neither
	// is an error. What [Snapshot.Check] refuses
	// is refused.
	WriteSnapshot(ctx context.Context, snap Snapshot) error
}
