package sqlite

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/eventus-go/eventus/store"
)

// messageColumns are what scanMessage reads.
const messageColumns = `position, category, stream_id, version, event_id, type, content_type, data, time,
	correlation_id, causation_id, actor, metadata`

// eventColumns are what an eventScanner reads of event_store.
const eventColumns = messageColumns + `, checksum`

// streamColumns are eventColumns without those that a reader of one stream knows.
const streamColumns = `position, version, event_id, type, content_type, data, time,
	correlation_id, causation_id, actor, metadata, checksum`

// eventScanner reads rows of events, each of which goes through the same
// variables: what database/sql and the driver do for a column is most of what a
// read costs.
type eventScanner struct {
	rows     *sql.Rows
	m        store.Message
	at       int64
	fields   sql.NullString
	checksum sql.NullInt32
	columns  []any
}

// scanEvents returns a scanner of eventColumns, and of more after them.
func scanEvents(rows *sql.Rows, more ...any) *eventScanner {
	s := &eventScanner{rows: rows}
	m := &s.m
	s.columns = append([]any{
		&m.Position, &m.Stream.Category, &m.Stream.ID, &m.Version, &m.ID, &m.Type, &m.ContentType, &m.Data, &s.at,
		&m.Metadata.CorrelationID, &m.Metadata.CausationID, &m.Metadata.Actor, &s.fields, &s.checksum,
	}, more...)
	return s
}

// scanStream returns a scanner of streamColumns.
func scanStream(rows *sql.Rows, stream store.Stream) *eventScanner {
	s := scanEvents(rows)
	s.m.Stream = stream
	s.columns = slices.Delete(s.columns, 1, 3)
	return s
}

// next reads the row that rows is at.
func (s *eventScanner) next() (store.Message, error) {
	s.m.Metadata.Fields = nil
	if err := s.rows.Scan(s.columns...); err != nil {
		return store.Message{}, err
	}
	if err := complete(&s.m, s.at, s.fields); err != nil {
		return store.Message{}, err
	}
	if s.checksum.Valid {
		if err := store.Verify(&s.m, s.checksum.Int32); err != nil {
			return store.Message{}, err
		}
	}
	return s.m, nil
}

// page reads all rows and closes them.
func (s *eventScanner) page() ([]store.Message, error) {
	defer s.rows.Close()
	var page []store.Message
	for s.rows.Next() {
		m, err := s.next()
		if err != nil {
			return nil, err
		}
		page = append(page, m)
	}
	return page, s.rows.Err()
}

// scanMessage reads messageColumns, and more after them.
func scanMessage(rows *sql.Rows, m *store.Message, more ...any) error {
	var at int64
	var fields sql.NullString
	err := rows.Scan(append([]any{
		&m.Position, &m.Stream.Category, &m.Stream.ID, &m.Version, &m.ID, &m.Type, &m.ContentType, &m.Data, &at,
		&m.Metadata.CorrelationID, &m.Metadata.CausationID, &m.Metadata.Actor, &fields,
	}, more...)...)
	if err != nil {
		return err
	}
	return complete(m, at, fields)
}

// complete sets the parts of a message that are of other types in the database.
func complete(m *store.Message, at int64, fields sql.NullString) error {
	m.Time = time.UnixMicro(at).UTC()
	if fields.Valid {
		if err := json.Unmarshal([]byte(fields.String), &m.Metadata.Fields); err != nil {
			return fmt.Errorf("metadata at position %d: %w", m.Position, err)
		}
	}
	return nil
}

// eventValues returns e's columns from event_id to metadata.
func eventValues(e *store.Event) ([]any, error) {
	var fields any
	if len(e.Metadata.Fields) > 0 {
		text, err := json.Marshal(e.Metadata.Fields)
		if err != nil {
			return nil, err
		}
		fields = string(text)
	}
	return []any{
		e.ID, e.Type, e.ContentType, blob(e.Data), e.Time.UnixMicro(),
		e.Metadata.CorrelationID, e.Metadata.CausationID, e.Metadata.Actor, fields,
	}, nil
}

// blob keeps drivers from storing no bytes as NULL.
func blob(data []byte) []byte {
	if data == nil {
		return []byte{}
	}
	return data
}
