package powercut_test

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/eventus-go/eventus/fire/powercut"
)

// cutsToFind is within how many cuts each fault of a writer is found.
const cutsToFind = 20

// TestABrokenWriterIsFound has a store of numbers, which appends each number to a
// file and acknowledges it. With a fault it loses an acknowledged number within 20
// cuts; without one it never does.
func TestABrokenWriterIsFound(t *testing.T) {
	for _, v := range []struct {
		name   string
		writer numbers
		sound  bool
	}{
		{"sound", numbers{syncFolder: true, syncEvery: 1}, true},
		{"it never syncs", numbers{syncFolder: true}, false},
		{"it acknowledges before it syncs", numbers{syncFolder: true, syncEvery: 1, ackFirst: true}, false},
		{"it syncs every other number", numbers{syncFolder: true, syncEvery: 2}, false},
		{"it does not sync the folder", numbers{syncEvery: 1}, false},
	} {
		t.Run(v.name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, 0))
			found := 0
			for cut := 1; cut <= cutsToFind && found == 0; cut++ {
				m := mount(t, powercut.Options{})
				acknowledged := v.writer.run(m, 2+random.IntN(30), random.Uint64())
				if stored := countNumbers(m.onDisk("numbers")); stored < acknowledged {
					t.Logf("cut %d: %d numbers were acknowledged, %d are there", cut, acknowledged, stored)
					found = cut
				}
				m.close()
			}
			if (found == 0) != v.sound {
				t.Errorf("found by cut %d of %d", found, cutsToFind)
			}
		})
	}
}

type numbers struct {
	syncFolder bool
	syncEvery  int
	ackFirst   bool
}

// run writes numbers until the power is cut, and returns how many it acknowledged.
func (w numbers) run(m *mounted, cutAfter int, seed uint64) (acknowledged int) {
	f := m.create("numbers", nil)
	if w.syncFolder {
		m.sync(".")
	}
	m.CutAfter(cutAfter, seed)
	for n := uint64(1); ; n++ {
		if _, err := f.Write(binary.BigEndian.AppendUint64(nil, n)); err != nil {
			return acknowledged
		}
		if w.ackFirst {
			acknowledged++
		}
		if w.syncEvery > 0 && n%uint64(w.syncEvery) == 0 {
			if err := f.Sync(); err != nil {
				return acknowledged
			}
		}
		if !w.ackFirst {
			acknowledged++
		}
	}
}

// countNumbers counts the numbers 1, 2, ... up to the first that is not there.
func countNumbers(content []byte) int {
	n := 0
	for ; len(content) >= 8 && binary.BigEndian.Uint64(content) == uint64(n+1); n++ {
		content = content[8:]
	}
	return n
}
