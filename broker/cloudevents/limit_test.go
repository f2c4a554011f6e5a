package cloudevents_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/eventus-go/eventus/broker/cloudevents"
	"github.com/eventus-go/eventus/store"
)

// JetStream refuses headers of more than 65,535 bytes, names and line ends
// included. The rest is left to the broker's own and to tracers.
const headerLimit = 64_000

// Whatever a store accepts fits into the headers of a message: one that did not
// would stand at the head of the outbox for ever.
func TestTheLargestHeadersFit(t *testing.T) {
	const perValue = 4 << 10
	for name, md := range map[string]store.Metadata{
		"a value of quotes":                {Fields: map[string]string{"k": strings.Repeat(`"`, perValue)}},
		"a name of quotes":                 {Fields: map[string]string{strings.Repeat(`"`, store.MaxName): ""}},
		"umlauts":                          {CorrelationID: umlauts(perValue), CausationID: umlauts(perValue)},
		"a trace, which is sent twice":     {Fields: map[string]string{"traceparent": umlauts(perValue)}},
		"a trace of quotes":                {Fields: map[string]string{"traceparent": strings.Repeat(`"`, perValue)}},
		"line separators, escaped by JSON": {Fields: map[string]string{"k": strings.Repeat("\u2028", perValue/3)}},
		"nothing else":                     {},
	} {
		for filling, fill := range map[string]func(i int) (name, value string){
			"fields of quotes": func(i int) (string, string) {
				return quotes(i), strings.Repeat(`"`, perValue)
			},
			"fields of umlauts": func(i int) (string, string) {
				return fmt.Sprint(i), umlauts(perValue)
			},
			"names of quotes":                      func(i int) (string, string) { return quotes(i), "" },
			"as many fields as there can be":       func(i int) (string, string) { return short(i), "" },
			"as many small fields as there can be": func(i int) (string, string) { return short(i), `"` },
		} {
			t.Run(name+" and "+filling, func(t *testing.T) {
				m := largest()
				m.Metadata = md
				m.Metadata.Fields = maps.Clone(md.Fields)
				fillUp(&m, fill)
				wire := cloudevents.Encode(m)
				if err := wire.Check(); err != nil {
					t.Fatal(err)
				}
				size := len("NATS/1.0\r\n\r\n")
				for name, value := range wire.Header {
					size += len(name) + len(": \r\n") + len(value)
				}
				if size > headerLimit {
					t.Errorf("the headers have %d bytes with %d fields, want at most %d", size, len(m.Metadata.Fields), headerLimit)
				}
			})
		}
	}
}

// largest returns a message whose every attribute is as long as a store accepts
// and grows by its encoding.
func largest() cloudevents.Event {
	m := sample
	m.Source, m.Previous = umlauts(store.MaxName), umlauts(store.MaxName)
	m.ID, m.Type, m.ContentType = umlauts(store.MaxName), umlauts(store.MaxName), umlauts(store.MaxName)
	m.Stream = store.Stream{Category: strings.Repeat("c", store.MaxName), ID: umlauts(store.MaxID)}
	m.Version, m.Position = 1<<63-1, 1<<63-1
	return m
}

// fillUp adds fields, the last of them cut, until a store accepts not a byte
// more.
func fillUp(m *cloudevents.Event, field func(i int) (name, value string)) {
	if m.Metadata.Fields == nil {
		m.Metadata.Fields = make(map[string]string)
	}
	fits := func(name, value string) bool {
		m.Metadata.Fields[name] = value
		err := store.CheckAppend(m.Stream, store.Any, []store.Event{m.Event})
		delete(m.Metadata.Fields, name)
		return err == nil
	}
	for i := 0; ; i++ {
		name, value := field(i)
		for !fits(name, value) {
			if value == "" {
				return
			}
			value = value[:len(value)*3/4&^1] // no half umlauts
		}
		m.Metadata.Fields[name] = value
	}
}

func umlauts(bytes int) string { return strings.Repeat("ä", bytes/2) }

// quotes returns the i-th of many names that grow fourfold when they are encoded.
func quotes(i int) string {
	return strings.NewReplacer("0", `"`, "1", "ä").Replace(fmt.Sprintf("%b", i))
}

// short returns the i-th of the shortest names.
func short(i int) string {
	const first, n = '!', '~' - '!' + 1
	if i < n {
		return string(rune(first + i))
	}
	return short(i/n-1) + short(i%n)
}
