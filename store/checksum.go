package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"math"
	"slices"
	"sync"
)

// ErrDamaged is matched by every [*DamagedError]. Every method that reads events
// returns it; whatever else was read with them is not returned.
var ErrDamaged = errors.New("damaged")

// DamagedError means that the database does not have what was written to it. A fault
// of the disk or the memory has changed it, or somebody has written to its files.
type DamagedError struct {
	// Stream, Version and Position are those of the event, as far as its row still
	// tells. They are zero where the database itself has found the damage.
	Stream   Stream
	Version  int64
	Position int64
	Err      error // what is wrong
}

func (e *DamagedError) Error() string {
	if e.Version == 0 {
		return fmt.Sprintf("the database is damaged: %v: restore it from a backup", e.Err)
	}
	return fmt.Sprintf("%s: version %d at position %d is damaged: %v: restore it from a backup", e.Stream, e.Version, e.Position, e.Err)
}

// Is reports whether target is [ErrDamaged].
func (e *DamagedError) Is(target error) bool { return target == ErrDamaged }

// Unwrap returns Err.
func (e *DamagedError) Unwrap() error { return e.Err }

// rooms are for what checksums are computed of, besides the data.
var rooms = sync.Pool{New: func() any { return new([]byte) }}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Checksum returns what a database stores beside an event to find out about damage:
// the CRC-32C (RFC 3720) of all that identifies and carries the event, combined by
// exclusive or with the version. So a database that draws versions itself can be
// given the checksum of version 0, and combines it with the version.
func Checksum(s Stream, version int64, e *Event) int32 {
	// Texts have no control characters, so that a zero byte ends each of them.
	room := rooms.Get().(*[]byte)
	defer rooms.Put(room)
	head := (*room)[:0]
	for _, text := range [...]string{s.Category, s.ID, e.ID, e.Type, e.ContentType, e.Metadata.CorrelationID, e.Metadata.CausationID, e.Metadata.Actor} {
		head = append(append(head, text...), 0)
	}
	if len(e.Metadata.Fields) > 0 {
		for _, name := range slices.Sorted(maps.Keys(e.Metadata.Fields)) {
			head = append(append(append(append(head, name...), 0), e.Metadata.Fields[name]...), 0)
		}
	}
	head = append(head, 1)
	head = binary.BigEndian.AppendUint64(head, uint64(e.Time.UnixMicro()))
	*room = head
	sum := crc32.Update(crc32.Checksum(head, castagnoli), castagnoli, e.Data)
	return int32(sum) ^ int32(version&math.MaxInt32)
}

// Verify returns a [*DamagedError] if checksum is not that of m.
func Verify(m *Message, checksum int32) error {
	if is := Checksum(m.Stream, m.Version, &m.Event); is != checksum {
		return &DamagedError{Stream: m.Stream, Version: m.Version, Position: m.Position,
			Err: fmt.Errorf("its checksum is %08x, and was %08x when it was written", uint32(is), uint32(checksum))}
	}
	return nil
}

// DamagedMetadata returns a [*DamagedError] for a message whose metadata cannot be
// decoded.
func DamagedMetadata(m *Message, err error) error {
	return &DamagedError{Stream: m.Stream, Version: m.Version, Position: m.Position,
		Err: fmt.Errorf("its metadata is no JSON object of texts: %w", err)}
}

// Damageable is implemented by stores that compare checksums.
type Damageable interface {
	// Damage returns what damage a read of this value has met since it was opened,
	// nil when none has: that which the database itself has found, or else the
	// first damaged event. Health checks ask for it. It looks for no damage.
	Damage() *DamagedError
}
