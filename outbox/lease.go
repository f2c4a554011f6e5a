package outbox

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/eventus-go/eventus/store"
	"github.com/google/uuid"
)

// leaseName is what the relays of one store take turns at.
const leaseName = "relay"

// lease is a relay's part of the lease. A nil lease is always held: there is
// nobody to share with.
type lease struct {
	leases store.Leases
	holder string
	ttl    time.Duration
	renew  time.Time // when to ask again
}

func newLease(leases store.Leases, ttl time.Duration) *lease {
	return &lease{leases: leases, holder: uuid.NewString(), ttl: ttl}
}

// held reports whether this relay is the one to publish. It asks the store three
// times in the life of a lease.
func (l *lease) held(ctx context.Context) (bool, error) {
	// Before the call: its own time is part of the lease's.
	now := time.Now()
	if l == nil || now.Before(l.renew) {
		return true, nil
	}
	held, err := l.leases.Acquire(ctx, leaseName, l.holder, l.ttl)
	if err != nil {
		return false, fmt.Errorf("take the relay's lease: %w", err)
	}
	if held {
		l.renew = now.Add(l.ttl / 3)
	}
	return held, nil
}

// release lets another relay take over without waiting.
func (l *lease) release(ctx context.Context, log *slog.Logger) {
	if l == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), markTimeout)
	defer cancel()
	l.renew = time.Time{}
	if err := l.leases.Release(ctx, leaseName, l.holder); err != nil {
		log.Warn("the relay's lease was not released", slog.Any("error", err))
	}
}
