package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
)

// folder is the data folder, locked against other processes for as long as it
// is open. The system gives up the lock of a process that dies.
type folder struct {
	path string
	lock *flock.Flock
}

func openFolder(path string) (*folder, error) {
	if err := os.MkdirAll(path, 0o750); err != nil {
		return nil, fmt.Errorf("the data folder %s cannot be made (%w); choose another by -data", path, err)
	}
	lock := flock.New(filepath.Join(path, "productd.lock"))
	locked, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("the data folder %s cannot be written (%w); choose another by -data", path, err)
	}
	if !locked {
		return nil, fmt.Errorf("another productd works on the data folder %s; stop that one, or choose another folder by -data", path)
	}
	return &folder{path, lock}, nil
}

func (f *folder) database() string  { return filepath.Join(f.path, "product.db") }
func (f *folder) jetStream() string { return filepath.Join(f.path, "jetstream") }

// close gives up the lock. The file stays: if it went, two processes could lock
// two files of one name.
func (f *folder) close() { _ = f.lock.Unlock() }
