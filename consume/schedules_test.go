package consume_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/memory"
	"pgregory.net/rapid"
)

// step is one thing that happens to a consumer.
type step struct {
	What   string
	Stream int
	N      int
}

func (s step) String() string { return fmt.Sprintf("%s %d %d", s.What, s.Stream, s.N) }

var stepGenerator = rapid.Custom(func(t *rapid.T) step {
	return step{
		What: rapid.SampledFrom([]string{
			"append", "append", "append", "start", "start", "stop", "kill", "segments", "pause", "resume", "redrive", "redrive one",
			"skip", "rebuild", "fail", "fail for good", "heal", "pass", "pass", "pass",
		}).Draw(t, "what"),
		Stream: rapid.IntRange(0, 4).Draw(t, "stream"),
		N:      rapid.IntRange(1, 6).Draw(t, "n"),
	}
})

// scheduled is a consumer under a schedule.
type scheduled struct {
	r       rig
	pass    func(steps int) // lets time go by
	members []*mortal
	failing [5]atomic.Int64 // by stream: 0, 1 for a time, 2 for good
	fatal   func(format string, args ...any)
}

func scheduledID(i int) string { return fmt.Sprint("s", i) }

func (s *scheduled) start() {
	m := &mortal{ended: make(chan error, 1)}
	var ctx context.Context
	ctx, m.cancel = context.WithCancel(context.Background())
	cfg := quick()
	cfg.BatchSize, cfg.StopTimeout = 7, 100*time.Millisecond
	alive := func() error {
		if m.dead.Load() {
			return errDead
		}
		return nil
	}
	f := s.r.follower("view", s.r, cfg, program{
		betweenTransactions: func(context.Context) error { return alive() },
		after: func(_ context.Context, _ any, msg eventus.Message[bumpEvent]) error {
			var i int
			if _, err := fmt.Sscanf(msg.Stream.ID, "s%d", &i); err != nil {
				return err
			}
			switch s.failing[i].Load() {
			case 1:
				return errNever
			case 2:
				return consume.Permanent(errNever)
			}
			return alive()
		},
	})
	go func() { m.ended <- f.Run(ctx) }()
	s.members = append(s.members, m)
}

func (s *scheduled) do(st step) {
	ctx := context.Background()
	request := store.Request{Consumer: store.ConsumerID{Name: "view"}, Actor: "a test"}
	stream := bumps.Stream(scheduledID(st.Stream))
	switch st.What {
	case "append":
		if err := tryAdd(ctx, s.r, bumps, stream.ID, st.N); err != nil {
			s.fatal("%v", err)
		}
		return
	case "start":
		if len(s.members) < 3 {
			s.start()
		}
		return
	case "stop", "kill":
		if len(s.members) > 0 {
			m := s.members[0]
			s.members = s.members[1:]
			m.dead.Store(st.What == "kill")
			if err := m.stop(); err != nil {
				s.fatal("Run: %v", err)
			}
		}
		return
	case "fail":
		s.failing[st.Stream].Store(1)
		return
	case "fail for good":
		s.failing[st.Stream].Store(2)
		return
	case "heal":
		s.failing[st.Stream].Store(0)
		return
	case "pass":
		s.pass(st.N)
		return
	case "segments":
		request.Action, request.Segments = store.SetSegments, st.N
	case "pause":
		request.Action = store.Pause
	case "resume":
		request.Action = store.Resume
	case "redrive":
		request.Action = store.Redrive
	case "redrive one":
		request.Action, request.Stream = store.Redrive, stream
	case "skip":
		request.Action, request.Stream, request.Reason = store.Skip, stream, "a test"
	case "rebuild":
		request.Action = store.Rebuild
	}
	if consumers, _, err := s.r.ListConsumers(ctx, request.Consumer); err != nil || len(consumers) == 0 {
		return // nobody has started yet
	}
	if err := s.r.ask(ctx, request); err != nil {
		s.fatal("%s: %v", st, err)
	}
}

// finish brings everything to its end, and reports what is wrong then: each
// event has its effect once and in order, except those that were passed over.
func (s *scheduled) finish(patience int) string {
	for i := range s.failing {
		s.failing[i].Store(0)
	}
	s.do(step{What: "start"})
	s.pass(1)
	wrong := "not at the end of the log"
	for range patience {
		s.do(step{What: "resume"})
		s.do(step{What: "redrive"})
		s.pass(6)
		if wrong = s.wrong(); wrong == "" {
			return ""
		}
	}
	return wrong
}

func (s *scheduled) end() {
	for len(s.members) > 0 {
		s.do(step{What: "stop"})
	}
}

