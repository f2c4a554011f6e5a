package cloudevents

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/eventus-go/eventus/broker"
	"github.com/eventus-go/eventus/store"
)

// HeaderError tells which header of a message is missing or broken.
type HeaderError struct {
	ID     string // the message's ID, as the broker knows it
	Header string // for example "ce-streamversion"
	Reason string // for example "is missing"
}

func (e *HeaderError) Error() string {
	return fmt.Sprintf("message %q: header %s %s", e.ID, e.Header, e.Reason)
}

// Decode maps a message of the broker to the event in it. The category is the
// message's Topic; all else comes from the headers, so that a producer needs to
// know no more than CloudEvents.
//
// It accepts the extensions' absence, ce-streamversion apart, and takes JSON for
// the content type where none is named. A message with a missing or broken
// header gives a [*HeaderError]. What is left, but what a store would refuse,
// gives the [*store.InvalidError] of [store.Check]. Either is final: the same
// bytes never decode later.
//
// Data is shared, not copied.
func Decode(m broker.Message) (Event, error) {
	r := newReader(m)
	r.binaryMode()
	event := Event{Source: r.required(source), History: r.optional(history), Previous: r.optional(previous)}
	event.Message = store.Message{
		Event: store.Event{
			ID:          r.required(id),
			Type:        r.required(eventType),
			ContentType: r.optional(contentType),
			Data:        m.Data,
			Time:        r.time(eventTime),
			Metadata: store.Metadata{
				CorrelationID: r.optional(correlationID),
				CausationID:   r.optional(causationID),
				Actor:         r.optional(actor),
				Fields:        r.fields(),
			},
		},
		Stream:   store.Stream{Category: m.Topic, ID: r.required(subject)},
		Version:  r.number(streamVersion, r.required(streamVersion), 1),
		Position: r.number(position, r.optional(position), 0),
	}
	if r.err != nil {
		return Event{}, r.err
	}
	if event.ContentType == "" {
		event.ContentType = "application/json"
	}
	if err := store.Check(event.Stream, store.Any, []store.Event{event.Event}); err != nil {
		return Event{}, fmt.Errorf("message %q: %w", m.ID, err)
	}
	return event, nil
}

// reader takes attributes from headers and keeps the first error.
type reader struct {
	id     string
	header map[string]string
	err    error
}

func newReader(m broker.Message) *reader {
	header := make(map[string]string, len(m.Header))
	for name, value := range m.Header {
		// Producers in other languages write Ce-Id, and some stacks rewrite it so.
		header[strings.ToLower(name)] = value
	}
	return &reader{id: m.ID, header: header}
}

func (r *reader) fail(name, format string, args ...any) {
	if r.err == nil {
		r.err = &HeaderError{ID: r.id, Header: name, Reason: fmt.Sprintf(format, args...)}
	}
}

func (r *reader) binaryMode() {
	const structured = "application/cloudevents"
	if strings.HasPrefix(strings.ToLower(r.header[transportType]), structured) {
		r.fail(transportType, "is %q: this event is in structured mode, want binary mode", r.header[transportType])
	}
	// Minor versions add attributes and take none away.
	if v := r.required(specVersion); !strings.HasPrefix(v, "1.") {
		r.fail(specVersion, "is %q, want 1.0", v)
	}
}

// optional reads an attribute; one that is absent is empty.
func (r *reader) optional(name string) string {
	value, err := unescape(r.header[name])
	if err != nil {
		r.fail(name, "%v", err)
	}
	return value
}

func (r *reader) required(name string) string {
	value := r.optional(name)
	if value == "" {
		r.fail(name, "is missing")
	}
	return value
}

// number reads an integer that is at least least; an empty value is zero.
func (r *reader) number(name, value string, least int64) int64 {
	if value == "" {
		return 0
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n < least {
		r.fail(name, "is %q, want an integer of at least %d", value, least)
	}
	return n
}

func (r *reader) time(name string) time.Time {
	value := r.required(name)
	t, err := time.Parse(time.RFC3339Nano, value)
	if err != nil {
		r.fail(name, "is %q, want a time as in RFC 3339", value)
	}
	return t.UTC().Truncate(time.Microsecond)
}

func (r *reader) fields() map[string]string {
	var f map[string]string
	if value := r.optional(fields); value != "" {
		if err := json.Unmarshal([]byte(value), &f); err != nil {
			var syntax *json.SyntaxError
			if errors.As(err, &syntax) {
				r.fail(fields, "is not JSON: %v", err)
			} else {
				r.fail(fields, "is not a JSON object of strings")
			}
		}
	}
	trace := r.optional(traceParent)
	if trace == "" {
		trace = r.optional(w3cTraceParent)
	}
	if trace != "" {
		if f == nil {
			f = make(map[string]string, 1)
		}
		f[traceField] = trace
	}
	return f
}
