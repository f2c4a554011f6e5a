package postgres_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/postgres"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// inTx runs f in a transaction of the store, which must succeed.
func inTx(t testing.TB, s *postgres.Store, f func(ctx context.Context, tx pgx.Tx) error) {
	t.Helper()
	if err := s.InTx(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

// putView writes to a table of the user's, as a handler does.
const putView = "INSERT INTO views (name) VALUES ('view')"

func openWithViews(t testing.TB) (*postgres.Store, *pgxpool.Pool) {
	t.Helper()
	pool := pgtest.Pool(t)
	s := openStore(t, pool)
	execAll(t, pool, "CREATE TABLE views (name text PRIMARY KEY)")
	inTx(t, s, func(ctx context.Context, tx pgx.Tx) error {
		_, err := s.CreateConsumer(ctx, tx, ofSegments(2))
		return err
	})
	return s, pool
}

func mustHaveViews(t testing.TB, pool *pgxpool.Pool, want int) {
	t.Helper()
	var got int
	if err := pool.QueryRow(t.Context(), "SELECT count(*) FROM views").Scan(&got); err != nil || got != want {
		t.Errorf("%d views, error %v, want %d", got, err, want)
	}
}

// TestTransactionsThatHangAreNoneOfThePool has more handlers that never return
// than the pool has connections.
func TestTransactionsThatHangAreNoneOfThePool(t *testing.T) {
	s, pool := openWithViews(t)
	hang := make(chan struct{})
	var hanging sync.WaitGroup
	for range 2 * pool.Config().MaxConns {
		ctx, cancel := context.WithCancel(t.Context())
		entered := make(chan struct{})
		hanging.Go(func() {
			err := s.InTx(ctx, func(context.Context, pgx.Tx) error {
				close(entered)
				<-hang
				return nil
			})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		})
		<-entered
		cancel()
	}
	inTx(t, s, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, putView)
		return err
	})
	mustHaveViews(t, pool, 1)
	close(hang)
	hanging.Wait()
}

// TestTransactionsThatHang has a handler that does not return when its context
// ends. Another transaction, which waits for its locks, must get them.
func TestTransactionsThatHang(t *testing.T) {
	for what, work := range map[string]func(ctx context.Context, tx pgx.Tx) error{
		"between two statements": func(context.Context, pgx.Tx) error { return nil },
		"in a statement of its context": func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "SELECT pg_sleep(3600)")
			return err
		},
		"in a statement of another context": func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(context.WithoutCancel(ctx), "SELECT pg_sleep(3600)")
			return err
		},
	} {
		t.Run("a handler that hangs "+what+" does not keep its locks", func(t *testing.T) {
			s, pool := openWithViews(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			locked, hang := make(chan struct{}), make(chan struct{})
			ended := make(chan error, 1)
			go func() {
				ended <- s.InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
					if _, _, err := s.LockConsumer(ctx, tx, board); err != nil {
						t.Error(err)
					}
					if _, err := tx.Exec(ctx, putView); err != nil {
						t.Error(err)
					}
					close(locked)
					_ = work(ctx, tx)
					<-hang
					return nil
				})
			}()
			<-locked
			waited := make(chan error, 1)
			go func() {
				waited <- s.InTx(t.Context(), func(ctx context.Context, tx pgx.Tx) error {
					_, _, err := s.LockConsumer(ctx, tx, board)
					return err
				})
			}()
			awaitBlocked(t, pool)
			cancel()
			if err := <-waited; err != nil {
				t.Errorf("who waited got error %v", err)
			}
			select {
			case err := <-ended:
				t.Errorf("InTx returned before its function, error %v", err)
			default:
			}
			close(hang)
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("got error %v, want that of the context", err)
			}
			mustHaveViews(t, pool, 0)
		})
	}
}

// stoppedURL names the variable that makes this program the one to be stopped.
const stoppedURL = "EVENTUS_TEST_STOPPED_URL"

// TestProcessToBeStopped is the other process of TestStoppedProcess.
func TestProcessToBeStopped(t *testing.T) {
	url := os.Getenv(stoppedURL)
	if url == "" {
		t.Skip("it is for TestStoppedProcess")
	}
	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	s := openStore(t, pool)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	err = s.InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, putView); err != nil {
			return err
		}
		if _, _, err := s.LockConsumer(ctx, tx, board); err != nil {
			return err
		}
		fmt.Println("locked")
		<-ctx.Done()
		return nil
	})
	fmt.Printf("ended: %v\n", err)
}

