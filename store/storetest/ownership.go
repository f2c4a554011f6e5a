package storetest

import (
	"testing"

	"github.com/eventus-go/eventus/store"
)

// spoil overwrites everything that e points to.
func spoil(e *store.Event) {
	for i := range e.Data {
		e.Data[i] = '#'
	}
	for k := range e.Metadata.Fields {
		e.Metadata.Fields[k] = "spoilt"
	}
	e.Metadata.Fields["new"] = "spoilt"
}

func ownershipClauses[Tx any]() []clause[Tx] {
	return []clause[Tx]{
		{"an append changes nothing of its input", func(t *testing.T, b subject[Tx]) {
			batch := events("a", 3)
			mustAppend(t, b, product, store.NoStream, batch...)
			equal(t, "input", batch, events("a", 3))
			equal(t, "zone of the input", batch[0].Time.Location().String(), noon.Location().String())
		}},
		{"a store keeps nothing of its input", func(t *testing.T, b subject[Tx]) {
			batch := events("a", 2)
			mustAppend(t, b, product, store.NoStream, batch...)
			spoil(&batch[0])
			batch[1] = event("another")
			mustHoldOnly(t, b, events("a", 2)...)
		}},
		{"a store shares nothing of its output", func(t *testing.T, b subject[Tx]) {
			mustAppend(t, b, product, store.NoStream, events("a", 2)...)
			reads := []func() []store.Message{func() []store.Message { return mustRead(t, b, product) }}
			if b.Log != nil {
				reads = append(reads, func() []store.Message { return mustReadAll(t, b.Log) })
			}
			if b.Outbox != nil {
				reads = append(reads, func() []store.Message { return mustUnpublished(t, b) })
			}
			for range 2 {
				for _, read := range reads {
					messages := read()
					equalMessages(t, "messages", messages, page(product, 0, events("a", 2)))
					spoil(&messages[0].Event)
					spoil(&messages[1].Event)
				}
			}
		}},
	}
}
