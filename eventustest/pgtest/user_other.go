//go:build !unix

package pgtest

import (
	"errors"
	"syscall"
)

func unprivileged() *syscall.SysProcAttr { return nil }

// handOver refuses: there is no shell to clear up after a cluster.
func handOver(string) error {
	return errors.New("private clusters need a Unix system")
}
