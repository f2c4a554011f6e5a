package sqlite_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/eventus-go/eventus/store"
)

// small mounts a file system of that many bytes.
func small(t *testing.T, bytes int) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can mount a small file system")
	}
	dir := t.TempDir()
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

// TestAFullFileSystem appends until nothing fits. What was acknowledged stays, what has
// failed is not there or can be repeated, and the store goes on when there is room
// again.
func TestAFullFileSystem(t *testing.T) {
	for _, size := range []int{100, 5_000, 200_000} {
		dir := small(t, 4<<20)
		ballast := filepath.Join(dir, "ballast")
		if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); err != nil {
			t.Fatal(err)
		}
		s, db := openStore(t, filepath.Join(dir, "a.db"))
		stream := store.Stream{Category: "product", ID: "p-1"}
		var version int64
		batch := func() []store.Event {
			all := make([]store.Event, 10)
			for i := range all {
				all[i] = store.Event{ID: fmt.Sprint(version, " ", i), Type: "t", ContentType: "c", Data: make([]byte, size/10), Time: time.Unix(1, 0)}
			}
			return all
		}
		for failures := 0; failures < 3; {
			got, err := s.Append(t.Context(), stream, store.At(version), batch())
			if err == nil {
				version = got
				continue
			}
			failures++
			if !s.IsTransient(err) || errors.Is(err, store.ErrConflict) {
				t.Errorf("got error %v", err)
			}
		}
		if page, err := s.Read(t.Context(), stream, 0, 1<<20); err != nil || int64(len(page)) != version {
			t.Errorf("%d messages, error %v, want %d", len(page), err, version)
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Append(t.Context(), stream, store.At(version), batch()); err != nil || got != version+10 {
			t.Errorf("with room again: version %d, error %v, want %d", got, err, version+10)
		}
		var check string
		if err := db.QueryRow("PRAGMA integrity_check").Scan(&check); err != nil || check != "ok" {
			t.Errorf("the file is %s, error %v", check, err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}
