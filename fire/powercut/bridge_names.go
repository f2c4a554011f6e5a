package powercut

import (
	"maps"
	"slices"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
)

const renameNoReplace = 1 // RENAME_NOREPLACE of renameat2(2)

// add makes an entry with a new node.
func (b *bridge) add(header *fuse.InHeader, name string, mode uint32, out *fuse.EntryOut) (*node, fuse.Status) {
	folder := b.fs.nodes[header.NodeId]
	if folder.live[name] != nil {
		return nil, fuse.Status(syscall.EEXIST)
	}
	n := b.fs.newNode(mode, header.Uid, header.Gid)
	b.fs.changed(change{folder, name, n})
	b.tell(n, out)
	return n, fuse.OK
}

func (b *bridge) Mknod(_ <-chan struct{}, in *fuse.MknodIn, name string, out *fuse.EntryOut) fuse.Status {
	defer b.unlock()
	if !b.change() {
		return fuse.EIO
	}
	if in.Mode&syscall.S_IFMT != syscall.S_IFREG {
		return fuse.EPERM
	}
	_, status := b.add(&in.InHeader, name, in.Mode, out)
	return status
}

func (b *bridge) Mkdir(_ <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	defer b.unlock()
	if !b.change() {
		return fuse.EIO
	}
	_, status := b.add(&in.InHeader, name, in.Mode&0o7777|syscall.S_IFDIR, out)
	return status
}

func (b *bridge) Symlink(_ <-chan struct{}, header *fuse.InHeader, target, name string, out *fuse.EntryOut) fuse.Status {
	defer b.unlock()
	if !b.change() {
		return fuse.EIO
	}
	n, status := b.add(header, name, syscall.S_IFLNK|0o777, out)
	if status.Ok() {
		n.target = target
		n.attributes(&out.Attr)
	}
	return status
}

func (b *bridge) Readlink(_ <-chan struct{}, header *fuse.InHeader) ([]byte, fuse.Status) {
	defer b.unlock()
	if !b.read() {
		return nil, fuse.EIO
	}
	return []byte(b.fs.nodes[header.NodeId].target), fuse.OK
}

func (b *bridge) Create(_ <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	defer b.unlock()
	if !b.change() {
		return fuse.EIO
	}
	_, status := b.add(&in.InHeader, name, in.Mode&0o7777|syscall.S_IFREG, &out.EntryOut)
	out.OpenFlags = fuse.FOPEN_KEEP_CACHE
	return status
}

func (b *bridge) Link(_ <-chan struct{}, in *fuse.LinkIn, name string, out *fuse.EntryOut) fuse.Status {
	defer b.unlock()
	if !b.change() {
		return fuse.EIO
	}
	folder, n := b.fs.nodes[in.NodeId], b.fs.nodes[in.Oldnodeid]
	if folder.live[name] != nil {
		return fuse.Status(syscall.EEXIST)
	}
	n.links++
	b.fs.changed(change{folder, name, n})
	b.tell(n, out)
	return fuse.OK
}

func (b *bridge) Unlink(_ <-chan struct{}, header *fuse.InHeader, name string) fuse.Status {
	defer b.unlock()
	if !b.change() {
		return fuse.EIO
	}
	folder := b.fs.nodes[header.NodeId]
	n := folder.live[name]
	if n == nil {
		return fuse.ENOENT
	}
	n.links--
	b.fs.changed(change{folder, name, nil})
	return fuse.OK
}

func (b *bridge) Rmdir(_ <-chan struct{}, header *fuse.InHeader, name string) fuse.Status {
	defer b.unlock()
	if !b.change() {
		return fuse.EIO
	}
	folder := b.fs.nodes[header.NodeId]
	n := folder.live[name]
	switch {
	case n == nil:
		return fuse.ENOENT
	case n.live == nil:
		return fuse.ENOTDIR
	case len(n.live) > 0:
		return fuse.Status(syscall.ENOTEMPTY)
	}
	n.links = 0
	b.fs.changed(change{folder, name, nil})
	return fuse.OK
}

func (b *bridge) Rename(_ <-chan struct{}, in *fuse.RenameIn, from, to string) fuse.Status {
	defer b.unlock()
	if !b.change() {
		return fuse.EIO
	}
	source, target := b.fs.nodes[in.NodeId], b.fs.nodes[in.Newdir]
	n, replaced := source.live[from], target.live[to]
	switch {
	case in.Flags&^renameNoReplace != 0:
		return fuse.EINVAL
	case n == nil:
		return fuse.ENOENT
	case n == replaced:
		return fuse.OK
	case replaced != nil && in.Flags&renameNoReplace != 0:
		return fuse.Status(syscall.EEXIST)
	case replaced != nil && len(replaced.live) > 0:
		return fuse.Status(syscall.ENOTEMPTY)
	}
	if replaced != nil {
		replaced.links--
	}
	b.fs.changed(change{source, from, nil}, change{target, to, n})
	return fuse.OK
}

func (b *bridge) OpenDir(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	defer b.unlock()
	if !b.read() {
		return fuse.EIO
	}
	b.lastListing++
	out.Fh = b.lastListing
	return fuse.OK
}

func (b *bridge) ReleaseDir(in *fuse.ReleaseIn) {
	b.fs.mu.Lock()
	defer b.unlock()
	delete(b.listings, in.Fh)
}

// ReadDir returns the entries of the time when offset was 0, so that a program may
// remove what it lists.
func (b *bridge) ReadDir(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	defer b.unlock()
	if !b.read() {
		return fuse.EIO
	}
	if in.Offset == 0 {
		b.listings[in.Fh] = b.fs.nodes[in.NodeId].list()
	}
	for _, e := range b.listings[in.Fh][min(in.Offset, uint64(len(b.listings[in.Fh]))):] {
		if !out.AddDirEntry(e) {
			break
		}
	}
	return fuse.OK
}

func (n *node) list() []fuse.DirEntry {
	var all []fuse.DirEntry
	for _, name := range slices.Sorted(maps.Keys(n.live)) {
		child := n.live[name]
		all = append(all, fuse.DirEntry{Name: name, Mode: child.mode, Ino: child.id, Off: uint64(len(all) + 1)})
	}
	return all
}

func (b *bridge) FsyncDir(_ <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	if !b.wait() {
		return fuse.EIO
	}
	defer b.unlock()
	if !b.change() {
		return fuse.EIO
	}
	b.fs.syncFolder(b.fs.nodes[in.NodeId])
	return fuse.OK
}
