package powercut

import (
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// cacheTime is how long the kernel may remember names and attributes. Nothing
// changes but through the kernel.
const cacheTime = time.Second

// bridge is what the kernel asks. All that it does is in FS.
type bridge struct {
	fuse.RawFileSystem
	fs          *FS
	lastListing uint64
	listings    map[uint64][]fuse.DirEntry // of open folders
}

func newBridge(fs *FS) *bridge {
	return &bridge{RawFileSystem: fuse.NewDefaultRawFileSystem(), fs: fs, listings: make(map[uint64][]fuse.DirEntry)}
}

func (b *bridge) String() string { return "powercut" }

// read locks, and reports whether there is power.
func (b *bridge) read() bool {
	b.fs.mu.Lock()
	return !b.fs.off.Load()
}

// change is read before something changes: it may be the moment of the cut.
func (b *bridge) change() bool {
	b.fs.mu.Lock()
	return b.fs.step()
}

func (b *bridge) unlock() { b.fs.mu.Unlock() }

func (n *node) attributes(to *fuse.Attr) {
	size := n.file.liveSize
	if n.target != "" {
		size = int64(len(n.target))
	}
	seconds, nanos := uint64(n.modified.Unix()), uint32(n.modified.Nanosecond())
	*to = fuse.Attr{
		Ino: n.id, Size: uint64(size), Blocks: uint64(size+sectorSize-1) / sectorSize, Blksize: pageSize,
		Atime: seconds, Mtime: seconds, Ctime: seconds, Atimensec: nanos, Mtimensec: nanos, Ctimensec: nanos,
		Mode: n.mode, Nlink: n.links, Owner: fuse.Owner{Uid: n.uid, Gid: n.gid},
	}
}

// tell hands n to the kernel, which knows it until Forget.
func (b *bridge) tell(n *node, out *fuse.EntryOut) {
	n.known++
	b.fs.nodes[n.id] = n
	out.NodeId, out.Generation = n.id, 1
	n.attributes(&out.Attr)
	out.SetEntryTimeout(cacheTime)
	out.SetAttrTimeout(cacheTime)
}

func (b *bridge) Lookup(_ <-chan struct{}, header *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	defer b.unlock()
	if !b.read() {
		return fuse.EIO
	}
	child := b.fs.nodes[header.NodeId].live[name]
	if child == nil {
		return fuse.ENOENT
	}
	b.tell(child, out)
	return fuse.OK
}

func (b *bridge) Forget(id, times uint64) {
	b.fs.mu.Lock()
	defer b.unlock()
	n := b.fs.nodes[id]
	if n == nil || n == b.fs.root {
		return
	}
	if n.known -= min(n.known, times); n.known == 0 {
		delete(b.fs.nodes, id)
	}
}

func (b *bridge) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	defer b.unlock()
	if !b.read() {
		return fuse.EIO
	}
	b.fs.nodes[in.NodeId].attributes(&out.Attr)
	out.SetTimeout(cacheTime)
	return fuse.OK
}

func (b *bridge) SetAttr(_ <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	defer b.unlock()
	if !b.change() {
		return fuse.EIO
	}
	n := b.fs.nodes[in.NodeId]
	if mode, ok := in.GetMode(); ok {
		n.mode = n.mode&^0o7777 | mode
	}
	if uid, ok := in.GetUID(); ok {
		n.uid = uid
	}
	if gid, ok := in.GetGID(); ok {
		n.gid = gid
	}
	if size, ok := in.GetSize(); ok {
		n.file.truncate(int64(size))
		b.fs.wrote(n)
	}
	if modified, ok := in.GetMTime(); ok {
		n.modified = modified
	}
	n.attributes(&out.Attr)
	out.SetTimeout(cacheTime)
	return fuse.OK
}

func (b *bridge) StatFs(_ <-chan struct{}, _ *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	defer b.unlock()
	if !b.read() {
		return fuse.EIO
	}
	const total, free = 1 << 28, 1 << 27 // blocks: memory is the limit
	*out = fuse.StatfsOut{Blocks: total, Bfree: free, Bavail: free, Files: total, Ffree: free, Bsize: pageSize, Frsize: pageSize, NameLen: 255}
	return fuse.OK
}

func (b *bridge) Access(<-chan struct{}, *fuse.AccessIn) fuse.Status { return fuse.ENOSYS } // the kernel checks
