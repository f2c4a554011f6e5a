package powercut

import (
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// FS is a file system that loses power. It is safe for concurrent use.
type FS struct {
	backing, mountPoint string
	opts                Options
	server              *fuse.Server

	off atomic.Bool // the power

	mu      sync.Mutex
	root    *node
	nodes   map[uint64]*node // those that the kernel knows
	lastID  uint64
	pending map[*node]struct{} // files that the disk does not have as they are
	journal journal
	random  *rand.Rand
	fuse    int // operations until the cut, 0 if there is none to come
	seed    uint64
	cut     chan Report
	err     error // of the save at the cut
	closed  bool
}

// Mount shows the files of backing at mountPoint until Close. Both are folders. No
// other program may use backing meanwhile: it is read now, and written by Cut, or by
// Close if there was no cut.
//
// It needs root and /dev/fuse; [Unavailable] says what is missing.
func Mount(backing, mountPoint string, opts Options) (*FS, error) {
	f, err := load(backing, opts)
	if err != nil {
		return nil, fmt.Errorf("mount %s: %w", backing, err)
	}
	f.mountPoint = mountPoint
	f.server, err = fuse.NewServer(newBridge(f), mountPoint, &fuse.MountOptions{
		AllowOther:               true,
		Options:                  []string{"default_permissions"},
		DirectMountStrict:        true,
		FsName:                   "powercut",
		Name:                     "powercut",
		DisableXAttrs:            true,
		DisableReadDirPlus:       true,
		ExplicitDataCacheControl: true, // a changed time must not drop maps that are dirty
		MaxWrite:                 1 << 20,
		Logger:                   log.New(io.Discard, "", 0), // it tells of each unmount
	})
	if err != nil {
		return nil, fmt.Errorf("mount %s at %s: %w", backing, mountPoint, err)
	}
	closeOnExec()
	go f.server.Serve()
	if err := f.server.WaitMount(); err != nil {
		return nil, fmt.Errorf("mount %s at %s: %w", backing, mountPoint, err)
	}
	return f, nil
}

// closeOnExec keeps /dev/fuse from the programs that this process starts, as go-fuse
// does not: while one of them had it open, nobody would answer for a file system whose
// process is gone.
func closeOnExec() {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return
	}
	for _, e := range entries {
		if target, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && target == "/dev/fuse" {
			if fd, err := strconv.Atoi(e.Name()); err == nil {
				syscall.CloseOnExec(fd)
			}
		}
	}
}

// Close unmounts. Without a cut before, all that was written is on the disk then, as
// after an orderly shutdown. Programs that use the file system should have ended: the
// files of others fail. A second Close does nothing.
func (f *FS) Close() error {
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return nil
	}
	f.closed = true
	if !f.off.Load() {
		f.syncAll()
		f.turnOff()
	}
	err := f.err
	f.mu.Unlock() // the kernel may write while it unmounts
	// The mount point is free at once, whoever still has files open.
	if unmount := syscall.Unmount(f.mountPoint, syscall.MNT_DETACH); unmount != nil {
		return errors.Join(err, fmt.Errorf("unmount %s: %w", f.mountPoint, unmount))
	}
	return err
}

func (f *FS) syncAll() {
	for n := range f.pending {
		n.file.sync()
	}
	clear(f.pending)
	f.journal.carryFirst(len(f.journal.operations))
}

// step stands before each operation that changes something, with mu held. It cuts
// the power when that is due, and reports whether there is any.
func (f *FS) step() bool {
	if f.off.Load() {
		return false
	}
	if f.fuse > 0 {
		if f.fuse--; f.fuse == 0 {
			f.cutNow(f.seed)
			return false
		}
	}
	f.commitOld()
	return true
}

// commitOld carries the changes of names that are older than the commit interval.
func (f *FS) commitOld() {
	age := f.opts.commitInterval()
	if age < 0 {
		return
	}
	n := 0
	for n < len(f.journal.operations) && time.Since(f.journal.operations[n].time) > age {
		n++
	}
	f.journal.carryFirst(n)
}

// wrote notes that n has content that the disk does not have.
func (f *FS) wrote(n *node) {
	n.modified = time.Now()
	f.pending[n] = struct{}{}
	if every := f.opts.writebackEvery(); every > 0 && f.random.IntN(every) == 0 {
		for i := range n.file.dirty {
			n.file.carry(i)
			break
		}
	}
}

// changed changes names.
func (f *FS) changed(changes ...change) {
	for _, c := range changes {
		c.folder.modified = time.Now()
		if c.to == nil {
			delete(c.folder.live, c.name)
		} else {
			c.folder.live[c.name] = c.to
		}
	}
	f.journal.operations = append(f.journal.operations, operation{changes: changes, time: time.Now()})
}

func (f *FS) syncFile(n *node) {
	if f.opts.IgnoreSync {
		return
	}
	n.file.sync()
	delete(f.pending, n)
	if f.opts.Names == ByJournal {
		f.journal.carryUpTo(n)
	}
}

func (f *FS) syncFolder(n *node) {
	if f.opts.IgnoreSync {
		return
	}
	if f.opts.Names == ByJournal {
		f.journal.carryUpTo(n)
	} else {
		f.journal.carryFolder(n)
	}
}

func (f *FS) newNode(mode, uid, gid uint32) *node {
	f.lastID++
	n := &node{id: f.lastID, mode: mode, uid: uid, gid: gid, links: 1, modified: time.Now()}
	if mode&syscall.S_IFMT == syscall.S_IFDIR {
		n.live, n.disk, n.links = make(map[string]*node), make(map[string]*node), 2
	}
	return n
}
