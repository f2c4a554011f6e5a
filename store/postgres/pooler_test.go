//go:build unix

package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/store"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// TestPgBouncer has PgBouncer in transaction mode between the store and the
// server, with fewer server connections than the store has goroutines.
func TestPgBouncer(t *testing.T) {
	server := pgtest.Start(t, pgtest.Options{})
	for _, mode := range []string{"exec", "simple_protocol"} {
		t.Run("the store works behind PgBouncer, default_query_exec_mode="+mode, func(t *testing.T) {
			pool, err := pgxpool.New(t.Context(), bouncer(t, server)+"&pool_max_conns=12&default_query_exec_mode="+mode)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(pool.Close)
			execAll(t, pool, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
			s := openStore(t, pool)
			everyCall(t, s, pool)
			var wg sync.WaitGroup
			for w := range 8 {
				wg.Go(func() {
					for range 20 {
						if _, err := s.Append(t.Context(), streamOf(fmt.Sprint(w%4)), store.Any, events(2)); err != nil {
							t.Error(err)
						}
						if err := s.InTx(t.Context(), func(ctx context.Context, tx pgx.Tx) error {
							_, err := s.Marks(ctx, tx, "c", []store.Stream{stream})
							return err
						}); err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			if log, err := s.ReadAll(t.Context(), 0, 1000); err != nil || len(log) != 6+8*20*2 {
				t.Errorf("%d messages, error %v", len(log), err)
			}
		})
	}
}

// bouncer starts PgBouncer in front of server and returns its URL.
func bouncer(t *testing.T, server *pgtest.Server) string {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		program = "/usr/sbin/pgbouncer"
	}
	if _, err := os.Stat(program); err != nil {
		without(t, "no pgbouncer: install it (Debian: apt-get install pgbouncer)")
	}
	behind, err := url.Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "bouncer-") // short: it holds a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	settings := filepath.Join(dir, "pgbouncer.ini")
	if err := os.WriteFile(settings, fmt.Appendf(nil, `[databases]
* = host=%s user=postgres
[pgbouncer]
unix_socket_dir = %s
auth_type = any
pool_mode = transaction
default_pool_size = 3
`, behind.Query().Get("host"), dir), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, settings)
	if os.Getuid() == 0 { // it refuses to run as root
		cmd.SysProcAttr = asPostgres(t, dir)
	}
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	u := "postgres://postgres@/postgres?" + url.Values{"host": {dir}, "port": {"6432"}}.Encode()
	for start := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		conn, err := pgx.Connect(t.Context(), u)
		if err == nil {
			_ = conn.Close(t.Context())
			return u
		}
		if time.Since(start) > 10*time.Second {
			_ = cmd.Process.Kill()
			t.Fatalf("PgBouncer does not answer: %v\n%s", errors.Join(err, cmd.Wait()), &out)
		}
	}
}

// asPostgres hands dir over to an unprivileged user and runs a program as that.
func asPostgres(t *testing.T, dir string) *syscall.SysProcAttr {
	t.Helper()
	who, err := user.Lookup("postgres")
	if err != nil {
		t.Skip("root needs a user postgres to run PgBouncer as")
	}
	uid, _ := strconv.Atoi(who.Uid)
	gid, _ := strconv.Atoi(who.Gid)
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}
