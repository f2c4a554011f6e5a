package memory

import (
	"context"
	"time"

	"github.com/eventus-go/eventus/store"
)

// refusal is what is known of a message that a broker has refused. It stays when
// the message is readmitted, and counts on.
type refusal struct {
	error    string // empty when the message does not wait
	attempts int
	since    time.Time
	retryAt  time.Time
}

// Unpublished implements [store.Outbox].
func (s *Store) Unpublished(ctx context.Context, after int64, limit int) ([]store.Outgoing, int64, error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	after = max(after, 0)
	if limit < 1 {
		return nil, after, nil
	}
	var page []store.Outgoing
	for i := max(after, int64(s.head)); i < int64(len(s.log)); i++ {
		if s.published[i] || s.waits(i) {
			continue
		}
		page = append(page, s.outgoing(i))
		if len(page) == limit {
			return page, i + 1, nil
		}
	}
	return page, max(after, int64(len(s.log))), nil
}

// waits reports whether the message at index i, or an earlier one of its stream,
// is refused.
func (s *Store) waits(i int64) bool {
	for position, r := range s.refusals {
		if r.error != "" && position <= i+1 && s.log[position-1].Stream == s.log[i].Stream {
			return true
		}
	}
	return false
}

func (s *Store) outgoing(i int64) store.Outgoing {
	out := store.Outgoing{Message: cloneMessage(s.log[i]), Attempts: s.refusals[i+1].attempts}
	if out.Version > 1 {
		out.Previous = s.log[s.streams[out.Stream][out.Version-2]].ID
	}
	return out
}
