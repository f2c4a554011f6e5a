package consume_test

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Tests that stop or kill a process start this test binary again as a member.

const memberVariable = "EVENTUS_TEST_MEMBER"

func TestMain(m *testing.M) {
	if order := os.Getenv(memberVariable); order != "" {
		if err := beMember(order); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	flag.Parse()
	if p := flag.Lookup("test.parallel"); p.Value.String() == p.DefValue && !testing.Short() {
		// Most of what they do is to wait, for leases and for each other. Not
		// with -short, which is for the race detector: tests with short leases
		// have come to no end under it when so many ran at a time.
		if err := p.Value.Set(strconv.Itoa(3 * runtime.GOMAXPROCS(0))); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// member says what a process is to do.
type member struct {
	Postgres, SQLite string // where its database is: a URL, or a path
	Consumer         string
	Segments         int
	Batch            int
	Lease            time.Duration
	// StopAt is the id of a stream. Its messages print "inside" after their
	// effect is written, then wait for a line on the standard input.
	StopAt string
	// StopBetween does the same, with "between", before each transaction after
	// the first line.
	StopBetween bool
	// ExitAt is the id of a stream whose messages end the process.
	ExitAt string
	// FailFirst makes the first message of ExitAt fail instead.
	FailFirst bool
	// HangAt is the id of a stream whose messages never return.
	HangAt string
	// Slow is how long each message takes.
	Slow time.Duration
}

// exitCode is that of a process which a message has ended.
const exitCode = 3

func beMember(order string) error {
	var m member
	if err := json.Unmarshal([]byte(order), &m); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	r, err := m.open(ctx)
	if err != nil {
		return err
	}
	input := bufio.NewReader(os.Stdin)
	say := func(what string) error {
		fmt.Println(what)
		_, err := input.ReadString('\n')
		return err
	}
	p := program{
		after: func(_ context.Context, _ any, msg eventus.Message[bumpEvent]) error {
			time.Sleep(m.Slow)
			switch msg.Stream.ID {
			case m.ExitAt:
				if m.FailFirst {
					m.FailFirst = false
					return errNever
				}
				os.Exit(exitCode)
			case m.HangAt:
				fmt.Println("hangs")
				select {}
			case m.StopAt:
				return say("inside")
			}
			return nil
		},
	}
	cfg := quick()
	cfg.Segments, cfg.BatchSize, cfg.LeaseDuration = m.Segments, m.Batch, m.Lease
	if os.Getenv("EVENTUS_TEST_VERBOSE") != "" {
		cfg.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	fmt.Println("ready")
	return r.follower(m.Consumer, r, cfg, p).Run(ctx)
}

func (m member) open(ctx context.Context) (rig, error) {
	if m.SQLite != "" {
		return sqliteBed(ctx, m.SQLite)
	}
	pool, err := pgxpool.New(ctx, m.Postgres)
	if err != nil {
		return nil, err
	}
	return postgresBed(ctx, pool)
}

// process is a member that runs.
type process struct {
	t     testing.TB
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan string // what it says
	ended chan struct{}
}

// startMember starts a process, which is killed when the test ends.
func startMember(t testing.TB, m member) *process {
	t.Helper()
	order, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: exec.Command(os.Args[0]), lines: make(chan string, 1000), ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), memberVariable+"="+string(order))
	p.cmd.Stderr = os.Stderr
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		for s := bufio.NewScanner(out); s.Scan(); {
			p.lines <- s.Text()
		}
		_ = p.cmd.Wait()
	}()
	t.Cleanup(p.kill)
	return p
}

// goOn lets a process that waits for a line go on.
func (p *process) goOn() { _, _ = io.WriteString(p.in, "\n") }

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatalf("signal %v: %v", s, err)
	}
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// exit waits for the end of the process and returns its code.
func (p *process) exit() int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(90 * time.Second):
		p.t.Fatal("the process does not end")
	}
	return p.cmd.ProcessState.ExitCode()
}
