package store

// Stream names one sequence of events: an aggregate's kind and its id. The two
// are never glued into one string, so that no id can reach into another
// category.
type Stream struct {
	Category string
	ID       string
}

// String is for people and logs; it is not a key.
func (s Stream) String() string { return s.Category + " " + s.ID }

// Expected is what an append wants to find at the end of its stream. [At] and
// [After] make one, besides [NoStream] and [Any].
type Expected struct {
	Version int64
	// EventID is the id of the event at Version, or "" if any event will do. A
	// version alone does not tell one history from another: after a restored backup,
	// or a failover, other events may stand at the versions that a reader has seen.
	EventID string
}

var (
	// NoStream expects that the stream has no events yet.
	NoStream = Expected{}
	// Any appends at whatever version the stream has.
	Any = Expected{Version: -1}
)

// At expects a version, whatever event stands there.
func At(version int64) Expected { return Expected{Version: version} }

// After expects that the last event of the stream is the one at a version with an
// id.
func After(version int64, eventID string) Expected { return Expected{version, eventID} }
