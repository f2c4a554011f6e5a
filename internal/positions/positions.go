// Package positions looks at lists of positions.
package positions

// Consecutive reports whether each position is the one before plus 1. Then the
// first and the last say which they are.
func Consecutive(positions []int64) bool {
	for i := range positions {
		if positions[i] != positions[0]+int64(i) {
			return false
		}
	}
	return true
}
