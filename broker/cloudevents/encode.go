package cloudevents

import (
	"bytes"
	"encoding/json"
	"maps"
	"strconv"
	"time"

	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/store"
)

// Encode maps an event that a store gave back to a message of the broker. The
// message's ID is the event's, its Topic the category, its Key the stream's id.
// Data is shared, not copied.
//
// The producer becomes ce-source: a URI reference such as "/shop", not empty,
// because CloudEvents wants one.
func Encode(m store.Message, producer string) broker.Message {
	header := map[string]string{
		specVersion:   "1.0",
		id:            escape(m.ID),
		eventType:     escape(m.Type),
		source:        escape(producer),
		eventTime:     m.Time.UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano),
		subject:       escape(m.Stream.ID),
		contentType:   escape(m.ContentType),
		streamVersion: strconv.FormatInt(m.Version, 10),
		position:      strconv.FormatInt(m.Position, 10),
	}
	encodeMetadata(header, m.Metadata)
	return broker.Message{
		ID:     m.ID,
		Topic:  m.Stream.Category,
		Key:    m.Stream.ID,
		Header: header,
		Data:   m.Data,
	}
}

func encodeMetadata(header map[string]string, md store.Metadata) {
	optional := func(name, value string) {
		// CloudEvents has no empty attributes: absent is the same.
		if value != "" {
			header[name] = escape(value)
		}
	}
	optional(correlationID, md.CorrelationID)
	optional(causationID, md.CausationID)
	optional(actor, md.Actor)

	rest := md.Fields
	if trace := rest[traceField]; trace != "" {
		optional(traceParent, trace)
		optional(w3cTraceParent, trace)
		rest = maps.Clone(rest)
		delete(rest, traceField)
	}
	if len(rest) > 0 {
		header[fields] = escape(encodeFields(rest))
	}
}

func encodeFields(f map[string]string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	// Escapes meant for web pages would triple the size of some values.
	e.SetEscapeHTML(false)
	if err := e.Encode(f); err != nil {
		panic(err) // strings always encode
	}
	return string(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}
