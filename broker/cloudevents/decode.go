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
// know no more than CloudEvents. An event in structured mode, with the content
// type application/cloudevents+json, is read from the message's data.
//
// Required are id, source, type and specversion. JSON is the content type where
// none is named. A message with a missing or broken attribute gives a
// [*HeaderError]. An event that a store would refuse gives the
// [*store.InvalidError] of [store.CheckAppend]. Either is final: the same bytes never
// decode later.
//
// Data is shared with m, unless m is in structured mode.
func Decode(m broker.Message) (Event, error) {
	r := newReader(m)
	data := m.Data
	if mode := mediaType(r.header[transportType]); strings.HasPrefix(mode, structured) {
		if mode != structured+"+json" {
			r.fail(transportType, "is %q, want binary mode or %s+json", r.header[transportType], structured)
			return Event{}, r.err
		}
		if data = r.unpack(m.Data); r.err != nil {
			return Event{}, r.err
		}
	}
	// Minor versions add attributes and take none away.
	if v := r.required(specVersion); !strings.HasPrefix(v, "1.") {
		r.fail(specVersion, "is %q, want 1.0", v)
	}
	event := Event{
		Message: store.Message{
			Event: store.Event{
				ID:          r.required(id),
				Type:        r.required(eventType),
				ContentType: r.optional(contentType),
				Data:        data,
				Time:        r.time(eventTime),
				Metadata: store.Metadata{
					CorrelationID: r.optional(correlationID),
					CausationID:   r.optional(causationID),
					Actor:         r.optional(actor),
					Fields:        r.fields(),
				},
			},
			Stream:   store.Stream{Category: m.Topic, ID: r.optional(subject)},
			Version:  r.number(streamVersion, r.optional(streamVersion), 1),
			Position: r.number(position, r.optional(position), 0),
		},
		Source:   r.required(source),
		History:  r.optional(history),
		Previous: r.optional(previous),
	}
	if event.Version > 0 && event.Stream.ID == "" {
		r.fail(subject, "is missing, and %s is a version in it", streamVersion)
	}
	if r.err != nil {
		return Event{}, r.err
	}
	if event.ContentType == "" {
		event.ContentType = "application/json"
	}
	if err := check(event); err != nil {
		return Event{}, fmt.Errorf("message %q: %w", m.ID, err)
	}
	return event, nil
}

// check reports what a store would refuse, apart from what a plain CloudEvent
// may lack.
func check(e Event) error {
	s, event := e.Stream, e.Event
	if s.ID == "" {
		s.ID = "none"
	}
	if event.Time.IsZero() {
		event.Time = time.Unix(0, 0)
	}
	for name, value := range map[string]string{"source": e.Source, "history": e.History, "previous": e.Previous} {
		if len(value) > store.MaxID {
			return &store.InvalidError{Field: name, Reason: fmt.Sprintf("%d bytes, at most %d", len(value), store.MaxID)}
		}
	}
	return store.CheckAppend(s, store.Any, []store.Event{event})
}

// mediaType returns a content type without its parameters, in lower case.
func mediaType(contentType string) string {
	base, _, _ := strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(base))
}

// reader takes attributes from headers and keeps the first error.
type reader struct {
	id     string
	header map[string]string // names in lower case
	plain  bool              // values are not escaped
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

// optional reads an attribute; one that is absent is empty.
func (r *reader) optional(name string) string {
	value, err := r.header[name], error(nil)
	if r.plain {
		err = checkText(value)
	} else {
		value, err = unescape(value)
	}
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

// time reads a time as RFC 3339 writes it: letters in either case, and the 60th
// second of a minute with a leap second, which is the first of the next one here.
// One that is absent is zero, and so is year 1, which some producers write for
// it.
func (r *reader) time(name string) time.Time {
	value := r.optional(name)
	if value == "" {
		return time.Time{}
	}
	text, leap := strings.ToUpper(value), time.Duration(0)
	if len(text) > 19 && text[16:19] == ":60" {
		text, leap = text[:16]+":59"+text[19:], time.Second
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		r.fail(name, "is %q, want a time as in RFC 3339", value)
	}
	if t = t.Add(leap).UTC().Truncate(time.Microsecond); t.Year() == 1 {
		return time.Time{}
	}
	return t
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
