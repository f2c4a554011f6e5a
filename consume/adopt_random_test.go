package consume_test

import (
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/eventus-go/eventus/store"
)

func TestAdoptedConsumersGoOnFromAnyState(t *testing.T) {
	t.Parallel()
	onSQLite, onPostgres := uint64(20), uint64(5)
	if testing.Short() {
		onSQLite, onPostgres = 4, 1
	}
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		for seed := range onSQLite {
			goOnFromAnyState(t, seed, beforeSQLite)
		}
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		for seed := range onPostgres {
			goOnFromAnyState(t, seed, beforePostgres)
		}
	})
}

func goOnFromAnyState[Tx any](t *testing.T, seed uint64, open before[Tx]) {
	t.Run(fmt.Sprint(seed), func(t *testing.T) {
		t.Parallel() // most of its time is waiting
		h := newHistory(rand.New(rand.NewPCG(seed, 0)))
		db := open(t, h.statements...)
		a := &adoption[Tx]{T: t, log: db, db: db}
		if h.random.IntN(3) == 0 {
			a.log = open(t, h.statements...)
			a.db = open(t, append(h.statements, `DELETE FROM event_store`)...)
		}
		rows, err := a.db.ListParked(t.Context(), store.ConsumerID{Name: "board"}, store.Stream{}, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range rows {
			hash := fnv.New32a()
			fmt.Fprintf(hash, "%s\x00%s", p.Stream.Category, p.Stream.ID)
			if p.Hash != hash.Sum32() {
				t.Errorf("the hash of %s is %d, want %d", p.Stream, p.Hash, hash.Sum32())
			}
		}
		f := a.run("board", orders, stocks)
		for stream := range h.marks {
			a.append(stream.Category, stream.ID)
		}
		a.settle(f, board, slices.Collect(maps.Keys(h.poison))...)
		a.exact("board", board, h.poison)
		a.ask("board", store.Redrive)
		a.drain("board")
		a.settle(f, board)
		a.exact("board", board, nil)
	})
}

// history is a log and how far a consumer of two categories has come in it.
type history struct {
	random     *rand.Rand
	statements []string               // that make it
	marks      map[store.Stream]int   // of each stream
	poison     map[store.Stream]int   // the marks of the streams with dead letters
	places     map[store.Stream][]int // of each stream's events in the log, from 1
	streams    []store.Stream
}

func newHistory(random *rand.Rand) *history {
	h := &history{random: random, marks: make(map[store.Stream]int), poison: make(map[store.Stream]int), places: make(map[store.Stream][]int)}
	for _, table := range []string{"event_store", "outbox", "inbox", "dead_letters", "effects"} {
		h.add(`DELETE FROM %s`, table)
	}
	for range 2 + random.IntN(8) {
		stream := streamOf(board[random.IntN(2)], randomID(random))
		h.streams = append(h.streams, stream)
	}
	length := 1 + random.IntN(40)
	for place := 1; place <= length; place++ {
		s := h.streams[random.IntN(len(h.streams))]
		h.places[s] = append(h.places[s], place)
		h.add(`INSERT INTO event_store (category, stream_id, version, event_id, type, content_type, data, time, correlation_id, causation_id, actor)
			VALUES ('%s', '%s', %d, 'event-%d', 'happened', 'application/json', {data}, {time}, '', '', '')`, s.Category, quoted(s), len(h.places[s]), place)
	}
	for _, category := range board {
		position := random.IntN(length + 1)
		h.add(`INSERT INTO inbox VALUES ('board', '%s', '', coalesce((SELECT position FROM event_store WHERE event_id = 'event-%d'), 0))`, category, position)
		for _, s := range slices.Sorted(maps.Keys(toNames(h.places, category))) {
			h.consume(streamOf(category, s), position)
		}
	}
	return h
}

// consume says what the consumer has done in a stream: all up to a position in the
// log, perhaps more, perhaps with a dead letter and later messages behind it.
func (h *history) consume(s store.Stream, position int) {
	total, seen := len(h.places[s]), 0
	for seen < total && h.places[s][seen] <= position {
		seen++
	}
	done := seen + h.random.IntN(total-seen+1)
	mark := done
	if done > 0 && h.random.IntN(3) == 0 {
		mark = h.random.IntN(done)
		h.poison[s] = mark
		for version := mark + 1; version <= done; version++ {
			h.add(`INSERT INTO dead_letters (consumer, position, category, stream_id, version, event_id, type, content_type, data, time,
				correlation_id, causation_id, actor, error, attempts, parked_at)
				VALUES ('board', 1, '%s', '%s', %d, 'event-%d', 'happened', 'application/json', {data}, {time}, '', '', '', 'never', 1, {time})`,
				s.Category, quoted(s), version, h.places[s][version-1])
		}
	}
	h.marks[s] = mark
	if mark > 0 || h.random.IntN(2) == 0 { // PostgreSQL keeps marks at 0 too
		h.add(`INSERT INTO inbox VALUES ('board', '%s', '%s', %d)`, s.Category, quoted(s), mark)
	}
	for version := 1; version <= mark; version++ {
		h.add(`INSERT INTO effects VALUES ('board', '%s', '%s', %d, 'event-%d')`, s.Category, quoted(s), version, h.places[s][version-1])
	}
}

func (h *history) add(format string, args ...any) {
	h.statements = append(h.statements, fmt.Sprintf(format, args...))
}

// toNames returns the ids of a category's streams.
func toNames(places map[store.Stream][]int, category string) map[string]bool {
	names := make(map[string]bool)
	for s := range places {
		if s.Category == category {
			names[s.ID] = true
		}
	}
	return names
}

func quoted(s store.Stream) string { return strings.ReplaceAll(s.ID, "'", "''") }

// randomID returns a stream's id of up to 60 runes of any plane.
func randomID(random *rand.Rand) string {
	var id strings.Builder
	for id.Len() == 0 || random.IntN(10) > 0 && id.Len() < 240 {
		r := rune(random.IntN([]int{0x80, 0x800, 0x10000, 0x110000}[random.IntN(4)]))
		if s := string(r); r >= ' ' && store.CheckName("id", s) == nil && r != 0xfffd {
			id.WriteString(s)
		}
	}
	return id.String()
}
