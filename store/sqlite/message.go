package sqlite

import (
	"database/sql"
	"encoding/json"
	"time"

	"github.com/eventus-go/eventus/store"
)

// messageColumns are what scanMessage reads.
const messageColumns = `position, category, stream_id, version, event_id, type, content_type, data, time,
	correlation_id, causation_id, actor, metadata`

// eventColumns are what scanEvent reads of event_store.
const eventColumns = messageColumns + `, checksum`

// scanEvent reads eventColumns, and more after them.
func scanEvent(rows *sql.Rows, m *store.Message, more ...any) error {
	var checksum sql.NullInt32
	if err := scanMessage(rows, m, append([]any{&checksum}, more...)...); err != nil || !checksum.Valid {
		return err
	}
	return store.Verify(m, checksum.Int32)
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
	m.Time = time.UnixMicro(at).UTC()
	if fields.Valid {
		if err := json.Unmarshal([]byte(fields.String), &m.Metadata.Fields); err != nil {
			return store.DamagedMetadata(m, err)
		}
	}
	return nil
}

// scanMessages reads a page of messages and closes rows.
func scanMessages(rows *sql.Rows) ([]store.Message, error) {
	defer rows.Close()
	var page []store.Message
	for rows.Next() {
		var m store.Message
		if err := scanEvent(rows, &m); err != nil {
			return nil, err
		}
		page = append(page, m)
	}
	return page, rows.Err()
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
