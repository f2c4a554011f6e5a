package positions_test

import (
	"testing"

	"github.com/eventus-go/eventus/internal/positions"
)

func TestConsecutive(t *testing.T) {
	for _, c := range []struct {
		positions []int64
		want      bool
	}{
		{nil, true}, {[]int64{7}, true}, {[]int64{7, 8, 9}, true},
		{[]int64{7, 9}, false}, {[]int64{7, 7}, false}, {[]int64{8, 7}, false}, {[]int64{7, 9, 9}, false},
	} {
		if got := positions.Consecutive(c.positions); got != c.want {
			t.Errorf("%v: got %v", c.positions, got)
		}
	}
}
