package outbox

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/internal/pause"
	"github.com/eventus-go/eventus/store"
)

const (
	firstPoll   = 2 * time.Millisecond
	markTimeout = 5 * time.Second
)

// Relay publishes what the outbox holds. Make one by [New].
type Relay struct {
	outbox    store.Outbox
	publisher broker.Publisher
	log       store.Log      // nil where the store has none
	owner     broker.Owner   // nil where the broker has none
	auditor   broker.Auditor // nil where the broker has none, or the store no log
	cfg       Config
	lease     *lease // nil where the store has none

	// The rest is Run's, but for state.
	history   string // of the store; empty until it is known, or where it has none
	after     int64  // everything up to here was marked, or waits
	pageSize  int    // how many messages are read at a time
	claimed   map[string]bool
	known     map[string]bool // categories that were claimed and compared
	places    map[string]*store.Published
	touched   map[string]bool        // places that the store does not have yet, and whether their checkpoints are new
	waiting   map[store.Stream]int64 // first position of each stream that was passed over, at the last audit
	waitingAt map[string]int64       // the same of each place
	ready     bool                   // whether the history is known
	started   bool                   // whether refused messages were tried again since Run or the lease began
	checkAt   time.Time              // when the next audit is due
	session   uint64                 // of the broker at the last audit

	mu    sync.Mutex
	state State
}

// New returns a relay from the outbox to the publisher. It panics when one of
// them is nil, on a source that no header can carry, and on negative numbers.
func New(from store.Outbox, to broker.Publisher, cfg Config) *Relay {
	if from == nil || to == nil {
		panic("outbox: a relay needs an outbox and a publisher; one of them is nil")
	}
	r := &Relay{outbox: from, publisher: to, cfg: cfg.withDefaults()}
	r.pageSize = min(firstPageSize, r.cfg.BatchSize)
	if leases, ok := from.(store.Leases); ok {
		r.lease = newLease(leases, r.cfg.LeaseDuration)
	}
	r.log, _ = from.(store.Log)
	r.owner, _ = to.(broker.Owner)
	if auditor, ok := to.(broker.Auditor); ok && r.log != nil {
		r.auditor = auditor
	}
	return r
}

// Run publishes until ctx ends, then returns nil. It is called once at a time. It
// outlives failures of the store and the broker: it logs them and tries again,
// from 50 ms up to 5 s apart. When ctx ends in the middle of a batch, what the
// broker has confirmed is still marked, and the lease is released for a relay
// that stands by.
//
// It returns a [*broker.OwnedError] when a category belongs to another store at
// the broker: before it has published anything if the category is in
// Config.Categories or was published before, else before the category's first
// message.
func (r *Relay) Run(ctx context.Context) error {
	defer r.note(func(s *State) { s.Leader = false })
	defer r.lease.release(ctx, r.cfg.Logger)
	r.forget()
	poll, failures := firstPoll, pause.AfterFailures()
	for ctx.Err() == nil {
		// Taken before the look, so that no append falls between look and wait.
		appended := r.watch()
		leading, published, err := r.turn(ctx)
		if ctx.Err() != nil {
			break
		}
		if errors.Is(err, broker.ErrOwned) {
			return err
		}
		r.note(func(s *State) { s.Leader, s.Err, s.Position = leading, err, r.after })
		if published > 0 {
			poll, failures = firstPoll, pause.AfterFailures()
		}
		switch {
		case err != nil:
			d, _ := failures.Next()
			r.cfg.Logger.Error("relay pauses", slog.Any("error", err), slog.Duration("pause", d))
			pause.Wait(ctx, d, nil)
		case !leading:
			pause.Wait(ctx, r.cfg.LeaseDuration/3, nil)
		case published == 0:
			failures = pause.AfterFailures()
			pause.Wait(ctx, poll, appended)
			poll = min(2*poll, r.cfg.MaxPollInterval)
		}
	}
	return nil
}

func (r *Relay) watch() <-chan struct{} {
	if w, ok := r.outbox.(store.Watcher); ok {
		return w.Watch()
	}
	return nil
}

// forget has the next turn begin with what the store says: another relay may
// have published meanwhile.
func (r *Relay) forget() {
	r.ready, r.started, r.after, r.checkAt = false, false, 0, time.Time{}
	r.claimed, r.known = make(map[string]bool), make(map[string]bool)
	r.places, r.touched = make(map[string]*store.Published), make(map[string]bool)
}

// turn publishes what there is, if this relay is the one to do it.
func (r *Relay) turn(ctx context.Context) (leading bool, published int, err error) {
	leading, err = r.lease.held(ctx)
	if err != nil || !leading {
		r.forget()
		return false, 0, err
	}
	if err = r.prepare(ctx); err == nil {
		published, err = r.drain(ctx)
	}
	if errors.Is(err, errStandby) {
		r.forget()
		return false, published, nil
	}
	if err != nil {
		r.checkAt = time.Time{} // the broker may have changed
	}
	return true, published, err
}

// prepare makes sure that the broker has what the store has published, when
// that is due.
func (r *Relay) prepare(ctx context.Context) error {
	if !r.ready {
		if err := r.begin(ctx); err != nil {
			return err
		}
		r.ready = true
	}
	if !r.checkDue() {
		return nil
	}
	// In this order, so that the audit knows what is refused, and does not publish
	// again what waits for it.
	if err := r.audit(ctx); err != nil {
		return err
	}
	if err := r.readmit(ctx, !r.started); err != nil {
		return err
	}
	// An older backup may have been put back: then the log has new messages at
	// positions that this relay has come past.
	r.started, r.after = true, 0
	r.checkAt = time.Now().Add(r.cfg.AuditInterval)
	return nil
}

func (r *Relay) checkDue() bool {
	return !time.Now().Before(r.checkAt) || r.changed()
}
