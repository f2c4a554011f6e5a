package consume

import (
	"fmt"

	"github.com/eventus-go/eventus/store"
)

// place is where an event stands to the mark of its stream.
type place int

const (
	duplicate place = iota // it has taken effect
	next                   // it follows the event of the mark
	ahead                  // an event before it is missing
	forked                 // it belongs to another history than the mark
)

// placeOf compares an event with the mark of its stream. A number is no
// identity: another event at the version of the mark, and one that names another
// event as the one before it, are of another history.
//
// A producer that does not name the event before is trusted to count right, and
// so is a mark that is older than event ids: it adopts the id of the next event.
func placeOf(mark store.Mark, version int64, id, previous string) place {
	switch {
	case version == mark.Version && mark.EventID != "" && id != mark.EventID:
		return forked
	case version <= mark.Version:
		return duplicate
	case version > mark.Version+1:
		return ahead
	case mark.Version == 0 && previous != "":
		return forked // it says that there is an event before the first
	case previous != "" && mark.EventID != "" && previous != mark.EventID:
		return forked
	}
	return next
}

// forkText says why a stream is forked, and what to do.
func forkText(mark store.Mark, version int64, id, previous string) string {
	what := fmt.Sprintf("version %d is event %q, which follows %q", version, id, previous)
	if version <= mark.Version {
		what = fmt.Sprintf("version %d is event %q", version, id)
	}
	return fmt.Sprintf("%s, and this consumer has handled event %q at version %d: the producer's store was restored from a backup, or another store publishes to this topic; "+
		"rebuild the consumer, or skip the event", what, mark.EventID, mark.Version)
}
