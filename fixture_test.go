package eventus_test

import (
	"errors"

	"github.com/eventus-go/eventus"
)

// The aggregate of these tests: a counter, so that a lost or doubled event shows
// in a number.

type counted struct {
	Total int64            `json:"total"`
	Notes map[string]int64 `json:"notes,omitempty"`
}

type countEvent interface{ eventus.Event[counted] }

type added struct {
	By   int64  `json:"by"`
	Note string `json:"note,omitempty"`
}

type cleared struct{}

func (e added) Apply(s *counted) {
	s.Total += e.By
	if e.Note == "" {
		return
	}
	if s.Notes == nil {
		s.Notes = make(map[string]int64)
	}
	s.Notes[e.Note] += e.By
}

func (cleared) Apply(s *counted) { *s = counted{} }

type counter struct {
	eventus.Aggregate[counted, countEvent]
}

var errOdd = errors.New("odd")

func (c *counter) Add(by int64) error {
	if by%2 != 0 {
		return errOdd
	}
	c.Record(added{By: by})
	return nil
}

func (c *counter) Clear() error {
	if c.State().Total != 0 {
		c.Record(cleared{})
	}
	return nil
}

// versionOf returns the version of what an update has returned, 0 with an error.
func versionOf(c *counter, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return c.Version(), nil
}

var counters = eventus.Define("counter", eventus.New[counter],
	eventus.Type[added]("counter.added"),
	eventus.Type[cleared]("counter.cleared"),
)
