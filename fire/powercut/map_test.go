package powercut_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/eventus-go/eventus/fire/powercut"
)

const mapEnv = "EVENTUS_MAP_FILE"

// TestMain is also the process that maps a file into memory: the one that serves the
// file system must not.
func TestMain(m *testing.M) {
	if path := os.Getenv(mapEnv); path != "" {
		if err := writeByMap(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestAMapThatIsSyncedStays(t *testing.T) {
	m := mount(t, powercut.Options{WritebackEvery: -1})
	m.create("a", make([]byte, 8192))
	m.sync(".")
	writer := exec.Command(os.Args[0])
	writer.Env = append(os.Environ(), mapEnv+"="+filepath.Join(m.point, "a"))
	if out, err := writer.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	m.cut(0)
	if got := m.onDisk("a"); len(got) != 8192 || string(got[4096:4102]) != "mapped" {
		t.Errorf("the disk has %d bytes", len(got))
	}
}

// writeByMap writes by one map what it reads by another, and syncs the file.
func writeByMap(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	var maps [2][]byte
	for i := range maps {
		if maps[i], err = syscall.Mmap(int(f.Fd()), 0, 8192, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED); err != nil {
			return err
		}
	}
	copy(maps[0][4096:], "mapped")
	if string(maps[1][4096:4102]) != "mapped" {
		return errors.New("a map does not show what another one of the file has")
	}
	return errors.Join(f.Sync(), syscall.Munmap(maps[0]), syscall.Munmap(maps[1]))
}
