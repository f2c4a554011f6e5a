package powercut

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
)

// load returns a file system with the files of backing, all of them on the disk.
func load(backing string, opts Options) (*FS, error) {
	f := &FS{
		backing: filepath.Clean(backing), opts: opts, nodes: make(map[uint64]*node), pending: make(map[*node]struct{}),
		random: rand.New(rand.NewPCG(rand.Uint64(), 0)),
	}
	root, err := f.loadNode("")
	if err != nil {
		return nil, err
	}
	if root.live == nil {
		return nil, fmt.Errorf("%s is not a folder", backing)
	}
	f.root, root.known = root, 1
	f.nodes[root.id] = root
	return f, nil
}

// loadNode loads what is at a path below backing.
func (f *FS) loadNode(path string) (*node, error) {
	at := filepath.Join(f.backing, path)
	var stat syscall.Stat_t
	if err := syscall.Lstat(at, &stat); err != nil {
		return nil, &fs.PathError{Op: "lstat", Path: at, Err: err}
	}
	n := f.newNode(stat.Mode, stat.Uid, stat.Gid)
	switch stat.Mode & syscall.S_IFMT {
	case syscall.S_IFDIR:
		entries, err := os.ReadDir(at)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			child, err := f.loadNode(filepath.Join(path, e.Name()))
			if err != nil {
				return nil, err
			}
			n.live[e.Name()], n.disk[e.Name()] = child, child
		}
	case syscall.S_IFLNK:
		target, err := os.Readlink(at)
		if err != nil {
			return nil, err
		}
		n.target = target
	case syscall.S_IFREG:
		content, err := os.ReadFile(at)
		if err != nil {
			return nil, err
		}
		n.file.write(content, 0)
		n.file.sync()
		n.file.changed, n.loaded = false, path
	default:
		return nil, fmt.Errorf("%s is neither a file nor a folder nor a symbolic link", at)
	}
	return n, nil
}

// save gives the backing folder the files of the disk. Those that have not changed
// are taken over from it.
func (f *FS) save() error {
	next := f.backing + ".next"
	if err := f.saveNode(f.root, next, make(map[*node]string)); err != nil {
		return fmt.Errorf("write the disk to %s: %w", f.backing, err)
	}
	if err := os.RemoveAll(f.backing); err != nil {
		return err
	}
	return os.Rename(next, f.backing)
}

func (f *FS) saveNode(n *node, to string, saved map[*node]string) error {
	if first, ok := saved[n]; ok {
		return os.Link(first, to)
	}
	saved[n] = to
	switch {
	case n.disk != nil:
		if err := os.Mkdir(to, 0o700); err != nil {
			return err
		}
		for name, child := range n.disk {
			if err := f.saveNode(child, filepath.Join(to, name), saved); err != nil {
				return err
			}
		}
	case n.target != "":
		if err := os.Symlink(n.target, to); err != nil {
			return err
		}
		return os.Lchown(to, int(n.uid), int(n.gid))
	case n.loaded != "" && !n.file.changed:
		if err := os.Link(filepath.Join(f.backing, n.loaded), to); err != nil {
			return err
		}
	default:
		if err := n.file.save(to); err != nil {
			return err
		}
	}
	if err := os.Chown(to, int(n.uid), int(n.gid)); err != nil {
		return err
	}
	return syscall.Chmod(to, n.mode&0o7777)
}

// save writes what the disk has.
func (f *file) save(to string) error {
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	for i, p := range f.disk {
		if p == nil {
			continue
		}
		offset := int64(i) * pageSize
		if _, err := out.WriteAt(p[:min(pageSize, f.diskSize-offset)], offset); err != nil {
			return err
		}
	}
	if err := out.Truncate(f.diskSize); err != nil {
		return err
	}
	return out.Close()
}
