package store

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// The limits of the contract. They keep every stored event small enough to
// pass a NATS server with its default max_payload of 1 MiB, headers included,
// and JetStream's limit of 65,535 bytes for the headers alone, however much
// their encoding makes of a byte.
const (
	MaxEvents   = 10_000    // events in one append
	MaxAppend   = 64 << 20  // bytes of all data in one append
	MaxData     = 512 << 10 // bytes of one event's data
	MaxID       = 512       // bytes of a stream id
	MaxName     = 128       // bytes of a category, event id, type or content type
	MaxSnapshot = 64 << 20  // bytes of a snapshot's data

	// MaxMetadata is the most bytes of an event's metadata: all values, the
	// names of the free fields, and 8 more for each of these.
	MaxMetadata      = 8 << 10
	fieldOverhead    = 8
	maxMetadataValue = 4 << 10 // bytes of one metadata value
)

// CheckAppend reports what the contract refuses in the arguments of [Store.Append]
// as an [*InvalidError]. Every backend calls it before it writes.
func CheckAppend(s Stream, expected Expected, events []Event) error {
	if err := s.Check(); err != nil {
		return err
	}
	if expected.Version < Any.Version {
		return invalid("expected version", "%d, want Any, NoStream or a version", expected.Version)
	}
	if expected.EventID != "" && expected.Version < 1 {
		return invalid("expected event", "%q at version %d, where no event can be", expected.EventID, expected.Version)
	}
	if len(events) == 0 || len(events) > MaxEvents {
		return invalid("append", "%d events, want 1 to %d", len(events), MaxEvents)
	}
	bytes := 0
	for i := range events {
		if err := events[i].check(); err != nil {
			return err
		}
		bytes += len(events[i].Data)
	}
	if bytes > MaxAppend {
		return invalid("append", "%d bytes of data, at most %d", bytes, MaxAppend)
	}
	return nil
}

// Check reports what makes s unusable as the name of a stream.
//
// A category is 1 to 128 characters of a-z, A-Z, 0-9, '-' and '_', because it
// becomes a token of the broker's subjects. An id is 1 to 512 bytes of valid
// UTF-8 without control characters; nothing else is taken from it, so dots,
// slashes, stars, spaces and quotes are ordinary. Ids that differ in a byte are
// different ids.
func (s Stream) Check() error {
	if err := token("category", s.Category); err != nil {
		return err
	}
	if s.ID == "" {
		return invalid("stream id", "is empty")
	}
	return text("stream id", s.ID, MaxID)
}

// CheckConsumer reports what makes name unusable as a consumer of [Inbox]. It
// has the characters of a category, because it names the consumer's
// subscriptions as well. Every method of an inbox that takes one calls it.
func CheckConsumer(name string) error { return token("consumer", name) }

// CheckName reports what makes value unusable as an event id, an event type or
// a content type; field says which. A name is 1 to 128 bytes of valid UTF-8
// without control characters.
func CheckName(field, value string) error {
	if value == "" {
		return invalid(field, "is empty")
	}
	return text(field, value, MaxName)
}

// Check reports what the contract refuses in s as an [*InvalidError]. Every
// backend calls it in [Snapshots.WriteSnapshot].
func (s *Snapshot) Check() error {
	if err := s.Stream.Check(); err != nil {
		return err
	}
	if s.Version < 1 {
		return invalid("snapshot version", "%d, want at least 1", s.Version)
	}
	if err := CheckName("event id", s.EventID); err != nil {
		return err
	}
	if s.ContentType == "" {
		return invalid("content type", "is empty")
	}
	if err := text("content type", s.ContentType, MaxName); err != nil {
		return err
	}
	if len(s.Data) > MaxSnapshot {
		return invalid("snapshot data", "%d bytes, at most %d", len(s.Data), MaxSnapshot)
	}
	return nil
}

func (e *Event) check() error {
	for _, f := range []struct{ name, value string }{
		{"event id", e.ID}, {"event type", e.Type}, {"content type", e.ContentType},
	} {
		if err := CheckName(f.name, f.value); err != nil {
			return err
		}
	}
	if len(e.Data) > MaxData {
		return invalid("data of "+e.Type, "%d bytes, at most %d", len(e.Data), MaxData)
	}
	if y := e.Time.UTC().Year(); y < 1970 || y > 9999 {
		return invalid("time of "+e.Type, "%v, want a year from 1970 to 9999", e.Time)
	}
	return e.Metadata.check()
}

func (m *Metadata) check() error {
	total := 0
	for _, f := range []struct{ name, value string }{
		{"correlation id", m.CorrelationID}, {"causation id", m.CausationID}, {"actor", m.Actor},
	} {
		total += len(f.value)
		if err := text("metadata "+f.name, f.value, maxMetadataValue); err != nil {
			return err
		}
	}
	for k, v := range m.Fields {
		total += len(k) + len(v) + fieldOverhead
		if k == "" {
			return invalid("metadata", "a field without a name")
		}
		if err := text("metadata field name", k, MaxName); err != nil {
			return err
		}
		if err := text("metadata "+k, v, maxMetadataValue); err != nil {
			return err
		}
	}
	if total > MaxMetadata {
		return invalid("metadata", "%d bytes, with %d more for each field, at most %d", total, fieldOverhead, MaxMetadata)
	}
	return nil
}

// token refuses what cannot be part of a broker's names.
func token(field, value string) error {
	if value == "" || len(value) > MaxName {
		return invalid(field, "%d bytes, want 1 to %d", len(value), MaxName)
	}
	for _, r := range value {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_') {
			return invalid(field, "%q has %q, want only a-z A-Z 0-9 - _", value, r)
		}
	}
	return nil
}

// text refuses what some backend cannot carry unchanged: PostgreSQL has no NUL
// in text, header values have no line breaks, and broken UTF-8 survives
// neither.
func text(field, value string, limit int) error {
	if len(value) > limit {
		return invalid(field, "%d bytes, at most %d", len(value), limit)
	}
	if !utf8.ValidString(value) {
		return invalid(field, "%q is not valid UTF-8", value)
	}
	for _, r := range value {
		if unicode.IsControl(r) {
			return invalid(field, "%q has the control character %U", value, r)
		}
	}
	return nil
}

func invalid(field, format string, args ...any) error {
	return &InvalidError{Field: field, Reason: fmt.Sprintf(format, args...)}
}
