package consume

import "github.com/eventus-go/eventus/store"

// reached is where a segment of this process stands.
type reached struct {
	move     int64 // the one that took it there
	position int64 // up to which all is committed
	segments int   // of the consumer
	parked   bool  // the consumer may have parked streams
}

// tell notes where a segment stands and wakes those who wait for it.
func (f *Follower[Tx]) tell(segment int, r reached) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.moves++
	r.move = f.moves
	f.here[segment] = r
	close(f.moved)
	f.moved = make(chan struct{})
}

// forget drops a segment that this process works on no more.
func (f *Follower[Tx]) forget(segment int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.here, segment)
}

// lastMove returns the number of the last move of a segment of this process.
func (f *Follower[Tx]) lastMove() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.moves
}

// has reports whether the message of a stream at a position is handled, as far as
// this process knows without a look at the database. It must have come there after
// a move: what was so before may have been taken back by a rebuild.
func (f *Follower[Tx]) has(s store.Stream, position, after int64) bool {
	if f.routes[s.Category] == nil {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for segment, r := range f.here {
		if segmentOf(hash(s), r.segments) == segment {
			return !r.parked && r.position >= position && r.move > after
		}
	}
	return false
}

// progressed returns a channel that is closed when a segment of this process
// moves.
func (f *Follower[Tx]) progressed() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.moved
}

// expectation is a call of Wait for the version of a stream.
type expectation struct {
	stream  store.Stream
	version int64
	met     chan struct{} // closed when this process has handled it
}

// expect returns an expectation, which unexpect takes back.
func (f *Follower[Tx]) expect(s store.Stream, version int64) *expectation {
	e := &expectation{s, version, make(chan struct{})}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.expected == nil {
		f.expected = make(map[*expectation]struct{})
	}
	f.expected[e] = struct{}{}
	return e
}

func (f *Follower[Tx]) unexpect(e *expectation) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.expected, e)
}

// worksOn reports whether this process works on the segment of a stream, and no
// stream of it is parked.
func (f *Follower[Tx]) worksOn(s store.Stream) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for segment, r := range f.here {
		if segmentOf(hash(s), r.segments) == segment {
			return !r.parked
		}
	}
	return false
}

// handled meets the expectations of messages that were handled. With a message
// all those before it in its stream are.
func (f *Follower[Tx]) handled(items []item[Tx], parked map[store.Stream]bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.expected) == 0 {
		return
	}
	versions := make(map[store.Stream]int64, len(items))
	for i := range items {
		if it := &items[i]; !parked[it.Stream] {
			versions[it.Stream] = it.Version
		}
	}
	for e := range f.expected {
		if versions[e.stream] >= e.version {
			close(e.met)
			delete(f.expected, e)
		}
	}
}
