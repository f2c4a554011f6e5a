//go:build unix

package pgtest

import (
	"errors"
	"os"
	"os/user"
	"strconv"
	"sync"
	"syscall"
)

// servant is whom programs run as in root's place: PostgreSQL refuses root. It
// is nil for everybody else.
var servant = sync.OnceValues(func() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			continue
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			continue
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is no user postgres or nobody: run the tests as another user")
})

// unprivileged puts a program under that user, and out of reach of the signals
// that a terminal sends to this process and its group.
func unprivileged() *syscall.SysProcAttr {
	credential, _ := servant() // handOver came first, and has told its error
	return &syscall.SysProcAttr{Credential: credential, Setpgid: true}
}

// handOver gives dir to that user.
func handOver(dir string) error {
	credential, err := servant()
	if err != nil || credential == nil {
		return err
	}
	return os.Chown(dir, int(credential.Uid), int(credential.Gid))
}
