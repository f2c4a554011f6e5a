package consume_test

import (
	"context"

	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/memory"
	"github.com/eventus-go/eventus/store/postgres"
	"github.com/jackc/pgx/v5"
)

// TestAnOpenAppendThatHoldsUpTheLog leaves a transaction open that has appended.
// The follower says so once, and its state says who it is.
func TestAnOpenAppendThatHoldsUpTheLog(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	r := onPool(t, pool)
	log := &lockedBuffer{}
	cfg := quick()
	cfg.Logger = slog.New(slog.NewTextHandler(log, nil))
	f := r.follower("view", r.Store.(*postgres.Store), cfg, program{})
	start(t, f)
	add(t, r, "before", 1)
	awaitExact(t, r, "view", r)
	state := func(f runner) consume.State {
		t.Helper()
		s, err := f.State(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if s := state(f); s.HeldUp.Position != 0 {
		t.Errorf("held up by %+v", s.HeldUp)
	}
	for round := 1; round <= 2; round++ {
		tx, err := pool.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
		if _, err := tx.Exec(t.Context(), "SET LOCAL application_name = 'the import'"); err != nil {
			t.Fatal(err)
		}
		if err := tryAdd(t.Context(), r.Store.(*postgres.Store).WithTx(tx), bumps, "open", 2); err != nil {
			t.Fatal(err)
		}
		add(t, r, "behind", 1)
		warning := func() int { return strings.Count(log.String(), "level=WARN msg=\"the log is held up: ") }
		await(t, "the follower says that the log is held up", func() bool { return warning() == round })
		if got := log.String(); !strings.Contains(got, "application=\"the import\" state=\"idle in transaction\"") {
			t.Errorf("the log: %s", got)
		}
		// Another process, which has not read the log before, knows it too.
		for name, f := range map[string]runner{"the follower": f, "another process": r.follower("view", onPool(t, pool).Store.(*postgres.Store), quick(), program{})} {
			s := state(f)
			if by := s.HeldUp.By; len(by) != 1 || by[0].PID != int(tx.Conn().PgConn().PID()) || by[0].Application != "the import" ||
				s.HeldUp.Position == 0 || time.Since(s.HeldUp.Since) < 2*time.Second {
				t.Errorf("%s: held up by %+v", name, s.HeldUp)
			}
			if s.Status != consume.Running || s.LagEvents == 0 {
				t.Errorf("%s: the state is %+v", name, s)
			}
		}
		awaitTurns(t, f.(*consume.Follower[pgx.Tx]), 3)
		if got := warning(); got != round {
			t.Errorf("it says so %d times in round %d", got, round)
		}
		if round == 1 {
			err = tx.Commit(t.Context())
		} else {
			err = tx.Rollback(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		awaitExact(t, r, "view", r)
		if s := state(f); s.HeldUp.Position != 0 || len(s.HeldUp.By) != 0 {
			t.Errorf("held up by %+v", s.HeldUp)
		}
		await(t, "the follower says that the log goes on", func() bool {
			return strings.Count(log.String(), "the log is held up no more") == round
		})
	}
}

// awaitTurns waits until a follower has looked at its rows so many times.
func awaitTurns(t testing.TB, f *consume.Follower[pgx.Tx], turns int) {
	t.Helper()
	last := f.LastTurn()
	await(t, "the follower looks at its rows", func() bool {
		if turn := f.LastTurn(); turn.After(last) {
			last = turn
			turns--
		}
		return turns <= 0
	})
}

// unanswered is a store whose reads of one kind are not answered until their
// context ends.
type unanswered struct {
	*memory.Store
	kind string
	done atomic.Bool // the one read was given up
}

func (u *unanswered) wait(ctx context.Context, kind string) error {
	if u.kind != kind || u.done.Load() {
		return nil
	}
	<-ctx.Done()
	u.done.Store(true)
	return ctx.Err()
}

func (u *unanswered) Read(ctx context.Context, s store.Stream, after int64, limit int) ([]store.Message, error) {
	if err := u.wait(ctx, "Read"); err != nil {
		return nil, err
	}
	return u.Store.Read(ctx, s, after, limit)
}

func (u *unanswered) ReadStretch(ctx context.Context, r store.Range) (store.Stretch, error) {
	if err := u.wait(ctx, "ReadStretch"); err != nil {
		return store.Stretch{}, err
	}
	return u.Store.ReadStretch(ctx, r)
}

func (u *unanswered) ListConsumers(ctx context.Context, ids ...store.ConsumerID) ([]store.Consumer, time.Time, error) {
	if err := u.wait(ctx, "ListConsumers"); err != nil {
		return nil, time.Time{}, err
	}
	return u.Store.ListConsumers(ctx, ids...)
}

func (u *unanswered) PendingRequests(ctx context.Context, id store.ConsumerID) ([]store.Request, error) {
	if err := u.wait(ctx, "PendingRequests"); err != nil {
		return nil, err
	}
	return u.Store.PendingRequests(ctx, id)
}

func (u *unanswered) DueParked(ctx context.Context, id store.ConsumerID, segment, segments, limit int) ([]store.Parked, error) {
	if err := u.wait(ctx, "DueParked"); err != nil {
		return nil, err
	}
	return u.Store.DueParked(ctx, id, segment, segments, limit)
}

func (u *unanswered) ListParked(ctx context.Context, id store.ConsumerID, after store.Stream, limit int) ([]store.Parked, error) {
	if err := u.wait(ctx, "ListParked"); err != nil {
		return nil, err
	}
	return u.Store.ListParked(ctx, id, after, limit)
}

// A connection that answers no more holds the follower up for half a lease.
func TestAReadThatIsNotAnsweredDoesNotHoldTheSegment(t *testing.T) {
	for _, kind := range []string{"Read", "ReadStretch", "ListConsumers", "PendingRequests", "DueParked", "ListParked"} {
		t.Run(kind, func(t *testing.T) {
			inBubble(t, func(b *bench) {
				b.append("bad", 1)
				b.model.setFail(failOn("bad", 1, errNever))
				stop := b.run(b.follower(b.config()))
				pass(time.Millisecond)
				stop()
				if p := b.parked()["bad"]; p.Reason != store.Waiting {
					b.Fatalf("parked: %+v", p)
				}
				b.model.setFail(nil)
				b.append("a", 3)
				db := &unanswered{Store: b.store, kind: kind}
				b.run(consume.Follow("view", db, b.config(), consume.On(bumps, b.model.handle)))
				pass(15 * time.Second) // a lease is 20 s
				if !db.done.Load() {
					b.Errorf("%s is still waited for", kind)
				}
				b.want("a", 3)
				b.want("bad", 1)
			})
		})
	}
}
