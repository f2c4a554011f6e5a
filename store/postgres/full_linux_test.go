package postgres_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/eventus-go/eventus/eventustest/pgtest"
	"github.com/eventus-go/eventus/store"
)

// small mounts a file system of that many bytes.
func small(t *testing.T, bytes int) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can mount a small file system")
	}
	dir, err := os.MkdirTemp("", "small-") // where other users come to
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0777", bytes)); err != nil {
		t.Skipf("no small file system can be mounted: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestAFullDisk fills the file system of a server. What was acknowledged stays, what
// has failed is not there or can be repeated, and the store goes on when there is
// room again.
func TestAFullDisk(t *testing.T) {
	dir := small(t, 128<<20)
	t.Setenv("TMPDIR", dir)
	server := pgtest.Start(t, pgtest.Options{Settings: map[string]string{"max_wal_size": "32MB", "min_wal_size": "32MB"}})
	s := openStore(t, poolOf(t, server.URL(), 4))
	appendTo(t, s, "p-1", 1)
	var full syscall.Statfs_t
	if err := syscall.Statfs(dir, &full); err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, int64(full.Bavail)*full.Bsize-(2<<20)), 0o600); err != nil {
		t.Fatal(err)
	}
	version, failures := int64(1), 0
	var failed []store.Event
	for failures < 3 {
		batch := events(10)
		for i := range batch {
			batch[i].Data = make([]byte, 64<<10)
		}
		got, err := s.Append(t.Context(), stream, store.At(version), batch)
		if err == nil {
			version = got
			continue
		}
		failures++
		failed = batch
		if !s.IsTransient(err) {
			t.Errorf("got error %v", err)
		}
		if errors.Is(err, store.ErrOutcomeUnknown) {
			break // it is repeated when there is room
		}
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	var err error
	for began := time.Now(); time.Since(began) < time.Minute; time.Sleep(10 * time.Millisecond) {
		if _, err = s.Append(t.Context(), stream, store.At(version), failed); err == nil {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	page, err := s.Read(t.Context(), stream, version-1, 100)
	if err != nil || len(page) != 1+len(failed) || page[1].ID != failed[0].ID {
		t.Errorf("%d messages, error %v", len(page), err)
	}
}
