package power

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/eventus-go/eventus/store"
)

const category = "power"

// payload is the data of an event, which its id decides: 0 to 6 KB, so that events
// lie across pages.
func payload(id string) []byte {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(id))
	random := rand.New(rand.NewPCG(hash.Sum64(), 0))
	size := random.IntN(300)
	if random.IntN(10) == 0 {
		size = random.IntN(6000)
	}
	data := make([]byte, size)
	for i := range data {
		data[i] = byte('a' + random.IntN(26))
	}
	return fmt.Appendf(nil, `{"id":%q,"rest":%q}`, id, data)
}

func newEvents(n int) []store.Event {
	events := make([]store.Event, n)
	for i := range events {
		id := fmt.Sprintf("%016x", rand.Uint64())
		events[i] = store.Event{ID: id, Type: "noted", ContentType: "application/json", Data: payload(id), Time: time.Now()}
	}
	return events
}

// ledger is what a store has acknowledged.
type ledger struct {
	events          map[store.Stream]map[int64]string // ids
	marking, marked map[int64]bool                    // positions, before and after the call
}

func newLedger() *ledger {
	return &ledger{events: make(map[store.Stream]map[int64]string), marking: make(map[int64]bool), marked: make(map[int64]bool)}
}

func (l *ledger) append(s store.Stream, version int64, ids []string) {
	if l.events[s] == nil {
		l.events[s] = make(map[int64]string)
	}
	for i, id := range ids {
		l.events[s][version-int64(len(ids)-1-i)] = id
	}
}

// read notes a line of a child.
func (l *ledger) read(line string) error {
	words := strings.Fields(line)
	var number int64
	if len(words) < 2 {
		return fmt.Errorf("the child said %q", line)
	}
	if _, err := fmt.Sscan(words[1], &number); err != nil {
		return fmt.Errorf("the child said %q: %w", line, err)
	}
	switch words[0] {
	case "appended":
		l.append(store.Stream{Category: category, ID: words[2]}, number, words[3:])
	case "marking":
		l.marking[number] = true
	case "marked":
		l.marked[number] = true
	}
	return nil
}

// durable is what is looked at after a cut.
type durable interface {
	store.Store
	store.Log
	store.Outbox
	store.Damageable
}

// check compares a store with what it has acknowledged, and counts that.
func (t *trial) check(s durable, l *ledger) {
	t.Helper()
	ctx := context.Background()
	log := make(map[int64]store.Message)
	found := make(map[store.Stream]map[int64]string)
	for after := int64(0); ; {
		page, err := s.ReadAll(ctx, after, 1000)
		if err != nil {
			t.lose("%v", err)
			return
		}
		if len(page) == 0 {
			break
		}
		for _, m := range page {
			after = m.Position
			log[m.Position] = m
			if found[m.Stream] == nil {
				found[m.Stream] = make(map[int64]string)
			}
			if m.Version != int64(len(found[m.Stream])+1) {
				t.lose("%s: version %d stands where %d belongs", m.Stream, m.Version, len(found[m.Stream])+1)
			}
			found[m.Stream][m.Version] = m.ID
			if string(m.Data) != string(payload(m.ID)) {
				t.lose("%s: version %d has other data than it was given", m.Stream, m.Version)
			}
		}
	}
	if damage := s.Damage(); damage != nil {
		t.lose("%v", damage)
	}
	for stream, versions := range l.events {
		for version, id := range versions {
			if found[stream][version] != id {
				t.lose("%s: version %d was acknowledged with the id %s, and has %q", stream, version, id, found[stream][version])
			}
		}
	}
	t.checkOutbox(s, l, log)
}

func (t *trial) checkOutbox(s durable, l *ledger, log map[int64]store.Message) {
	t.Helper()
	waiting := make(map[int64]bool)
	for after := int64(0); ; {
		page, next, err := s.Unpublished(context.Background(), after, 1000)
		if err != nil {
			t.lose("%v", err)
			return
		}
		if len(page) == 0 {
			break
		}
		for _, m := range page {
			waiting[m.Position] = true
			if log[m.Position].ID != m.ID {
				t.lose("position %d of the outbox is no event of the log", m.Position)
			}
		}
		after = next
	}
	for position := range log {
		if !waiting[position] && !l.marking[position] {
			t.lose("position %d was never marked and is not in the outbox", position)
		}
		if waiting[position] && l.marked[position] {
			t.lose("position %d was marked as published, and is in the outbox", position)
		}
	}
}

// count is how many events and marks were acknowledged.
func (l *ledger) count() int {
	n := len(l.marked)
	for _, versions := range l.events {
		n += len(versions)
	}
	return n
}
