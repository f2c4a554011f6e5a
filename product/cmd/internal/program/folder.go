package program

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
)

// LockFolder makes a data folder, and locks it against other processes of the
// program until unlock is called. The system unlocks the folder of a process that
// dies.
func LockFolder(program, path string) (unlock func(), err error) {
	if err := os.MkdirAll(path, 0o750); err != nil {
		return nil, fmt.Errorf("the data folder %s cannot be made (%w); choose another by -data", path, err)
	}
	lock := flock.New(filepath.Join(path, program+".lock"))
	locked, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("the data folder %s cannot be written (%w); choose another by -data", path, err)
	}
	if !locked {
		return nil, fmt.Errorf("another %s works on the data folder %s; stop that one, or choose another folder by -data", program, path)
	}
	// The file stays: without it, two processes could lock two files of one name.
	return func() { _ = lock.Unlock() }, nil
}
