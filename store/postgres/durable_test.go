package postgres_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/postgres"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

func TestASequenceBehindTheLogIsRefused(t *testing.T) {
	pool := pgtest.Pool(t)
	s := openStore(t, pool)
	appendTo(t, s, "a", 5)
	execAll(t, pool, "SELECT setval(pg_get_serial_sequence('event_store', 'position'), 1, false)")
	_, err := postgres.Open(t.Context(), pool, postgres.Config{})
	if err == nil || !strings.Contains(err.Error(), "setval") {
		t.Fatalf("got error %v", err)
	}
	cure := err.Error()[strings.Index(err.Error(), "SELECT setval"):strings.Index(err.Error(), " before anybody")]
	execAll(t, pool, cure)
	appendTo(t, openStore(t, pool), "a", 1)
	mustLog(t, s, "a", "a", "a", "a", "a", "a")
}

// What was acknowledged outlives a crash, whatever synchronous_commit is.
func TestSynchronousCommitThatIsTurnedOffLater(t *testing.T) {
	server := pgtest.Start(t, pgtest.Options{Fsync: true, Settings: map[string]string{"wal_writer_delay": "10s"}})
	pool, err := pgxpool.New(t.Context(), server.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	s := openStore(t, pool)
	execAll(t, pool, "CREATE TABLE marks (n integer); ALTER DATABASE postgres SET synchronous_commit = off")
	pool.Reset()
	stored, marks := 0, 0
	for name, act := range map[string]func(){
		"one event": func() { appendTo(t, s, "a", 1); stored++ },
		"several":   func() { appendTo(t, s, "a", 3); stored += 3 },
		"a transaction": func() {
			marks++
			inTx(t, s, func(ctx context.Context, tx pgx.Tx) error {
				_, err := tx.Exec(ctx, "INSERT INTO marks VALUES (1)")
				return err
			})
		},
		"many callers": func() {
			var callers sync.WaitGroup
			for i := range 20 {
				callers.Go(func() {
					if _, err := s.Append(t.Context(), streamOf(fmt.Sprint(i)), store.NoStream, events(2)); err != nil {
						t.Error(err)
					}
				})
			}
			callers.Wait()
			stored += 40
		},
	} {
		act()
		if err := server.Restart(pgtest.Immediate); err != nil {
			t.Fatal(err)
		}
		pool.Reset()
		var haveEvents, haveMarks int
		if err := pool.QueryRow(t.Context(), "SELECT (SELECT count(*) FROM event_store), (SELECT count(*) FROM marks)").Scan(&haveEvents, &haveMarks); err != nil {
			t.Fatal(err)
		}
		if haveEvents != stored || haveMarks != marks {
			t.Fatalf("%s: after the crash: %d events and %d marks, want %d and %d", name, haveEvents, haveMarks, stored, marks)
		}
	}
}

func TestAServerWithFsyncOffIsLogged(t *testing.T) {
	for _, c := range []struct {
		fsync           bool
		throwaway, want string
	}{{true, "off", ""}, {false, "off", "fsync off"}, {false, "on", ""}} {
		pool, err := pgxpool.New(t.Context(), pgtest.Start(t, pgtest.Options{
			Fsync: c.fsync, Settings: map[string]string{"eventus.throwaway": c.throwaway},
		}).URL())
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
		if err := postgres.Migrate(t.Context(), pool, postgres.Config{}); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		if _, err := postgres.Open(t.Context(), pool, postgres.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}); err != nil {
			t.Fatal(err)
		}
		if got := log.String(); !strings.Contains(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%+v: the log has %q", c, got)
		}
	}
}
