package sqlite_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eventus-go/eventus/store"
)

// A page of the file that is no page of a table is damage that SQLite finds, and a
// byte of an event's data is damage that the checksum finds.
func TestADamagedFile(t *testing.T) {
	for name, damage := range map[string]struct {
		change  func(content []byte)
		version int64
	}{
		"the pages of the events": {func(content []byte) {
			at := bytes.Index(content, []byte("needle"))
			copy(content[at/4096*4096:], bytes.Repeat([]byte{0xff}, 100))
		}, 0},
		"a byte of an event": {func(content []byte) {
			copy(content, bytes.ReplaceAll(content, []byte("needle"), []byte("noodle"))) // also where the file has old copies
		}, 7},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.db")
			s, db := openStore(t, path)
			stream := store.Stream{Category: "product", ID: "p-1"}
			batch := make([]store.Event, 40)
			for i := range batch {
				batch[i] = store.Event{ID: fmt.Sprint(i), Type: "t", ContentType: "c", Data: []byte(strings.Repeat("x", 300)), Time: time.Unix(1, 0)}
			}
			batch[6].Data = []byte("needle")
			if _, err := s.Append(t.Context(), stream, store.NoStream, batch); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			damage.change(content)
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			s, _ = openStore(t, path)
			_, err = s.Read(t.Context(), stream, 0, 100)
			var damaged *store.DamagedError
			if !errors.As(err, &damaged) || damaged.Version != damage.version {
				t.Errorf("Read: got error %v", err)
			}
			if _, err := s.ReadAll(t.Context(), 0, 100); !errors.Is(err, store.ErrDamaged) {
				t.Errorf("ReadAll: got error %v", err)
			}
			if s.Damage() == nil {
				t.Error("Damage returns nil")
			}
		})
	}
}

// Metadata that cannot be decoded is damage, whether or not the event has a checksum.
func TestMetadataThatIsNoJSONIsDamage(t *testing.T) {
	for _, metadata := range []string{"{", `{"a": 1}`, "[]", ""} {
		s, db := openStore(t, filepath.Join(t.TempDir(), "a.db"))
		stream := store.Stream{Category: "product", ID: "p-1"}
		for id := range 3 {
			e := store.Event{ID: fmt.Sprint(id), Type: "t", ContentType: "c", Time: time.Unix(1, 0)}
			if _, err := s.Append(t.Context(), stream, store.Any, []store.Event{e}); err != nil {
				t.Fatal(err)
			}
		}
		edit(t, db, "event_store_no_update", fmt.Sprintf("UPDATE event_store SET metadata = '%s', checksum = NULL WHERE position = 2", metadata))
		for name, read := range map[string]func() error{
			"Read":         func() error { _, err := s.Read(t.Context(), stream, 0, 10); return err },
			"ReadAll":      func() error { _, err := s.ReadAll(t.Context(), 0, 10); return err },
			"ReadStretch":  func() error { _, err := s.ReadStretch(t.Context(), store.Range{Limit: 10}); return err },
			"ReadSnapshot": func() error { _, _, err := s.ReadSnapshot(t.Context(), stream, 1, 10); return err },
			"Unpublished":  func() error { _, _, err := s.Unpublished(t.Context(), 0, 10); return err },
		} {
			var damaged *store.DamagedError
			if err := read(); !errors.As(err, &damaged) || damaged.Stream != stream || damaged.Version != 2 || damaged.Position != 2 {
				t.Errorf("%s of metadata %q: got error %v", name, metadata, err)
			}
		}
		if d := s.Damage(); d == nil || d.Position != 2 {
			t.Errorf("metadata %q: Damage returns %v", metadata, d)
		}
	}
}
