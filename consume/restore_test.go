package consume_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/store"
)

// disk is a database of which older states can be put back.
type disk interface {
	rig
	// backup keeps the state of the database.
	backup(t testing.TB)
	backups() int
	// putBack brings back the state of a backup under the programs that run.
	putBack(t testing.TB, backup int)
	// replace does the same while no program runs.
	replace(t testing.TB, backup int)
}

// TestRestore runs seeded schedules of append, backup, restore, start, stop and
// kill. In the end the effects are those of the log, or the consumer says that
// it is forked and a rebuild makes them so. EVENTUS_SCHEDULES is the number of
// schedules, EVENTUS_SEED the first seed; make restore runs more of them.
func TestRestore(t *testing.T) {
	schedules, seed := 60, uint64(1)
	if testing.Short() {
		schedules = 4
	}
	if n, err := strconv.Atoi(os.Getenv("EVENTUS_SCHEDULES")); err == nil {
		schedules = n
	}
	if n, err := strconv.ParseUint(os.Getenv("EVENTUS_SEED"), 10, 64); err == nil {
		seed = n
	}
	t.Parallel()
	for _, v := range []struct {
		name      string
		open      func(t testing.TB) disk
		elsewhere bool // the consumer has another database than the log
	}{
		{"SQLite", newFileDisk, false},
		{"SQLite and a consumer in another file", newFileDisk, true},
		{"PostgreSQL", newSchemaDisk, false},
		{"PostgreSQL and a consumer in another schema", newSchemaDisk, true},
	} {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			var log, db disk
			forked := 0
			for i := range uint64(max(1, schedules/4)) {
				if i%10 == 0 { // a database is dear, and a long log slow
					log = v.open(t)
					if db = log; v.elsewhere {
						db = v.open(t)
					}
				}
				t.Run(fmt.Sprintf("seed %d", seed+i), func(t *testing.T) {
					s := &restoring{
						T: t, log: log, db: db, name: fmt.Sprint("view-", seed+i), random: rand.New(rand.NewPCG(seed+i, 0)),
						old: map[disk]int{log: log.backups(), db: db.backups()},
					}
					if s.run() {
						forked++
					}
				})
			}
			t.Logf("%d of %d consumers were forked in the end", forked, max(1, schedules/4))
		})
	}
}

// restoring is one schedule.
type restoring struct {
	*testing.T
	log, db disk
	old     map[disk]int // backups that are not this schedule's
	name    string       // of the consumer
	random  *rand.Rand
	members []*mortal
	trace   []string
}

// mortal is a follower whose process can be killed.
type mortal struct {
	dead   atomic.Bool
	cancel context.CancelFunc
	ended  chan error
}

var errDead = errors.New("the process is dead")

func (s *restoring) run() (forked bool) {
	defer func() {
		if s.Failed() {
			s.Log(strings.Join(s.trace, "\n"))
		}
	}()
	s.start()
	add(s, s.log, "s0", 3)
	s.log.backup(s)
	s.db.backup(s)
	for range 6 + s.random.IntN(14) {
		s.step()
	}
	s.stopAll()
	s.start()
	defer s.stopAll()
	if forked = s.settle(); forked {
		s.tell("rebuild")
		ask(s, s.db, s.name, store.Request{Action: store.Rebuild})
		await(s, "the rebuilt model is that of the log", func() bool { return s.exact() })
	}
	return forked
}

func (s *restoring) tell(format string, args ...any) {
	s.trace = append(s.trace, fmt.Sprintf(format, args...))
}

