package powercut

import (
	"errors"
	"os"
)

// Unavailable returns why Mount cannot work here, and what to do about it. It is nil
// where it can.
func Unavailable() error {
	if os.Geteuid() != 0 {
		return errors.New("no power can be cut: to mount a file system needs root: run the tests as root, in a container with --device /dev/fuse --cap-add SYS_ADMIN for example")
	}
	dev, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		return errors.New("no power can be cut: " + err.Error() + ": load the module fuse, or give the container --device /dev/fuse")
	}
	return dev.Close()
}
