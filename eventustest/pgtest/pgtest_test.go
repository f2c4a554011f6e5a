package pgtest_test

import (
	"bufio"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/eventus-go/eventus/eventustest/pgtest"
)

// value is the only column of the only row that a query gives.
func value(t testing.TB, url, query string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var got string
	if err := conn.QueryRow(t.Context(), query).Scan(&got); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return got
}

func TestPoolsDoNotMeet(t *testing.T) {
	for _, name := range []string{"one", "another"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := pgtest.Pool(t)
			if _, err := pool.Exec(t.Context(), "CREATE TABLE mine AS SELECT $1::text AS name", name); err != nil {
				t.Fatal(err)
			}
			if got := value(t, pool.Config().ConnString(), "SELECT name FROM mine"); got != name {
				t.Errorf("another process sees %q, want %q", got, name)
			}
		})
	}
}

// The garbage collector closes what nobody refers to.
func TestTheServerStaysWhenNoTestHoldsIt(t *testing.T) {
	url := pgtest.Pool(t).Config().ConnString()
	for range 3 {
		runtime.GC()
	}
	value(t, url, "SELECT 'there'")
}

func TestASchemaGoesWithItsTest(t *testing.T) {
	var schema, url string
	t.Run("the test", func(t *testing.T) {
		pool := pgtest.Pool(t)
		url = pool.Config().ConnString()
		schema = value(t, url, "SELECT current_schema")
	})
	if n := value(t, url, "SELECT count(*)::text FROM pg_namespace WHERE nspname = '"+schema+"'"); n != "0" {
		t.Errorf("schema %s is still there", schema)
	}
}

func TestAServerKeepsItsDataOverEachKindOfRestart(t *testing.T) {
	s := pgtest.Start(t, pgtest.Options{})
	conn, err := pgx.Connect(t.Context(), s.URL())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "CREATE TABLE kept AS SELECT 'kept' AS v"); err != nil {
		t.Fatal(err)
	}
	for mode, name := range map[pgtest.Mode]string{pgtest.Fast: "fast", pgtest.Immediate: "immediate", pgtest.Kill: "kill"} {
		if err := s.Restart(mode); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := value(t, s.URL(), "SELECT v FROM kept"); got != "kept" {
			t.Errorf("after %s: got %q", name, got)
		}
	}
	if err := conn.Ping(t.Context()); err == nil {
		t.Error("a connection of before outlived the restarts")
	}
}

func TestAPromotedStandbyLacksWhatCameAfterItWasDetached(t *testing.T) {
	primary := pgtest.Start(t, pgtest.Options{Settings: map[string]string{"full_page_writes": "on"}})
	conn, err := pgx.Connect(t.Context(), primary.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), "CREATE TABLE kept AS SELECT 'early' AS v"); err != nil {
		t.Fatal(err)
	}
	standby := primary.Standby(t)
	if got := value(t, standby.URL(), "SELECT v || pg_is_in_recovery() FROM kept"); got != "earlytrue" {
		t.Errorf("the standby has %s", got)
	}
	if err := standby.Detach(); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "INSERT INTO kept VALUES ('late')"); err != nil {
		t.Fatal(err)
	}
	second := standby.Standby(t)
	if err := primary.Stop(pgtest.Immediate); err != nil {
		t.Fatal(err)
	}
	// The second one first, which would follow the other.
	for i, s := range []*pgtest.Server{second, standby} {
		if err := s.Promote(); err != nil {
			t.Fatal(err)
		}
		if got := value(t, s.URL(), "INSERT INTO kept VALUES ('new') RETURNING (SELECT string_agg(v, ' ') FROM kept)"); got != "early" {
			t.Errorf("promoted server %d has %s", i, got)
		}
	}
}

