package powercut

import (
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

const fallocateKeepSize = 1 // FALLOC_FL_KEEP_SIZE of fallocate(2)

func (b *bridge) Open(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	truncates := in.Flags&syscall.O_TRUNC != 0
	defer b.unlock()
	if truncates && !b.change() || !truncates && !b.read() {
		return fuse.EIO
	}
	if truncates {
		n := b.fs.nodes[in.NodeId]
		n.file.truncate(0)
		b.fs.wrote(n)
	}
	out.OpenFlags = fuse.FOPEN_KEEP_CACHE
	return fuse.OK
}

func (b *bridge) Read(_ <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	defer b.unlock()
	if !b.read() {
		return nil, fuse.EIO
	}
	n := b.fs.nodes[in.NodeId].file.read(buf[:min(len(buf), int(in.Size))], int64(in.Offset))
	return fuse.ReadResultData(buf[:n]), fuse.OK
}

func (b *bridge) Write(_ <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	defer b.unlock()
	if !b.change() {
		return 0, fuse.EIO
	}
	n := b.fs.nodes[in.NodeId]
	n.file.write(data, int64(in.Offset))
	b.fs.wrote(n)
	if in.Flags&(syscall.O_SYNC|syscall.O_DSYNC) != 0 {
		b.fs.syncFile(n)
	}
	return uint32(len(data)), fuse.OK
}

func (b *bridge) Fallocate(_ <-chan struct{}, in *fuse.FallocateIn) fuse.Status {
	defer b.unlock()
	if !b.change() {
		return fuse.EIO
	}
	if in.Mode&^fallocateKeepSize != 0 {
		return fuse.Status(syscall.EOPNOTSUPP)
	}
	n := b.fs.nodes[in.NodeId]
	if end := int64(in.Offset + in.Length); in.Mode == 0 && end > n.file.liveSize {
		n.file.truncate(end)
		b.fs.wrote(n)
	}
	return fuse.OK
}

func (b *bridge) Flush(<-chan struct{}, *fuse.FlushIn) fuse.Status {
	defer b.unlock()
	if !b.read() {
		return fuse.EIO
	}
	return fuse.OK
}

func (b *bridge) Fsync(_ <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	if !b.wait() {
		return fuse.EIO
	}
	defer b.unlock()
	if !b.change() {
		return fuse.EIO
	}
	b.fs.syncFile(b.fs.nodes[in.NodeId])
	return fuse.OK
}

// wait takes the time of an fsync, and reports whether there is power after it.
func (b *bridge) wait() bool {
	if delay := b.fs.opts.SyncDelay; delay > 0 {
		time.Sleep(rand.N(delay))
	}
	return !b.fs.off.Load()
}
