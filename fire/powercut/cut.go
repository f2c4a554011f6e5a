package powercut

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
)

// Report is what a cut found that was not synced, and what became of it.
type Report struct {
	Pages, PagesLost, PagesTorn int // pages of files; a torn one is not lost
	Names, NamesLost            int // operations on names
}

func (r Report) String() string {
	return fmt.Sprintf("of %d pages not synced %d lost and %d torn, of %d changes of names %d lost", r.Pages, r.PagesLost, r.PagesTorn, r.Names, r.NamesLost)
}

// Cut cuts the power now. The seed chooses what is lost of that which was not synced:
// in one of four cuts all of it. A second cut does nothing.
func (f *FS) Cut(seed uint64) (Report, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.off.Load() {
		return Report{}, f.err
	}
	return f.cutNow(seed), f.err
}

// CutAfter cuts the power before the n-th operation from now on that changes
// something: a write, a truncation, a change of names, an fsync. So a cut falls
// between any two of them, however close they are. The channel gets the report then.
// A cut that comes before by Cut or Close takes its place, and the channel gets
// nothing.
func (f *FS) CutAfter(n int, seed uint64) <-chan Report {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fuse, f.seed, f.cut = n, seed, make(chan Report, 1)
	return f.cut
}

// cutNow is called with mu held.
func (f *FS) cutNow(seed uint64) Report {
	random := rand.New(rand.NewPCG(seed, 0))
	report := f.lose(random)
	f.turnOff()
	if f.cut != nil && f.fuse == 0 {
		f.cut <- report
	}
	f.fuse = 0
	return report
}

// turnOff ends it all. What is in memory then goes, though others may hold f.
func (f *FS) turnOff() {
	f.off.Store(true)
	f.err = f.save()
	f.root, f.nodes, f.pending, f.journal = nil, nil, nil, journal{}
}

// lose carries a random part of what was not synced to the disk.
func (f *FS) lose(random *rand.Rand) Report {
	f.commitOld()
	var report Report
	keep, tear := 0.0, 0.0 // probabilities for a page
	switch random.IntN(4) {
	case 0:
	case 1:
		keep = random.Float64()
	default:
		keep, tear = random.Float64(), random.Float64()
	}
	report.Names = len(f.journal.operations)
	if keep > 0 {
		report.NamesLost = report.Names - f.keepNames(random, keep)
	} else {
		report.NamesLost = report.Names
	}
	// In an order that the seed alone decides.
	for _, n := range slices.SortedFunc(maps.Keys(f.pending), func(a, b *node) int { return int(a.id) - int(b.id) }) {
		c := &n.file
		if c.truncated && random.Float64() < keep {
			c.syncCut()
		}
		for _, i := range slices.Sorted(maps.Keys(c.dirty)) {
			report.Pages++
			switch p := random.Float64(); {
			case p >= keep:
				report.PagesLost++
			case random.Float64() < tear:
				c.tear(i, random)
				report.PagesTorn++
			default:
				c.carry(i)
			}
		}
		if !c.truncated && c.liveSize > c.diskSize && random.Float64() < keep/2 {
			c.setDiskSize(c.liveSize)
		}
	}
	return report
}

// keepNames carries some of the operations on names, and returns how many.
func (f *FS) keepNames(random *rand.Rand, keep float64) int {
	if f.opts.Names == ByJournal {
		n := random.IntN(len(f.journal.operations) + 1)
		f.journal.carryFirst(n)
		return n
	}
	return f.journal.carrySome(func(operation) bool { return random.Float64() < keep })
}
