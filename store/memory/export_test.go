package memory

import "maps"

// Rewind loses all events after a position, and nothing else.
func (s *Store) Rewind(after int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log, s.published = s.log[:after], s.published[:after]
	s.head = min(s.head, int(after))
	maps.DeleteFunc(s.refusals, func(p int64, _ refusal) bool { return p > after })
	for stream, places := range s.streams {
		for len(places) > 0 && places[len(places)-1] >= int(after) {
			places = places[:len(places)-1]
		}
		s.streams[stream] = places
	}
}