// TestStoppedProcess stops a process in the middle of a transaction by SIGSTOP.
// Nothing in that process can help: the server must.
func TestStoppedProcess(t *testing.T) {
	s, pool := openWithViews(t)
	cmd := exec.Command(os.Args[0], "-test.run=^TestProcessToBeStopped$")
	cmd.Env = append(os.Environ(), stoppedURL+"="+pool.Config().ConnString())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "locked" {
		t.Fatalf("the other process says %q", lines.Text())
	}
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := s.InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, _, err := s.LockConsumer(ctx, tx, board); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, putView) // it waits for the other's row
		return err
	}); err != nil {
		t.Fatalf("a stopped process keeps its locks: %v", err)
	}
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), "ended: ") || lines.Text() == "ended: <nil>" {
		t.Errorf("the stopped process says %q, want an error", lines.Text())
	}
	mustHaveViews(t, pool, 1)
}

// TestBoundOfATransaction reads the bound that the server has, in the transaction
// and after it.
func TestBoundOfATransaction(t *testing.T) {
	config := pgtest.Pool(t).Config()
	config.MaxConns = 1
	config.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"] = "77s"
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	s := openStore(t, pool)
	bound := func(ctx context.Context) (d time.Duration) {
		t.Helper()
		const query = "SELECT extract(epoch FROM current_setting('idle_in_transaction_session_timeout')::interval) * 1000"
		if err := s.InTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
			var ms float64
			err := tx.QueryRow(ctx, query).Scan(&ms)
			d = time.Duration(ms) * time.Millisecond
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return d
	}
	if got := bound(t.Context()); got != 77*time.Second {
		t.Errorf("%v without a deadline, want the session's", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	deadline, _ := ctx.Deadline()
	if got := bound(ctx); got <= time.Until(deadline) || got > 11*time.Minute {
		t.Errorf("%v with a deadline of 10 minutes", got)
	}
	if got := bound(t.Context()); got != 77*time.Second {
		t.Errorf("%v in the next transaction of the session, want the session's", got)
	}
	far, cancel := context.WithTimeout(t.Context(), 1000*time.Hour)
	defer cancel()
	if got := bound(far); got < 500*time.Hour {
		t.Errorf("%v with a deadline that is far away", got)
	}
}

// TestTransactionsEndedInside has handlers that end the transaction, which is not
// theirs.
func TestTransactionsEndedInside(t *testing.T) {
	for what, c := range map[string]struct {
		end   func(ctx context.Context, tx pgx.Tx) error
		views int // that it leaves
	}{
		"commits":           {func(ctx context.Context, tx pgx.Tx) error { return tx.Commit(ctx) }, 0},
		"rolls back":        {func(ctx context.Context, tx pgx.Tx) error { return tx.Rollback(ctx) }, 0},
		"executes COMMIT":   {func(ctx context.Context, tx pgx.Tx) error { _, err := tx.Exec(ctx, "COMMIT"); return err }, 1},
		"executes ROLLBACK": {func(ctx context.Context, tx pgx.Tx) error { _, err := tx.Exec(ctx, "ROLLBACK"); return err }, 0},
	} {
		t.Run("a handler that "+what+" is told, and not tried again", func(t *testing.T) {
			s, pool := openWithViews(t)
			err := s.InTx(t.Context(), func(ctx context.Context, tx pgx.Tx) error {
				if _, err := tx.Exec(ctx, putView); err != nil {
					t.Error(err)
				}
				_ = c.end(ctx, tx)
				return nil
			})
			if err == nil || !strings.Contains(err.Error(), "return nil to commit it") || s.IsTransient(err) {
				t.Errorf("got error %v, transient %v", err, s.IsTransient(err))
			}
			mustHaveViews(t, pool, c.views)
		})
	}
	t.Run("a transaction that was kept is refused, and not tried again", func(t *testing.T) {
		s, _ := openWithViews(t)
		var kept pgx.Tx
		inTx(t, s, func(_ context.Context, tx pgx.Tx) error { kept = tx; return nil })
		err := s.Advance(t.Context(), kept, store.Claim{Consumer: board}, store.Progress{}, 0)
		if err == nil || s.IsTransient(err) {
			t.Errorf("got error %v, transient %v", err, s.IsTransient(err))
		}
	})
	t.Run("a savepoint of a handler is its own to end", func(t *testing.T) {
		s, pool := openWithViews(t)
		inTx(t, s, func(ctx context.Context, tx pgx.Tx) error {
			inner, err := tx.Begin(ctx)
			if err != nil {
				return err
			}
			if _, err := inner.Exec(ctx, "INSERT INTO views (name) VALUES ('undone')"); err != nil {
				return err
			}
			if err := inner.Rollback(ctx); err != nil {
				return err
			}
			_, err = tx.Exec(ctx, putView)
			return err
		})
		mustHaveViews(t, pool, 1)
	})
}
