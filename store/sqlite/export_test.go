package sqlite

// HasWriter reports whether somebody has the turn to write.
func (s *Store) HasWriter() bool { return len(s.writer) > 0 }
