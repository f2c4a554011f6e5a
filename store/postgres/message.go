package postgres

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/eventus-go/eventus/store"
	"github.com/jackc/pgx/v5"
)

// messageColumns are what scanMessage reads.
const messageColumns = `position, category, stream_id, version, event_id, type, content_type, data, time,
	correlation_id, causation_id, actor, metadata`

// eventColumns are what a pageScanner and scanEvent read of event_store.
const eventColumns = messageColumns + `, checksum`

// scanEvent reads eventColumns, and more after them.
func scanEvent(rows pgx.Rows, m *store.Message, more ...any) error {
	var checksum *int32
	if err := scanMessage(rows, m, append([]any{&checksum}, more...)...); err != nil || checksum == nil {
		return err
	}
	return store.Verify(m, *checksum)
}

// scanMessage reads messageColumns, and more after them.
func scanMessage(rows pgx.Rows, m *store.Message, more ...any) error {
	var fields []byte
	err := rows.Scan(append([]any{
		&m.Position, &m.Stream.Category, &m.Stream.ID, &m.Version, &m.ID, &m.Type, &m.ContentType, &m.Data, &m.Time,
		&m.Metadata.CorrelationID, &m.Metadata.CausationID, &m.Metadata.Actor, &fields,
	}, more...)...)
	if err != nil {
		return err
	}
	m.Time = m.Time.UTC()
	if fields != nil {
		if err := json.Unmarshal(fields, &m.Metadata.Fields); err != nil {
			return store.DamagedMetadata(m, err)
		}
	}
	return nil
}

// scanMessages reads a page of messages and closes rows. It takes the error of
// the query as well.
func scanMessages(limit int, rows pgx.Rows, err error) ([]store.Message, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var page []store.Message
	scan := newPageScanner(rows)
	for rows.Next() {
		page = more(page, limit)
		if err := scan.next(&page[len(page)-1]); err != nil {
			return nil, err
		}
	}
	return page, rows.Err()
}

// fieldsJSON returns the free fields as a JSON object, "" when there are none.
func fieldsJSON(e *store.Event) (string, error) {
	if len(e.Metadata.Fields) == 0 {
		return "", nil
	}
	text, err := json.Marshal(e.Metadata.Fields)
	if err != nil {
		return "", fmt.Errorf("encode metadata of event %s: %w", e.ID, err)
	}
	return string(text), nil
}

// bytea keeps no bytes from becoming NULL.
func bytea(data []byte) []byte {
	if data == nil {
		return []byte{}
	}
	return data
}

// anyText replaces what PostgreSQL has no text for.
func anyText(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\ufffd"), "\x00", "\ufffd")
}

// timestamp returns t as the server keeps it.
func timestamp(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
