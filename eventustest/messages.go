package eventustest

import (
	"fmt"
	"testing"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/store"
)

// ID is the id of the aggregate in every scenario that names no other. It has the
// form of a UUID, as the ids of many services have.
const ID = "00000000-0000-7000-8000-000000000000"

// Source is a table of events: a definition, or one of [eventus.Foreign].
type Source[E any] interface {
	Stream(id string) eventus.Stream
	Encode(event E) (store.Event, error)
	Decode(m store.Message) (typed eventus.Message[E], known bool, err error)
}

// messages makes the messages of a scenario, as a store and a broker would.
type messages[E any] struct {
	t      testing.TB
	source Source[E]
	id     string
	at     time.Time
	last   map[string]int64 // version, by id
	count  int64
}

func newMessages[E any](t testing.TB, source Source[E]) messages[E] {
	return messages[E]{t: t, source: source, id: ID, at: startOfTime(), last: make(map[string]int64)}
}

// typed returns the next message of the aggregate with an event, which takes the
// way through the codec.
func (ms *messages[E]) typed(event E) eventus.Message[E] {
	ms.t.Helper()
	encoded, err := ms.source.Encode(event)
	if err != nil {
		ms.t.Fatalf("an event cannot be stored: %v", err)
	}
	m := ms.stored(encoded.Type, encoded.ContentType, encoded.Data)
	if d := lost(event, m.Event); d != "" {
		ms.t.Fatal(broken(lawStored, "%s loses something when it is stored\n%s", encoded.Type, d).Error())
	}
	return m
}

// stored returns the next message of the aggregate with stored data.
func (ms *messages[E]) stored(name, contentType string, data []byte) eventus.Message[E] {
	ms.t.Helper()
	ms.last[ms.id]++
	ms.count++
	m, known, err := ms.source.Decode(store.Message{
		Event:    store.Event{ID: fmt.Sprintf("message-%d", ms.count), Type: name, ContentType: contentType, Data: data, Time: ms.at},
		Stream:   ms.source.Stream(ms.id),
		Version:  ms.last[ms.id],
		Position: ms.count,
	})
	if err != nil {
		ms.t.Fatalf("a message cannot be read: %v", err)
	}
	if !known {
		ms.t.Fatalf("a message of the type %q passes by: the table does not know it", name)
	}
	return m
}
