package powercut

import "time"

// node is a file, a folder or a symbolic link.
type node struct {
	id       uint64
	mode     uint32 // as in struct stat
	uid, gid uint32
	links    uint32
	modified time.Time

	file   file   // of a regular file
	target string // of a symbolic link
	loaded string // where the backing folder has it, "" if it does not
	// Of a folder: what programs see, and what the disk has.
	live, disk map[string]*node

	known uint64 // how often the kernel holds it
}

// change is that of one entry of a folder. A nil to removes it.
type change struct {
	folder *node
	name   string
	to     *node
}

type key struct {
	folder *node
	name   string
}

func (c change) key() key { return key{c.folder, c.name} }

// operation is what changes names, as a whole or not at all.
type operation struct {
	changes []change
	time    time.Time
}

func (o operation) touches(n *node) bool {
	for _, c := range o.changes {
		if c.folder == n || c.to == n {
			return true
		}
	}
	return false
}

func (o operation) carry() {
	for _, c := range o.changes {
		if c.to == nil {
			delete(c.folder.disk, c.name)
		} else {
			c.folder.disk[c.name] = c.to
		}
	}
}
