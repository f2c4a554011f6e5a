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

// Expected is the version at which an append wants to find its stream:
// [NoStream], [Any], or the version itself, for example Expected(3).
type Expected int64

const (
	// NoStream expects that the stream has no events yet.
	NoStream Expected = 0
	// Any appends at whatever version the stream has.
	Any Expected = -1
)