func (s *restoring) step() {
	target, name := s.log, "log"
	if s.random.IntN(3) == 0 {
		target, name = s.db, "consumer"
	}
	switch n := s.random.IntN(20); {
	case n < 6:
		id := fmt.Sprint("s", s.random.IntN(4))
		n := 1 + s.random.IntN(5)
		s.tell("append %d to %s", n, id)
		add(s, s.log, id, n)
	case n < 8:
		if len(s.members) < 2 {
			s.start()
		}
	case n < 9:
		s.stopAll()
	case n < 10 && len(s.members) > 0:
		s.tell("kill")
		s.members[0].kill()
		s.members = s.members[1:]
	case n < 12:
		s.tell("backup %d of the %s", target.backups()-s.old[target], name)
		target.backup(s)
	case n < 15:
		k := s.random.IntN(target.backups() - s.old[target])
		if s.random.IntN(2) == 0 {
			s.tell("put back %d of the %s", k, name)
			target.putBack(s, s.old[target]+k)
			return
		}
		s.stopAll()
		s.tell("replace the %s by %d", name, k)
		target.replace(s, s.old[target]+k)
	case n < 16 && consumerOf(s, s.db, s.name).Name != "":
		s.tell("resume")
		ask(s, s.db, s.name, store.Request{Action: store.Resume})
	case n < 19:
		s.catchUp()
	default:
		time.Sleep(time.Duration(s.random.IntN(10)) * time.Millisecond) // the followers' turn
	}
}

// catchUp lets the members come to the end of the log, if there are any and if
// they can.
func (s *restoring) catchUp() {
	if len(s.members) == 0 {
		s.start()
	}
	s.tell("catch up")
	for end := time.Now().Add(200 * time.Millisecond); time.Now().Before(end) && !s.exact() && !s.forked(); {
		time.Sleep(2 * time.Millisecond)
	}
}

func (s *restoring) start() {
	s.tell("start")
	m := &mortal{ended: make(chan error, 1)}
	var ctx context.Context
	ctx, m.cancel = context.WithCancel(context.Background())
	cfg := quick()
	cfg.LeaseDuration = 300 * time.Millisecond
	cfg.StopTimeout = 100 * time.Millisecond
	cfg.BatchSize, cfg.Segments = 1+s.random.IntN(8), 1+s.random.IntN(3)
	cfg.Retry = consume.Retry{MaxAttempts: 1000, BaseDelay: time.Millisecond, MaxDelay: 5 * time.Millisecond}
	var tries atomic.Int64
	f := s.db.follower(s.name, s.log, cfg, program{
		betweenTransactions: func(context.Context) error {
			if m.dead.Load() {
				return errDead
			}
			return nil
		},
		after: func(context.Context, any, eventus.Message[bumpEvent]) error {
			if m.dead.Load() {
				return errDead
			}
			if tries.Add(1)%5 == 0 {
				return errNever // so that streams are parked all the time
			}
			return nil
		},
	})
	go func() { m.ended <- f.Run(ctx) }()
	s.members = append(s.members, m)
}

// stop stops the member in an orderly way. It may have ended with an error: a
// backup that is older than the consumer does not have it.
func (m *mortal) stop() error {
	m.cancel()
	return <-m.ended
}

func (m *mortal) kill() {
	m.dead.Store(true)
	_ = m.stop()
}

func (s *restoring) stopAll() {
	s.tell("stop %d", len(s.members))
	for _, m := range s.members {
		if err := m.stop(); err != nil && !strings.Contains(err.Error(), "it was removed") {
			s.Error(err)
		}
	}
	s.members = nil
}

// settle waits for the end of the log, and reports whether the consumer says
// that it is forked.
func (s *restoring) settle() (forked bool) {
	await(s, "the model is that of the log, or the consumer is forked", func() bool {
		forked = s.forked()
		return forked || s.exact()
	})
	return forked
}

// forked reports whether the consumer says that it is, as a whole or in a stream.
func (s *restoring) forked() bool {
	for _, p := range parkedOf(s, s.db, s.name) {
		if p.Reason == store.Forked {
			return true
		}
	}
	return slices.ContainsFunc(consumerOf(s, s.db, s.name).Segments, func(g store.Segment) bool { return g.Forked != "" })
}

// exact reports whether the consumer has come through the log and its effects
// are those of the log.
func (s *restoring) exact() bool {
	head, err := s.log.Head(context.Background())
	if err != nil {
		s.Fatal(err)
	}
	c := consumerOf(s, s.db, s.name)
	if c.Rebuild != 0 || len(c.Segments) == 0 || len(parkedOf(s, s.db, s.name)) > 0 {
		return false
	}
	for _, g := range c.Segments {
		if g.Position != head.Position || g.EventID != head.EventID {
			return false
		}
	}
	if d := difference(s, s.db, s.name, s.log); d != "" {
		s.Fatalf("the consumer is at the end of the log, and its effects are wrong: %s", d)
	}
	return true
}
