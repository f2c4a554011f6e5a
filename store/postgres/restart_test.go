package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/store"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// TestRestart stops the server in all ways under load. Each error must be
// transient, what was acknowledged must be there, and the store must go on.
func TestRestart(t *testing.T) {
	server := pgtest.Start(t, pgtest.Options{})
	pool, err := pgxpool.New(t.Context(), server.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	s := openStore(t, pool)
	done := make(chan struct{})
	var wg sync.WaitGroup
	acknowledged := make([]int64, 4)
	for w := range acknowledged {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				version, err := s.Append(t.Context(), streamOf(fmt.Sprint(w)), store.Any, events(2))
				if err == nil {
					acknowledged[w] = version
					continue
				}
				if !s.IsTransient(err) {
					t.Errorf("append: %v is not transient", err)
					return
				}
				time.Sleep(time.Millisecond)
			}
		})
	}
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			err := s.InTx(t.Context(), func(ctx context.Context, tx pgx.Tx) error {
				marks, err := s.Marks(ctx, tx, "c", []store.Stream{stream})
				if err != nil {
					return err
				}
				return s.SetMarks(ctx, tx, "c", marks)
			})
			if err != nil && !s.IsTransient(err) {
				t.Errorf("transaction: %v is not transient", err)
				return
			}
		}
	})
	for _, mode := range []pgtest.Mode{pgtest.Fast, pgtest.Immediate, pgtest.Kill} {
		time.Sleep(100 * time.Millisecond) // load, not a condition
		if err := server.Restart(mode); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(100 * time.Millisecond)
	close(done)
	wg.Wait()
	log, err := s.ReadAll(t.Context(), 0, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	streams := make(map[string]int64)
	for _, m := range log {
		streams[m.Stream.ID]++
		if m.Version != streams[m.Stream.ID] {
			t.Fatalf("%s: version %d stands where %d belongs", m.Stream, m.Version, streams[m.Stream.ID])
		}
	}
	for w, version := range acknowledged {
		if got := streams[fmt.Sprint(w)]; got < version || got%2 != 0 {
			t.Errorf("stream %d: %d events, %d were acknowledged", w, got, version)
		}
	}
	if page, _, err := s.Unpublished(t.Context(), 0, 1<<30); err != nil || len(page) != len(log) {
		t.Errorf("%d events in the outbox of %d, error %v", len(page), len(log), err)
	}
}

func TestTransient(t *testing.T) {
	s := openStore(t, pgtest.Pool(t))
	for code, want := range map[string]bool{
		"08006": true, "57P01": true, "57P03": true, "40001": true, "40P01": true, "55P03": true, "53300": true, "53200": true,
		"25P03": true, "58030": true, "57014": true, "25006": true, "26000": true,
		"23505": false, "42601": false, "42P01": false, "22001": false, "25P02": false, "28P01": false, "P0001": false,
	} {
		if err := fmt.Errorf("wrapped: %w", &pgconn.PgError{Code: code}); s.IsTransient(err) != want {
			t.Errorf("%s: transient %v, want %v", code, !want, want)
		}
	}
	for err, want := range map[error]bool{
		io.EOF: true, io.ErrUnexpectedEOF: true, net.ErrClosed: true, &net.OpError{Err: errors.New("reset")}: true,
		context.Canceled: false, context.DeadlineExceeded: false, pgx.ErrNoRows: false,
		errors.Join(&pgconn.PgError{Code: "57014"}, context.DeadlineExceeded): false,
	} {
		if s.IsTransient(err) != want {
			t.Errorf("%v: transient %v, want %v", err, !want, want)
		}
	}
}
