package powercut

import "math/rand/v2"

const (
	pageSize   = 4096
	sectorSize = 512
	sectors    = pageSize / sectorSize
)

type page [pageSize]byte

// file is the content of a regular file: what programs see, and what the disk has.
// A page that both have is one value, which is copied before it is written to. A nil
// page is of zeros.
type file struct {
	live, disk         []*page
	liveSize, diskSize int64
	dirty              map[int]struct{} // the live pages that the disk does not have
	// truncated says that the disk has not seen a truncation, and cut is the smallest
	// size since.
	truncated bool
	cut       int64
	changed   bool // the disk's content, since it was loaded
}

func pagesOf(size int64) int { return int((size + pageSize - 1) / pageSize) }

func (f *file) pending() bool {
	return len(f.dirty) > 0 || f.truncated || f.liveSize != f.diskSize
}

func (f *file) read(to []byte, offset int64) int {
	if offset >= f.liveSize {
		return 0
	}
	to = to[:min(int64(len(to)), f.liveSize-offset)]
	for done := 0; done < len(to); {
		at := offset + int64(done)
		rest := to[done:min(len(to), done+pageSize-int(at%pageSize))]
		if p := f.live[at/pageSize]; p != nil {
			copy(rest, p[at%pageSize:])
		} else {
			clear(rest)
		}
		done += len(rest)
	}
	return len(to)
}

func (f *file) write(data []byte, offset int64) {
	f.grow(max(f.liveSize, offset+int64(len(data))))
	for len(data) > 0 {
		n := copy(f.own(int(offset / pageSize))[offset%pageSize:], data)
		data, offset = data[n:], offset+int64(n)
	}
}

// own returns a live page to write to.
func (f *file) own(i int) *page {
	if _, ok := f.dirty[i]; ok && f.live[i] != nil {
		return f.live[i]
	}
	p := new(page)
	if f.live[i] != nil {
		*p = *f.live[i]
	}
	f.live[i] = p
	f.mark(i)
	return p
}

func (f *file) mark(i int) {
	if f.dirty == nil {
		f.dirty = make(map[int]struct{})
	}
	f.dirty[i] = struct{}{}
}

func (f *file) grow(size int64) {
	if n := pagesOf(size) - len(f.live); n > 0 {
		f.live = append(f.live, make([]*page, n)...)
	}
	f.liveSize = size
}

func (f *file) truncate(size int64) {
	if size >= f.liveSize {
		f.grow(size)
		return
	}
	if size < f.diskSize && (!f.truncated || size < f.cut) {
		f.truncated, f.cut = true, size
	}
	for i := range f.dirty {
		if i >= pagesOf(size) {
			delete(f.dirty, i)
		}
	}
	clear(f.live[pagesOf(size):])
	f.live = f.live[:pagesOf(size)]
	f.liveSize = size
	if rest := size % pageSize; rest > 0 && f.live[size/pageSize] != nil {
		clear(f.own(int(size / pageSize))[rest:])
	}
}

// sync carries all to the disk.
func (f *file) sync() {
	if !f.pending() {
		return
	}
	f.syncCut()
	for i := range f.dirty {
		f.carry(i)
	}
	f.setDiskSize(f.liveSize)
}

// syncCut carries the truncation to the disk.
func (f *file) syncCut() {
	if !f.truncated {
		return
	}
	f.truncated, f.changed = false, true
	size := min(f.cut, f.diskSize)
	clear(f.disk[pagesOf(size):])
	f.disk = f.disk[:pagesOf(size)]
	f.diskSize = size
	if i, rest := size/pageSize, size%pageSize; rest > 0 && f.disk[i] != nil {
		p := *f.disk[i]
		clear(p[rest:])
		f.disk[i] = &p
		f.mark(int(i)) // the live page is another one now
	}
}

func (f *file) setDiskSize(size int64) {
	f.changed = true
	if n := pagesOf(size) - len(f.disk); n > 0 {
		f.disk = append(f.disk, make([]*page, n)...)
	}
	f.diskSize = size
}

// carry writes a live page to the disk.
func (f *file) carry(i int) {
	f.syncCut()
	f.setDiskSize(max(f.diskSize, min(f.liveSize, int64(i+1)*pageSize)))
	f.disk[i] = f.live[i]
	delete(f.dirty, i)
}

// tear writes a part of the sectors of a live page to the disk, neither none nor all
// of them.
func (f *file) tear(i int, random *rand.Rand) {
	f.syncCut()
	f.setDiskSize(max(f.diskSize, min(f.liveSize, int64(i+1)*pageSize)))
	p := new(page)
	if f.disk[i] != nil {
		*p = *f.disk[i]
	}
	kept := 1 + random.IntN(1<<sectors-2)
	for s := range sectors {
		if kept&(1<<s) != 0 {
			copy(p[s*sectorSize:(s+1)*sectorSize], f.live[i][s*sectorSize:])
		}
	}
	f.disk[i] = p
}
