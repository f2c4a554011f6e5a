package postgres_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/store"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// A page of the table whose header is broken is damage that the server finds.
func TestACorruptPage(t *testing.T) {
	server := pgtest.Start(t, pgtest.Options{})
	open := func() (*pgxpool.Pool, store.Log) {
		pool, err := pgxpool.New(t.Context(), server.URL())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pool.Close)
		return pool, openStore(t, pool)
	}
	pool, log := open()
	batch := events(100)
	for i := range batch {
		batch[i].Data = []byte(strings.Repeat("x", 300))
	}
	if _, err := log.(store.Store).Append(t.Context(), stream, store.NoStream, batch); err != nil {
		t.Fatal(err)
	}
	var folder, path string
	if err := pool.QueryRow(t.Context(), `SELECT current_setting('data_directory'), pg_relation_filepath('event_store')`).Scan(&folder, &path); err != nil {
		t.Fatal(err)
	}
	execAll(t, pool, "CHECKPOINT")
	pool.Close()
	if err := server.Stop(pgtest.Fast); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(filepath.Join(folder, path), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteAt([]byte(strings.Repeat("\xff", 24)), 8192); err != nil { // the header of the second page
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if err := server.Resume(); err != nil {
		t.Fatal(err)
	}

	_, log = open()
	s := log.(interface {
		store.Store
		store.Outbox
		store.Snapshots
		store.Damageable
	})
	if d := s.Damage(); d != nil {
		t.Fatalf("damage is known before anybody has read: %v", d)
	}
	if page, err := s.Read(t.Context(), stream, 0, 10); err != nil || len(page) != 10 {
		t.Errorf("the first page: %d messages, error %v", len(page), err)
	}
	for name, read := range map[string]func() error{
		"Read":        func() error { _, err := s.Read(t.Context(), stream, 0, 1000); return err },
		"ReadAll":     func() error { _, err := log.ReadAll(t.Context(), 0, 1000); return err },
		"Unpublished": func() error { _, _, err := s.Unpublished(t.Context(), 0, 1000); return err },
		"ReadStretch": func() error {
			_, err := log.ReadStretch(t.Context(), store.Range{Limit: 1000, Categories: []string{"other"}})
			return err
		},
		"ReadSnapshot": func() error { _, _, err := s.ReadSnapshot(t.Context(), stream, 1, 1000); return err },
	} {
		var damaged *store.DamagedError
		if err := read(); !errors.As(err, &damaged) || !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), "restore it from a backup") {
			t.Errorf("%s: got error %v", name, err)
		}
	}
	if d := s.Damage(); d == nil || d.Version != 0 {
		t.Errorf("Damage returns %v", d)
	}
}

// Events of before the checksums are not compared, and those of any protocol are.
func TestWhichEventsAreCompared(t *testing.T) {
	for set, found := range map[string]bool{
		"data = 'y'": true, "version = version + 10": true, "time = time + interval '1 microsecond'": true, "type = 'u'": true,
		"event_id = 'other'": true, "content_type = 'd'": true, "correlation_id = 'x'": true, "causation_id = 'x'": true, "actor = 'x'": true,
		`metadata = '{"a": "b"}'`: true, "category = 'other'": true, "stream_id = 'other'": true,
		"data = 'y', checksum = NULL":            false,
		`metadata = '{"a": 1}', checksum = NULL`: true, "metadata = '[]', checksum = NULL": true,
	} {
		t.Run(set, func(t *testing.T) {
			pool := pgtest.Pool(t)
			s := openStore(t, pool)
			appendTo(t, s, "a", 3)
			damage(t, pool, set, 2)
			_, err := s.ReadAll(t.Context(), 0, 10)
			if errors.Is(err, store.ErrDamaged) != found {
				t.Errorf("got error %v", err)
			}
			config := pool.Config()
			config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
			simple, err := pgxpool.NewWithConfig(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			defer simple.Close()
			_, err = openStore(t, simple).ReadAll(t.Context(), 0, 10)
			if errors.Is(err, store.ErrDamaged) != found {
				t.Errorf("by the simple protocol: got error %v", err)
			}
		})
	}
}
