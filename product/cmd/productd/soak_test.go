package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/infra/natsd"
	"github.com/nats-io/nats.go"
)

// TestSoak lets four processes work on one PostgreSQL and one NATS server while
// clients send commands at random, and kills and restarts all of them in turn:
// each process several times, the servers twice each. A process that was not
// killed outlives the restarts of the servers. In the end what was acknowledged
// is stored, the read model is the fold of the store, and no event was applied
// twice or out of order. EVENTUS_SOAK says how many commands are answered.
func TestSoak(t *testing.T) {
	commands, kills := 1500, 1 // of each process
	if n, err := strconv.Atoi(os.Getenv("EVENTUS_SOAK")); err == nil {
		commands, kills = n, 3
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))

	s := &soak{products: commands/40 + 1, postgres: pgtest.Start(t, pgtest.Options{}), acks: &acknowledged{}}
	s.nats = startNATS(t)
	db := auditPostgres(t, s.postgres.URL())
	keepViewLog(t, db)
	for i := range s.processes {
		s.start(t, i)
	}
	stopClients := s.startClients(t.Context(), random)
	defer stopClients()
	faults := s.faults(kills)
	for i, at := range random.Perm(len(faults)) {
		for s.answered.Load() < int64((i+1)*commands/(len(faults)+1)) {
			time.Sleep(time.Millisecond)
		}
		faults[at](t)
	}
	for s.answered.Load() < int64(commands) {
		time.Sleep(time.Millisecond)
	}
	stopClients()
	waitForViews(t, db)
	for _, p := range s.processes {
		if code := p.end(t, syscall.SIGTERM); code != 0 {
			t.Errorf("exit code %d: %s", code, p.stderr.String())
		}
	}
	compare(t, db, s.acks)
	checkViewLog(t, db)
	t.Logf("%d commands without an answer or with an error of the server, %d faults", s.unanswered.Load(), len(faults))
}

// soak is the servers and the processes on them.
type soak struct {
	products  int
	postgres  *pgtest.Server
	nats      *natsProcess
	processes [4]*process
	urls      [4]atomic.Pointer[string]
	acks      *acknowledged

	answered, unanswered atomic.Int64
}

func (s *soak) start(t *testing.T, i int) {
	s.processes[i] = startProcess(t, "-seed=false", "-postgres", s.postgres.URL(), "-nats", s.nats.url)
	url := s.processes[i].waitForURL(t)
	s.urls[i].Store(&url)
}

// faults are all that is going to happen, each once.
func (s *soak) faults(kills int) (faults []func(t *testing.T)) {
	for i := range s.processes {
		for range kills {
			faults = append(faults, func(t *testing.T) {
				_ = s.processes[i].cmd.Process.Kill()
				if code := s.processes[i].end(t, nil); code != -1 {
					t.Errorf("process %d had ended by itself with %d: %s", i, code, s.processes[i].stderr.String())
				}
				s.start(t, i)
			})
		}
	}
	for _, mode := range []pgtest.Mode{pgtest.Fast, pgtest.Kill} {
		faults = append(faults, func(t *testing.T) {
			if err := s.postgres.Restart(mode); err != nil {
				t.Fatal(err)
			}
		})
	}
	for range 2 {
		faults = append(faults, func(t *testing.T) { s.nats.restart(t) })
	}
	return faults
}

// startClients lets clients send commands until they are stopped. They wait for
// their last answers, so that nothing is stored after that.
func (s *soak) startClients(ctx context.Context, random *rand.Rand) (stop func()) {
	const clients = 8
	var stopped atomic.Bool
	var all sync.WaitGroup
	for range clients {
		random := rand.New(rand.NewPCG(random.Uint64(), 0))
		all.Go(func() {
			for !stopped.Load() {
				url := *s.urls[random.IntN(len(s.urls))].Load()
				id := fmt.Sprint("p-", random.IntN(s.products))
				if status := sendRandom(ctx, s.acks, random, url, id); status == 0 || status >= http.StatusInternalServerError {
					s.unanswered.Add(1)
					time.Sleep(time.Millisecond)
				} else {
					s.answered.Add(1)
				}
			}
		})
	}
	return func() { stopped.Store(true); all.Wait() }
}

// keepViewLog notes each change of a row of the read model in the transaction
// that makes it.
func keepViewLog[Tx any](t *testing.T, db audit[Tx]) {
	t.Helper()
	for _, statement := range []string{
		`CREATE TABLE view_log (n bigint GENERATED ALWAYS AS IDENTITY, id text NOT NULL, version bigint NOT NULL)`,
		`CREATE FUNCTION note_view() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN INSERT INTO view_log (id, version) VALUES (NEW.id, NEW.version); RETURN NEW; END $$`,
		`CREATE TRIGGER note_view AFTER INSERT OR UPDATE ON product_views FOR EACH ROW EXECUTE FUNCTION note_view()`,
	} {
		if err := db.exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}

// checkViewLog reports changes of a row that were not by the next version.
func checkViewLog[Tx any](t *testing.T, db audit[Tx]) {
	t.Helper()
	var changes, wrong int64
	err := db.count(t.Context(), `
SELECT count(*), count(*) FILTER (WHERE version <> place) FROM (
	SELECT version, row_number() OVER (PARTITION BY id ORDER BY n) AS place FROM view_log
) AS changes`, &changes, &wrong)
	if err != nil {
		t.Fatal(err)
	}
	if changes == 0 || wrong > 0 {
		t.Errorf("%d of %d changes of the read model were repeated or out of order", wrong, changes)
	}
}

// asNATS makes the test binary be a NATS server, which can be killed. It holds
// the server's folder.
const asNATS = "EVENTUS_TEST_AS_NATS"

// serveNATS is the main of that process. The address is its argument.
func serveNATS() {
	if _, err := natsd.Start(natsd.Config{Dir: os.Getenv(asNATS), Addr: os.Args[1]}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	select {}
}

type natsProcess struct {
	dir, addr, url string
	cmd            *exec.Cmd
}

// startNATS starts a server on a port that stays the same.
func startNATS(t *testing.T) *natsProcess {
	t.Helper()
	n := natsAddress(t)
	n.start(t)
	return n
}

// natsAddress returns a server that is not started yet.
func natsAddress(t *testing.T) *natsProcess {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &natsProcess{dir: t.TempDir(), addr: free.Addr().String(), url: "nats://" + free.Addr().String()}
	free.Close()
	return n
}

func (n *natsProcess) start(t *testing.T) {
	t.Helper()
	n.cmd = exec.CommandContext(t.Context(), os.Args[0], n.addr)
	n.cmd.Env = append(os.Environ(), asNATS+"="+n.dir)
	n.cmd.Stderr = os.Stderr
	if _, err := n.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for {
		nc, err := nats.Connect(n.url)
		if err == nil {
			nc.Close()
			return
		}
		if t.Context().Err() != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// restart kills the server and starts it again.
func (n *natsProcess) restart(t *testing.T) {
	t.Helper()
	_ = n.cmd.Process.Kill()
	_ = n.cmd.Wait() // it was killed
	n.start(t)
}
