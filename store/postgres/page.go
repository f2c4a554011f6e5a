package postgres

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/eventus-go/eventus/store"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// pageScanner reads many rows of eventColumns, and more columns after them. It
// does what scanEvent does at a third of the cost: it decodes PostgreSQL's binary
// formats itself, and messages share the text that they have in common.
type pageScanner struct {
	rows   pgx.Rows
	more   []any // where the columns after eventColumns go, behind a nil for each of those
	binary bool
	first  bool
	before *store.Message
	types  map[string]string
}

var eventWidth = strings.Count(eventColumns, ",") + 1

func newPageScanner(rows pgx.Rows, more ...any) *pageScanner {
	return &pageScanner{rows: rows, more: append(make([]any, eventWidth, eventWidth+len(more)), more...), first: true,
		before: new(store.Message), types: make(map[string]string)}
}

// next reads the row that rows is at into m, which stays where it is.
func (s *pageScanner) next(m *store.Message) error {
	if s.first {
		s.first, s.binary = false, inBinary(s.rows)
	}
	if !s.binary { // as pgx.QueryExecModeSimpleProtocol has it
		return scanEvent(s.rows, m, s.more[eventWidth:]...)
	}
	values := s.rows.RawValues()
	if values[7] == nil || len(values[0]) != 8 || len(values[3]) != 8 || len(values[8]) != 8 {
		return errors.New("a row of messages has other types than those of the store")
	}
	before := s.before
	m.Position = int64(binary.BigEndian.Uint64(values[0]))
	m.Stream.Category = shared(before.Stream.Category, values[1])
	m.Stream.ID = shared(before.Stream.ID, values[2])
	m.Version = int64(binary.BigEndian.Uint64(values[3]))
	m.ID = string(values[4])
	m.Type = s.typeOf(values[5])
	m.ContentType = shared(before.ContentType, values[6])
	m.Data = append(make([]byte, 0, len(values[7])), values[7]...)
	m.Time = timeOf(values[8])
	m.Metadata.CorrelationID = shared(before.Metadata.CorrelationID, values[9])
	m.Metadata.CausationID = shared(before.Metadata.CausationID, values[10])
	m.Metadata.Actor = shared(before.Metadata.Actor, values[11])
	if fields := values[12]; len(fields) > 0 {
		if fields[0] == 1 { // the version of jsonb's binary format; the other one begins with a brace
			fields = fields[1:]
		}
		if err := json.Unmarshal(fields, &m.Metadata.Fields); err != nil {
			return store.DamagedMetadata(m, err)
		}
	}
	s.before = m
	if checksum := values[13]; len(checksum) == 4 {
		if err := store.Verify(m, int32(binary.BigEndian.Uint32(checksum))); err != nil {
			return err
		}
	}
	if len(s.more) == eventWidth {
		return nil
	}
	return s.rows.Scan(s.more...)
}

// inBinary reports whether the columns that are no text come in binary formats.
// Text is the same in both.
func inBinary(rows pgx.Rows) bool {
	fields := rows.FieldDescriptions()
	for _, i := range []int{0, 3, 7, 8, 13} {
		if fields[i].Format != pgtype.BinaryFormatCode {
			return false
		}
	}
	return true
}

// more returns a page of at most limit rows with room for one more.
func more[T any](page []T, limit int) []T {
	if len(page) == cap(page) {
		page = slices.Grow(page, max(1, min(limit-len(page), max(8, 3*len(page)))))
	}
	return page[:len(page)+1]
}

// shared returns the text of a column, without a copy where the row before has the
// same.
func shared(before string, value []byte) string {
	if before == string(value) {
		return before
	}
	return string(value)
}

// typeOf returns the name of a type, of which there are few.
func (s *pageScanner) typeOf(value []byte) string {
	name, ok := s.types[string(value)]
	if !ok {
		name = string(value)
		s.types[name] = name
	}
	return name
}

// epoch is the zero of PostgreSQL's times, in Unix microseconds.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()

func timeOf(value []byte) time.Time {
	return time.UnixMicro(epoch + int64(binary.BigEndian.Uint64(value))).UTC()
}