func (s *scheduled) wrong() string {
	ctx := context.Background()
	requests, err := s.r.ListRequests(ctx, "view", 0, 1000)
	if err != nil {
		return err.Error()
	}
	skips := make(map[string]bool) // stream and version
	for _, r := range requests {
		if r.DoneAt.IsZero() {
			return fmt.Sprintf("request %d, %s, is not done", r.ID, r.Action)
		}
		var version int
		if n, _ := fmt.Sscanf(r.Outcome, "version %d was passed over", &version); n == 1 {
			skips[fmt.Sprint(r.Stream.ID, " ", version)] = true
		}
	}
	all, _, err := s.r.ListConsumers(ctx, store.ConsumerID{Name: "view"})
	if err != nil || len(all) != 1 {
		return fmt.Sprintf("%d consumers, error %v", len(all), err)
	}
	head, err := s.r.Head(ctx)
	if err != nil {
		return err.Error()
	}
	for i, g := range all[0].Segments {
		if g.Position != head.Position || all[0].Rebuild != 0 || all[0].NextSegments != 0 {
			return fmt.Sprintf("segment %d is at %d of %d: %+v", i, g.Position, head.Position, all[0])
		}
	}
	if parked, err := s.r.ListParked(ctx, store.ConsumerID{Name: "view"}, store.Stream{}, 10); err != nil || len(parked) > 0 {
		return fmt.Sprintf("parked: %+v, error %v", parked, err)
	}
	effects, err := s.r.effects(ctx, "view")
	if err != nil {
		return err.Error()
	}
	for i := range s.failing {
		stream := bumps.Stream(scheduledID(i))
		messages, err := s.r.Read(ctx, stream, 0, 10_000)
		if err != nil {
			return err.Error()
		}
		next := 0
		for _, m := range messages {
			if next < len(effects[stream]) && effects[stream][next] == m.ID {
				next++
			} else if !skips[fmt.Sprint(stream.ID, " ", m.Version)] {
				return fmt.Sprintf("%s version %d has no effect in its turn; %d events, %d effects", stream, m.Version, len(messages), len(effects[stream]))
			}
		}
		if next != len(effects[stream]) {
			return fmt.Sprintf("%s has %d effects too many", stream, len(effects[stream])-next)
		}
	}
	return ""
}

// TestSchedulesOnMemory runs random schedules in a bubble, where time costs
// nothing.
func TestSchedulesOnMemory(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(stepGenerator, 1, 40).Draw(rt, "steps")
		var wrong string
		synctest.Test(t, func(*testing.T) {
			s := &scheduled{
				r:     memoryBed(),
				pass:  func(n int) { time.Sleep(time.Duration(n) * 700 * time.Millisecond); synctest.Wait() },
				fatal: func(format string, args ...any) { wrong += fmt.Sprintf(format, args...) },
			}
			for _, st := range steps {
				s.do(st)
			}
			wrong += s.finish(40)
			s.end()
		})
		if wrong != "" {
			rt.Fatalf("%s", wrong)
		}
	})
}

// TestSchedulesOnSQLite runs some of them on files.
func TestSchedulesOnSQLite(t *testing.T) {
	seeds := 12
	if testing.Short() {
		seeds = 4
	}
	generator := rapid.SliceOfN(stepGenerator, 20, 40)
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			steps := generator.Example(seed)
			s := &scheduled{r: newSQLite(t), fatal: t.Errorf, pass: func(n int) { time.Sleep(time.Duration(n) * 5 * time.Millisecond) }}
			defer s.end()
			for _, st := range steps {
				s.do(st)
			}
			if wrong := s.finish(1000); wrong != "" {
				t.Errorf("%s; the schedule was %s", wrong, strings.Trim(fmt.Sprint(steps), "[]"))
			}
		})
	}
}

// memoryBed is the rig of the memory store. Its table is a list that grows at
// each commit.
func memoryBed() rig {
	s := memory.New()
	var mu sync.Mutex
	var rows [][3]string
	return &bed[*memory.Tx]{
		Store: s, Database: s,
		write: func(_ context.Context, tx *memory.Tx, statement string, args ...any) error {
			tx.OnCommit(func() {
				mu.Lock()
				defer mu.Unlock()
				if statement == dropEffects {
					rows = nil
					return
				}
				rows = append(rows, [3]string{args[1].(string), args[2].(string), args[3].(string)})
			})
			return nil
		},
		query: func(context.Context, string, ...any) ([][3]string, error) {
			mu.Lock()
			defer mu.Unlock()
			return append([][3]string(nil), rows...), nil
		},
	}
}
