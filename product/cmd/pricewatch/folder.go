package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
)

// lockFolder makes the data folder and locks it against other processes. The
// system releases the lock of a process that dies.
func lockFolder(path string) (unlock func(), err error) {
	if err := os.MkdirAll(path, 0o750); err != nil {
		return nil, fmt.Errorf("the data folder %s cannot be made (%w); choose another by -data", path, err)
	}
	lock := flock.New(filepath.Join(path, "pricewatch.lock"))
	locked, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("the data folder %s cannot be written (%w); choose another by -data", path, err)
	}
	if !locked {
		return nil, fmt.Errorf("another pricewatch works on the data folder %s; stop that one, or choose another folder by -data", path)
	}
	// The file stays: without it, two processes could lock two files of one name.
	return func() { _ = lock.Unlock() }, nil
}
