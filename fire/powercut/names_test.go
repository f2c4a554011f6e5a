package powercut_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/eventus-go/eventus/fire/powercut"
)

func TestANameIsDurableWithItsFolder(t *testing.T) {
	for _, v := range []struct {
		name                   string
		names                  powercut.Names
		syncFile, syncFolder   bool
		mayBeLost, mayBeStored bool
	}{
		{"nothing is synced", powercut.ByFolder, false, false, true, true},
		{"the file is synced", powercut.ByFolder, true, false, true, true},
		{"the folder is synced", powercut.ByFolder, true, true, false, true},
		{"the file is synced, by journal", powercut.ByJournal, true, false, false, true},
		{"nothing is synced, by journal", powercut.ByJournal, false, false, true, true},
	} {
		t.Run(v.name, func(t *testing.T) {
			lost, stored := 0, 0
			for seed := range uint64(30) {
				m := mount(t, powercut.Options{Names: v.names})
				m.create("a", []byte("x"))
				if v.syncFile {
					m.sync("a")
				}
				if v.syncFolder {
					m.sync(".")
				}
				m.cut(seed)
				if m.onDisk("a") == nil {
					lost++
				} else {
					stored++
				}
				m.close()
			}
			if (lost > 0) != v.mayBeLost || (stored > 0) != v.mayBeStored {
				t.Errorf("after 30 cuts the name was lost %d times and there %d times", lost, stored)
			}
		})
	}
}

func TestARenameIsNeverKeptInPart(t *testing.T) {
	for _, names := range []powercut.Names{powercut.ByFolder, powercut.ByJournal} {
		before, after := 0, 0
		for seed := range uint64(30) {
			m := mount(t, powercut.Options{Names: names})
			for _, dir := range []string{"from", "to"} {
				if err := os.Mkdir(filepath.Join(m.point, dir), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			m.create("from/a", []byte("new"))
			m.create("to/b", []byte("old"))
			for _, path := range []string{"from/a", "to/b", "from", "to", "."} {
				m.sync(path)
			}
			if err := os.Rename(filepath.Join(m.point, "from/a"), filepath.Join(m.point, "to/b")); err != nil {
				t.Fatal(err)
			}
			m.cut(seed)
			switch a, b := string(m.onDisk("from/a")), string(m.onDisk("to/b")); {
			case a == "new" && b == "old":
				before++
			case a == "" && b == "new":
				after++
			default:
				t.Fatalf("seed %d: the disk has %q and %q", seed, a, b)
			}
			m.close()
		}
		if before == 0 || after == 0 {
			t.Errorf("of 30 renames %d were lost and %d kept", before, after)
		}
	}
}

// A file that is replaced the common way is the old one or the new one.
func TestAFileThatIsReplacedIsOldOrNew(t *testing.T) {
	found := make(map[string]int)
	for seed := range uint64(30) {
		m := mount(t, powercut.Options{})
		m.create("a", []byte("old"))
		m.sync("a")
		m.sync(".")
		m.create("a.new", []byte("new"))
		m.sync("a.new")
		if err := os.Rename(filepath.Join(m.point, "a.new"), filepath.Join(m.point, "a")); err != nil {
			t.Fatal(err)
		}
		m.cut(seed)
		found[string(m.onDisk("a"))]++
		m.close()
	}
	if found["old"] == 0 || found["new"] == 0 || len(found) != 2 {
		t.Errorf("after 30 cuts the file was %v", found)
	}
}

// Without fsync of the new file it can be empty: its name was faster.
func TestAFileThatIsReplacedWithoutFsyncCanBeEmpty(t *testing.T) {
	for seed := range uint64(100) {
		m := mount(t, powercut.Options{})
		m.create("a", []byte("old"))
		m.sync("a")
		m.sync(".")
		m.create("a.new", []byte("new"))
		if err := os.Rename(filepath.Join(m.point, "a.new"), filepath.Join(m.point, "a")); err != nil {
			t.Fatal(err)
		}
		m.cut(seed)
		content := m.onDisk("a")
		m.close()
		if content != nil && len(content) == 0 {
			return
		}
	}
	t.Error("in none of 100 cuts the file was empty")
}

func TestByJournalWhatIsLostIsTheEnd(t *testing.T) {
	for seed := range uint64(30) {
		m := mount(t, powercut.Options{Names: powercut.ByJournal})
		for i := range 10 {
			m.create(fmt.Sprint(i), nil)
			if i == 4 {
				m.sync("4")
			}
		}
		m.cut(seed)
		there := 0
		for i := range 10 {
			if m.onDisk(fmt.Sprint(i)) != nil {
				if there != i {
					t.Fatalf("seed %d: %d is there, and an earlier one is not", seed, i)
				}
				there++
			}
		}
		if there < 5 {
			t.Fatalf("seed %d: %d of the first 5 names are there, and the last of those was synced", seed, there)
		}
		m.close()
	}
}

func TestAFileThatIsRemovedCanComeBack(t *testing.T) {
	back := 0
	for seed := range uint64(30) {
		m := mount(t, powercut.Options{})
		f := m.create("a", []byte("x"))
		m.sync("a")
		m.sync(".")
		if err := os.Remove(filepath.Join(m.point, "a")); err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte("y"), 0); err != nil { // it is open
			t.Fatal(err)
		}
		m.cut(seed)
		if m.onDisk("a") != nil {
			back++
		}
		m.close()
	}
	if back == 0 || back == 30 {
		t.Errorf("of 30 removed files %d came back", back)
	}
}
