package powercut_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/eventus-go/eventus/fire/powercut"
)

// mounted is a file system that a test writes to.
type mounted struct {
	*powercut.FS
	t              testing.TB
	backing, point string
}

func mount(t testing.TB, opts powercut.Options) *mounted {
	t.Helper()
	return mountOn(t, filepath.Join(t.TempDir(), "disk"), opts)
}

func mountOn(t testing.TB, backing string, opts powercut.Options) *mounted {
	t.Helper()
	if err := powercut.Unavailable(); err != nil {
		t.Skip(err)
	}
	if err := os.MkdirAll(backing, 0o755); err != nil {
		t.Fatal(err)
	}
	m := &mounted{t: t, backing: backing, point: t.TempDir()}
	var err error
	if m.FS, err = powercut.Mount(backing, m.point, opts); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if m.FS != nil {
			m.close()
		}
	})
	return m
}

func (m *mounted) close() {
	m.t.Helper()
	if err := m.Close(); err != nil {
		m.t.Error(err)
	}
	m.FS = nil
}

func (m *mounted) cut(seed uint64) powercut.Report {
	m.t.Helper()
	report, err := m.Cut(seed)
	if err != nil {
		m.t.Fatal(err)
	}
	return report
}

// create makes a file and leaves it open.
func (m *mounted) create(name string, content []byte) *os.File {
	m.t.Helper()
	f, err := os.Create(filepath.Join(m.point, name))
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { f.Close() })
	if _, err := f.Write(content); err != nil {
		m.t.Fatal(err)
	}
	return f
}

func (m *mounted) sync(path string) {
	m.t.Helper()
	f, err := os.Open(filepath.Join(m.point, path))
	if err != nil {
		m.t.Fatal(err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		m.t.Fatal(err)
	}
}

// onDisk returns the content of a file after the cut, nil if it is not there.
func (m *mounted) onDisk(name string) []byte {
	m.t.Helper()
	content, err := os.ReadFile(filepath.Join(m.backing, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		m.t.Fatal(err)
	}
	return append([]byte{}, content...)
}

func TestWhatIsSyncedStays(t *testing.T) {
	for seed := range uint64(40) {
		m := mount(t, powercut.Options{})
		want := bytes.Repeat([]byte("synced "), 5000)
		f := m.create("a", want)
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
		m.sync(".")
		m.cut(seed)
		if got := m.onDisk("a"); !bytes.Equal(got, want) {
			t.Fatalf("seed %d: the file has %d bytes after the cut, want %d", seed, len(got), len(want))
		}
		m.close()
	}
}

func TestASynchronousWriteStays(t *testing.T) {
	for _, flag := range []int{syscall.O_SYNC, syscall.O_DSYNC} {
		m := mount(t, powercut.Options{WritebackEvery: -1})
		m.create("a", nil)
		m.sync(".")
		f, err := os.OpenFile(filepath.Join(m.point, "a"), os.O_WRONLY|flag, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.Write([]byte("written")); err != nil {
			t.Fatal(err)
		}
		m.cut(0)
		if got := m.onDisk("a"); string(got) != "written" {
			t.Errorf("flag %#x: the disk has %q", flag, got)
		}
	}
}

func TestWhatIsNotSyncedIsLostForSomeSeeds(t *testing.T) {
	lost, kept := 0, 0
	for seed := range uint64(40) {
		m := mount(t, powercut.Options{})
		f := m.create("a", []byte("old"))
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
		m.sync(".")
		if _, err := f.WriteAt([]byte("new"), 0); err != nil {
			t.Fatal(err)
		}
		m.cut(seed)
		switch got := string(m.onDisk("a")); got {
		case "old":
			lost++
		case "new":
			kept++
		default:
			t.Fatalf("the disk has %q", got)
		}
		m.close()
	}
	if lost == 0 || kept == 0 {
		t.Errorf("of 40 writes that were not synced, %d were lost and %d kept", lost, kept)
	}
}

func TestAfterTheCutEveryOperationFails(t *testing.T) {
	m := mount(t, powercut.Options{})
	f := m.create("a", []byte("old"))
	m.cut(1)
	_, write := f.Write([]byte("x"))
	_, create := os.Create(filepath.Join(m.point, "b"))
	for what, err := range map[string]error{
		"write": write, "sync": f.Sync(), "create": create, "truncate": f.Truncate(0),
		"rename": os.Rename(filepath.Join(m.point, "a"), filepath.Join(m.point, "c")),
		"remove": os.Remove(filepath.Join(m.point, "a")), "mkdir": os.Mkdir(filepath.Join(m.point, "d"), 0o755),
	} {
		if !errors.Is(err, syscall.EIO) {
			t.Errorf("%s: error %v, want EIO", what, err)
		}
	}
}

func TestWithoutACutAllIsThere(t *testing.T) {
	m := mount(t, powercut.Options{})
	m.create("a", []byte("1"))
	if err := os.Mkdir(filepath.Join(m.point, "d"), 0o700); err != nil {
		t.Fatal(err)
	}
	m.create("d/b", make([]byte, 10000)).Close()
	if err := os.Symlink("d/b", filepath.Join(m.point, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(m.point, "a"), filepath.Join(m.point, "d/a")); err != nil {
		t.Fatal(err)
	}
	m.close()
	if string(m.onDisk("a")) != "1" || string(m.onDisk("d/a")) != "1" || len(m.onDisk("link")) != 10000 {
		t.Errorf("a %q, d/a %q, link of %d bytes", m.onDisk("a"), m.onDisk("d/a"), len(m.onDisk("link")))
	}
}

func TestTheCutFallsOnTheOperationThatWasAskedFor(t *testing.T) {
	m := mount(t, powercut.Options{WritebackEvery: -1})
	f := m.create("a", nil)
	m.sync(".")
	report := m.CutAfter(5, 0) // two writes with their fsync, and no more
	written := 0
	for ; written < 10; written++ {
		if _, err := f.Write([]byte("x")); err != nil {
			break
		}
		if err := f.Sync(); err != nil {
			break
		}
	}
	<-report
	if got := m.onDisk("a"); written != 2 || string(got) != "xx" {
		t.Errorf("%d writes were synced, and the disk has %q", written, got)
	}
}