func TestOptionsReachTheServer(t *testing.T) {
	for setting, c := range map[string]struct {
		opts pgtest.Options
		want string
	}{
		"fsync":                     {pgtest.Options{Fsync: true}, "on"},
		"max_prepared_transactions": {pgtest.Options{Settings: map[string]string{"max_prepared_transactions": "7"}}, "7"},
	} {
		t.Run(setting, func(t *testing.T) {
			t.Parallel()
			s := pgtest.Start(t, c.opts)
			if got := value(t, s.URL(), "SHOW "+setting); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestAServerForAProgramIsRemovedByTheProgram(t *testing.T) {
	pgtest.Start(t, pgtest.Options{}) // skips the test where there is no PostgreSQL
	s, err := pgtest.New(pgtest.Options{Fsync: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := value(t, s.URL(), "SHOW fsync"); got != "on" {
		t.Errorf("fsync is %s, want on", got)
	}
	if err := s.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(pgtest.Dir(s)); !os.IsNotExist(err) {
		t.Errorf("the folder of the cluster: got %v, want that it does not exist", err)
	}
}

func TestAServerThatDoesNotStartSaysWhy(t *testing.T) {
	s := pgtest.Start(t, pgtest.Options{})
	if err := s.Stop(pgtest.Fast); err != nil {
		t.Fatal(err)
	}
	pgtest.Set(s, "no_such_setting", "1")
	if err := s.Resume(); err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("got %v", err)
	}
}

// The child prints where its server is and waits to be killed.
func TestNothingIsLeftOfATestBinaryThatIsKilled(t *testing.T) {
	if os.Getenv("PGTEST_CHILD") != "" {
		s := pgtest.Start(t, pgtest.Options{})
		os.Stdout.WriteString("dir " + pgtest.Dir(s) + "\n")
		select {}
	}
	pgtest.Start(t, pgtest.Options{}) // skips here, not in the child
	child := child(t)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var dir string
	for lines := bufio.NewScanner(out); dir == "" && lines.Scan(); {
		if path, ok := strings.CutPrefix(lines.Text(), "dir "); ok {
			dir = path
		}
	}
	pid, err := os.ReadFile(dir + "/data/postmaster.pid")
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // it was killed
	server, _, _ := strings.Cut(string(pid), "\n")
	for start := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		_, folder := os.Stat(dir)
		process := exec.Command("kill", "-0", server).Run()
		if os.IsNotExist(folder) && process != nil {
			return
		}
		if time.Since(start) > 30*time.Second {
			t.Fatalf("still there: folder %s: %v, process %s: %v", dir, folder, server, process)
		}
	}
}

func TestWithoutAServerTheCureIsTold(t *testing.T) {
	if os.Getenv("PGTEST_CHILD") != "" {
		pgtest.HidePrograms()
		pgtest.Pool(t)
		return
	}
	if pgtest.DockerAnswers(t.Context()) {
		t.Skip("this machine has a Docker engine, which a test cannot hide")
	}
	for _, c := range []struct {
		require, end string
	}{
		{"", "--- SKIP"},
		{"1", "--- FAIL"},
	} {
		out, _ := child(t, "PATH=", "EVENTUS_TEST_POSTGRES=", "EVENTUS_REQUIRE_POSTGRES="+c.require).CombinedOutput()
		if got := string(out); !strings.Contains(got, c.end) || !strings.Contains(got, "or set EVENTUS_TEST_POSTGRES to") {
			t.Errorf("EVENTUS_REQUIRE_POSTGRES=%s: got\n%s", c.require, got)
		}
	}
}

// child is a run of this test in a process of its own.
func child(t *testing.T, env ...string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.v", "-test.run=^"+t.Name()+"$")
	cmd.Env = append(append(os.Environ(), "PGTEST_CHILD=1"), env...)
	return cmd
}

func TestTheEnvironmentNamesTheServer(t *testing.T) {
	if os.Getenv("PGTEST_CHILD") != "" {
		if _, err := pgtest.Pool(t).Exec(t.Context(), "CREATE TABLE public.of_the_child AS SELECT 'was here' AS v"); err != nil {
			t.Fatal(err)
		}
		return
	}
	s := pgtest.Start(t, pgtest.Options{})
	if out, err := child(t, "EVENTUS_TEST_POSTGRES="+s.URL()+"&application_name=child").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got := value(t, s.URL(), "SELECT v FROM public.of_the_child"); got != "was here" {
		t.Errorf("got %q", got)
	}
	if got := value(t, s.URL(), "SELECT count(*)::text FROM pg_namespace WHERE nspname LIKE 'test_%'"); got != "0" {
		t.Errorf("the child left %s schemas", got)
	}
}

func TestAWrongURLIsToldOnce(t *testing.T) {
	if os.Getenv("PGTEST_CHILD") != "" {
		pgtest.Pool(t)
		return
	}
	for url, want := range map[string]string{
		"host=somewhere":                       "EVENTUS_TEST_POSTGRES is no URL: want for example postgres://",
		"postgres://nobody@127.0.0.1:1/nobody": "EVENTUS_TEST_POSTGRES: failed to connect",
	} {
		out, err := child(t, "EVENTUS_TEST_POSTGRES="+url).CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("%s: got %v\n%s", url, err, out)
		}
	}
}
