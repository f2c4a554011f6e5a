package impure

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
)

type Ordered struct {
	Set  map[string]int
	Rate map[string]float64
	Find string
}

func (e Ordered) Apply(s *State) { // want Apply:`impure`
	for k := range e.Set {
		s.Names = append(s.Names, k) // want `Apply lets the order of a map, which is random, into s.Names; range over slices.Sorted\(maps.Keys\(...\)\)`
	}
	for k := range e.Set {
		s.Name += k // want `into s.Name`
	}
	for _, f := range e.Rate {
		s.F += f // want `into s.F`
	}
	for k := range maps.Keys(e.Set) {
		s.Name = k // want `into s.Name`
	}
	var early []string
	slices.Sort(early)
	for k := range e.Set {
		early = append(early, k) // want `into early`
	}
	i := 0
	for k := range e.Set {
		s.ByName[k] = i // want `into s.ByName\[k\]`
		i++
	}
	for k := range e.Set {
		if len(s.ByName) < 3 {
			break // want `Apply leaves a loop over a map early, after elements that chance has chosen`
		}
		delete(s.ByName, k)
	}
	for k := range e.Set {
		if s.ByName[k]++; len(s.ByName) > 3 {
			break // want `leaves a loop over a map early`
		}
	}
	best := 0
	for k, v := range e.Set {
		if v > best {
			best = v
			s.Name = k // want `into s.Name`
		}
	}
	var b strings.Builder
	for k := range e.Set {
		b.WriteString(k)  // want `into b`
		fmt.Fprint(&b, k) // want `into b`
	}
	c := make(chan string, 9)
	for k := range e.Set {
		c <- k // want `into c`
	}
	s.Names = slices.Collect(maps.Keys(e.Set)) // want `collects a map, whose order is random, into s.Names; collect it by slices.Sorted`
	s.fill(e.Set)                              // want `Apply uses impure.State.fill, which lets the order of a map`
}

func (s *State) fill(m map[string]int) { // want fill:`impure`
	for k := range m {
		s.Names = append(s.Names, k)
	}
}

type Unordered struct{ Ordered }

func (e Unordered) Apply(s *State) {
	for k, v := range e.Set {
		s.ByName[k] = v
		s.ByName[strings.ToLower(k)] += v
		s.N += v
		s.N = s.N + v
		s.N++
		s.N = max(s.N, v)
		own := append([]string(nil), k)
		own[0] = k
		_ = own
	}
	for k := range e.Set {
		delete(s.ByName, k)
	}
	for k, inner := range s.Sets {
		for name := range inner {
			s.Sets[k][name] = true
		}
	}
	for range e.Set {
		s.Name = "not empty"
		break
	}
	for k, names := range s.Sets {
		for range 3 {
			break
		}
		delete(s.ByName, k)
		delete(names, k)
	}
	for range e.Set {
		if s.N++; s.N > 3 {
			break // the number is the same, whichever they were
		}
	}
	s.Name = count(e.Set)
	_ = gather(nil, e.Set)
	found := false
	for k, v := range e.Set {
		if k == e.Find {
			s.N, found = v, true
			break
		}
	}
	if best := s.N; found {
		for _, v := range e.Set {
			if v < best {
				best = v
			}
		}
		s.N = best
	}
	for range e.Set {
		s.Name = "the same"
	}
	var keys []string
	for k := range e.Set {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	s.Names = keys
	s.Names = slices.Sorted(maps.Keys(e.Set))
	all := slices.Collect(maps.Keys(e.Set))
	slices.Sort(all)
	s.Names = append(s.Names, all...)
	for _, k := range sorted(e.Set) {
		s.Names = append(s.Names, k)
	}
	for _, name := range s.Names {
		s.Name += name
	}
}

func sorted(m map[string]int) []string {
	keys := collect(m)
	sort.Strings(keys)
	return keys
}

func count(m map[string]int) string {
	var b strings.Builder
	for range m {
		b.WriteString(".")
	}
	keys := slices.Collect(maps.Keys(m))
	return b.String() + strings.Repeat(".", len(keys))
}

func gather(into []string, m map[string]int) []string {
	for k := range m {
		into = append(into, k)
	}
	return into
}

func collect(m map[string]int) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	return keys
}
