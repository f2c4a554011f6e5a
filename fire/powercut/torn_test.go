package powercut_test

import (
	"bytes"
	"testing"

	"github.com/eventus-go/eventus/fire/powercut"
)

const (
	sector = 512
	onPage = 4096
)

func TestPagesAreTornBySectorsAndReordered(t *testing.T) {
	const pages = 8
	torn, reordered := 0, 0
	for seed := range uint64(60) {
		m := mount(t, powercut.Options{})
		f := m.create("a", bytes.Repeat([]byte("o"), pages*onPage))
		m.sync("a")
		m.sync(".")
		for i := range pages { // the first page first
			if _, err := f.WriteAt(bytes.Repeat([]byte("n"), onPage), int64(i)*onPage); err != nil {
				t.Fatal(err)
			}
		}
		report := m.cut(seed)
		content := m.onDisk("a")
		seen, lost := 0, false
		for i := range pages {
			page := content[i*onPage : (i+1)*onPage]
			switch fresh := newSectors(t, page); {
			case fresh == 0:
				lost = true
			case fresh < onPage/sector:
				seen++
			case lost:
				reordered++
			}
		}
		if seen != report.PagesTorn {
			t.Errorf("seed %d: %d pages are torn, and the report says %d", seed, seen, report.PagesTorn)
		}
		torn += seen
		m.close()
	}
	if torn == 0 || reordered == 0 {
		t.Errorf("in 60 cuts %d pages were torn, and %d were kept after one that was lost", torn, reordered)
	}
}

// newSectors counts those that were written last, and fails if one is mixed.
func newSectors(t *testing.T, page []byte) int {
	t.Helper()
	n := 0
	for s := range onPage / sector {
		switch fresh := bytes.Count(page[s*sector:(s+1)*sector], []byte("n")); fresh {
		case 0:
		case sector:
			n++
		default:
			t.Fatalf("a sector has %d bytes of the later write", fresh)
		}
	}
	return n
}

func TestATruncationIsLostOrKept(t *testing.T) {
	lost, kept := 0, 0
	for seed := range uint64(40) {
		m := mount(t, powercut.Options{})
		f := m.create("a", bytes.Repeat([]byte("o"), 3*onPage))
		m.sync("a")
		m.sync(".")
		if err := f.Truncate(100); err != nil {
			t.Fatal(err)
		}
		if err := f.Truncate(2 * onPage); err != nil {
			t.Fatal(err)
		}
		m.cut(seed)
		switch content := m.onDisk("a"); {
		case len(content) == 3*onPage && bytes.Count(content, []byte("o")) == 3*onPage:
			lost++
		case len(content) <= 2*onPage && bytes.Count(content, []byte("o")) == 100:
			kept++
		default:
			t.Fatalf("seed %d: the disk has %d bytes, %d of them of the time before", seed, len(content), bytes.Count(content, []byte("o")))
		}
		m.close()
	}
	if lost == 0 || kept == 0 {
		t.Errorf("of 40 truncations %d were lost and %d kept", lost, kept)
	}
}
