package sqlite

import (
	"database/sql"
	"database/sql/driver"
	"errors"
)

// Primary result codes, https://www.sqlite.org/rescode.html.
const (
	codeBusy     = 5 // another writer held the lock longer than busy_timeout
	codeLocked   = 6 // the same, within one connection or shared cache
	codeNoMemory = 7
	codeIO       = 10
	codeFull     = 13 // the disk is full: the operator's trouble, not the message's
	codeCantOpen = 14 // for example, no file descriptors left
	codeProtocol = 15 // lost too many races for the WAL's locks
)

// Transient implements [store.Inbox]. It knows errors by their SQLite result
// code, which drivers give by a method Code.
//
// The end of a context is not transient, even while a statement waited for a
// lock: an error like that does not tell the database from the handler's other
// work, and who set the deadline knows better.
func (s *Store) Transient(err error) bool {
	if errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) {
		return true
	}
	switch resultCode(err) {
	case codeBusy, codeLocked, codeNoMemory, codeIO, codeFull, codeCantOpen, codeProtocol:
		return true
	}
	return false
}

// resultCode returns the primary result code in err, 0 when there is none.
// Extended codes keep the primary one in their low byte.
func resultCode(err error) int {
	var coded interface{ Code() int }
	if errors.As(err, &coded) {
		return coded.Code() & 0xff
	}
	return 0
}
