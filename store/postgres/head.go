package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/eventus-go/eventus/store"
	"github.com/jackc/pgx/v5"
)

// logLock is the first half of the key of the advisory lock that every
// appender of a store shares; the second is the schema's. It is "evnt".
const logLock = 0x65766e74

// head knows up to which position the log can no longer change.
//
// A position is drawn by a transaction that holds the log lock, from before the
// draw until its end. So a reader who sees position M knows that whoever drew a
// smaller one holds the lock now, or has ended. Once all who hold the lock
// now have ended, every position up to M is visible to a snapshot taken
// afterwards, or never will be: M is settled.
//
// That needs no look at the locks while no position is missing, and nobody who
// has not appended can hold it up.
type head struct {
	turn chan struct{} // holds a value while somebody looks at the locks

	mu      sync.Mutex
	settled int64
	wait    *wait
}

// wait is for those who held the log lock when the last position was upTo.
type wait struct {
	upTo    int64
	holders map[string]bool
	missing int64     // the position that a reader has met to be missing; 0 when none has
	since   time.Time // when it did
}

func newHead() head { return head{turn: make(chan struct{}, 1)} }

func (h *head) settledUpTo() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.settled
}

// takeBack forgets what was settled, because the log now ends before it: an older
// one was put back under the running process. What it gets from then on takes
// positions that were settled in the other log.
func (h *head) takeBack(settled int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.settled == settled {
		h.settled, h.wait = 0, nil
	}
}

// The snapshot of a statement is older than what it sees in pg_locks, so the
// last position is not newer than the locks. A holder without a process is a
// prepared transaction.
const holdersSQL = `
SELECT pg_is_in_recovery(), coalesce((SELECT max(position) FROM {schema}.event_store), 0),
	coalesce(array_agg(l.virtualtransaction), '{}'), coalesce(array_agg(l.pid IS NULL), '{}')
FROM pg_locks AS l
WHERE ` + holdsLogLock

// The key of an advisory lock of two halves, https://www.postgresql.org/docs/current/view-pg-locks.html.
const holdsLogLock = `l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
	AND l.classid = ($1::int8 & 4294967295)::oid AND l.objid = ($2::int8 & 4294967295)::oid
	AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`

// pass reports whether everything before position is settled. It returns after
// the look at the locks, so that a query begun then has a new snapshot.
func (s *Store) pass(ctx context.Context, position int64) (bool, error) {
	return s.passHole(ctx, position, 0)
}

// passHole is pass for a reader that waits for a position before that one.
func (s *Store) passHole(ctx context.Context, position, missing int64) (bool, error) {
	h := &s.head
	select {
	case h.turn <- struct{}{}:
		defer func() { <-h.turn }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	if h.settledUpTo() >= position-1 {
		return true, nil // by who had the turn before
	}
	var replica bool
	var last int64
	var holders []string
	var prepared []bool
	if err := s.pool.QueryRow(ctx, s.statements.holders, int64(logLock), int64(s.schemaKey)).
		Scan(&replica, &last, &holders, &prepared); err != nil {
		return false, err
	}
	if replica {
		return false, errors.New("the server is a standby, which does not know who appends: connect to the primary")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.wait != nil && !h.wait.goesOn(holders, prepared) {
		h.settled = h.wait.upTo
		h.wait = nil
	}
	if h.wait == nil && h.settled < position-1 {
		if len(holders) == 0 {
			h.settled = last
		} else {
			h.wait = &wait{upTo: last, holders: set(holders)}
		}
	}
	if h.wait != nil && h.wait.missing == 0 && missing != 0 && h.settled < position-1 {
		h.wait.missing, h.wait.since = missing, time.Now()
	}
	return h.settled >= position-1, nil
}

// goesOn drops the holders that have ended and reports whether any is left. A
// prepared transaction keeps the name of its session until the server comes back
// from a crash. Then it is named after its transaction, -1/xid, and may be any of
// those waited for.
func (w *wait) goesOn(holders []string, prepared []bool) bool {
	left := make(map[string]bool)
	for i, name := range holders {
		if w.holders[name] || prepared[i] && strings.HasPrefix(name, "-1/") {
			left[name] = true
		}
	}
	w.holders = left
	return len(left) > 0
}

func set(names []string) map[string]bool {
	all := make(map[string]bool, len(names))
	for _, name := range names {
		all[name] = true
	}
	return all
}

const blockedBySQL = `
SELECT coalesce(l.pid, 0), coalesce(p.gid, ''), coalesce(a.application_name, ''), coalesce(a.state, ''),
	coalesce(a.xact_start, p.prepared), l.virtualtransaction
FROM pg_locks AS l
LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid
LEFT JOIN pg_locks AS x ON l.pid IS NULL AND x.pid IS NULL AND x.locktype = 'transactionid' AND x.virtualtransaction = l.virtualtransaction
LEFT JOIN pg_prepared_xacts AS p ON p.transaction = x.transactionid
WHERE ` + holdsLogLock + `
ORDER BY 5`

// BlockedBy implements [store.Blockable]. Without the rights of pg_read_all_stats
// it knows of the sessions of others no more than their PID.
func (s *Store) BlockedBy(ctx context.Context) (store.LogBlock, error) {
	s.head.mu.Lock()
	var w wait
	if s.head.wait != nil {
		w = *s.head.wait
	}
	s.head.mu.Unlock()
	if w.missing == 0 {
		return store.LogBlock{}, ctx.Err()
	}
	rows, err := s.pool.Query(ctx, s.statements.blockedBy, int64(logLock), int64(s.schemaKey))
	if err != nil {
		return store.LogBlock{}, fmt.Errorf("look for who holds up the log: %w", err)
	}
	b := store.LogBlock{Position: w.missing, Since: w.since}
	var a store.Appender
	var began *time.Time
	var name string
	_, err = pgx.ForEachRow(rows, []any{&a.PID, &a.Prepared, &a.Application, &a.State, &began, &name}, func() error {
		if a.Began = zeroTime(began); w.holders[name] || a.PID == 0 {
			b.By = append(b.By, a)
		}
		return nil
	})
	if err != nil {
		return store.LogBlock{}, fmt.Errorf("look for who holds up the log: %w", err)
	}
	if len(b.By) == 0 {
		return store.LogBlock{}, nil // whoever it was has ended: the next read goes on
	}
	return b, nil
}
