package pgtest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Standby starts a second server that follows s by asynchronous streaming
// replication, and returns when it has all that s had committed at the call. It
// answers queries at its own URL, and is stopped and removed when t ends. If s is
// a standby itself, start it with the setting full_page_writes on.
func (s *Server) Standby(t testing.TB) *Server {
	t.Helper()
	standby, err := s.standby()
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(func() {
		if err := standby.remove(); err != nil {
			t.Errorf("pgtest: %v", err)
		}
	})
	return standby
}

func (s *Server) standby() (*Server, error) {
	standby, err := newServer(s.bin, s.opts)
	if err != nil {
		return nil, err
	}
	backup := standby.command("pg_basebackup", "--dbname", s.URL(), "--pgdata", standby.data(),
		"--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync")
	if out, err := backup.CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("pg_basebackup: %w\n%s", err, out), standby.remove())
	}
	if err := standby.Resume(); err != nil {
		return nil, errors.Join(err, standby.remove())
	}
	return standby, nil
}

// Detach ends the replication to a standby. What its primary commits from now on
// does not reach it.
func (s *Server) Detach() error {
	err := s.query(func(ctx context.Context, conn *pgx.Conn) error {
		for _, statement := range []string{"ALTER SYSTEM SET primary_conninfo = ''", "SELECT pg_reload_conf()"} {
			if _, err := conn.Exec(ctx, statement); err != nil {
				return err
			}
		}
		for receivers := 1; receivers > 0; time.Sleep(5 * time.Millisecond) {
			if err := conn.QueryRow(ctx, "SELECT count(*) FROM pg_stat_wal_receiver").Scan(&receivers); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("detach the standby: %w", err)
	}
	return nil
}

// Promote makes a standby a primary, and returns when it takes writes. Its former
// primary is not told: stop that one first.
func (s *Server) Promote() error {
	var promoted bool
	err := s.query(func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, "SELECT pg_promote(true, $1)", int(patience.Seconds())).Scan(&promoted)
	})
	if err == nil && !promoted {
		err = fmt.Errorf("not done after %v", patience)
	}
	if err != nil {
		return fmt.Errorf("promote the standby: %w\n%s", err, s.lastLines())
	}
	return nil
}

// query runs f on a connection of its own.
func (s *Server) query(f func(ctx context.Context, conn *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return f(ctx, conn)
}
