package powercut

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestAFileIsAFile compares a file with a slice of bytes, through writes, truncations,
// writebacks and syncs at random. What is read is the slice, and after a sync so is
// what is on the disk.
func TestAFileIsAFile(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 0))
		var f file
		var want []byte
		for range 60 {
			size := random.IntN(5 * pageSize)
			switch random.IntN(8) {
			case 0, 1, 2, 3:
				data := bytes.Repeat([]byte{byte(1 + random.IntN(255))}, 1+random.IntN(2*pageSize))
				f.write(data, int64(size))
				if end := size + len(data); end > len(want) {
					want = append(want, make([]byte, end-len(want))...)
				}
				copy(want[size:], data)
			case 4, 5:
				f.truncate(int64(size))
				if size < len(want) {
					want = want[:size:size]
				} else {
					want = append(want, make([]byte, size-len(want))...)
				}
			case 6:
				for _, i := range slices.Sorted(maps.Keys(f.dirty)) {
					if random.IntN(2) == 0 {
						f.carry(i)
					}
				}
			case 7:
				f.sync()
				if got := saved(t, &f); !bytes.Equal(got, want) {
					t.Fatalf("seed %d: after a sync the disk has %d bytes that differ from the %d written", seed, len(got), len(want))
				}
			}
			got := make([]byte, len(want)+10)
			if n := f.read(got, 0); n != len(want) || !bytes.Equal(got[:n], want) {
				t.Fatalf("seed %d: read %d bytes that differ from the %d written", seed, n, len(want))
			}
		}
	}
}

// TestOnlyDirtyPagesDiffer looks at what a cut relies on: a page that is not dirty is
// the same on the disk, but for the truncation that is to come.
func TestOnlyDirtyPagesDiffer(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 0))
		var f file
		for range 60 {
			size := int64(random.IntN(5 * pageSize))
			switch random.IntN(5) {
			case 0, 1:
				f.write(bytes.Repeat([]byte{byte(1 + random.IntN(255))}, 1+random.IntN(2*pageSize)), size)
			case 2:
				f.truncate(size)
			case 3:
				for i := range f.dirty {
					f.carry(i)
					break
				}
			case 4:
				f.sync()
			}
			if f.truncated {
				continue
			}
			for i, p := range f.live {
				if _, dirty := f.dirty[i]; !dirty && content(f.disk, i) != content(f.live, i) {
					t.Fatalf("seed %d: page %d (%p) is not dirty, and differs on the disk", seed, i, p)
				}
			}
		}
	}
}

func content(pages []*page, i int) page {
	if i >= len(pages) || pages[i] == nil {
		return page{}
	}
	return *pages[i]
}

func saved(t *testing.T, f *file) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f")
	if err := f.save(path); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
