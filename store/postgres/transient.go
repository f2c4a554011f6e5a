package postgres

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// passing are the SQLSTATEs, and the classes of them, that tell of passing
// trouble.
var passing = []string{
	"08",                 // connection exceptions
	serializationFailure, // somebody else was faster
	deadlockDetected,
	lockNotAvailable,
	"53",    // out of connections, memory, disk: the operator's trouble, not the message's
	"57P01", // shut down by an administrator
	"57P02", // after a crash
	"57P03", // starting up
	"57P05", // idle_session_timeout
	"25P03", // idle_in_transaction_session_timeout
	"58",    // system errors
}

// Transient implements [store.Transactions].
//
// The end of a context is not transient, even while a statement waited for a
// lock: an error like that does not tell the database from the handler's other
// work, and who set the deadline knows better.
func (s *Store) Transient(err error) bool { return isTransient(err) }

func isTransient(err error) bool {
	if err == nil {
		return false
	}
	if code := sqlState(err); code != "" {
		for _, prefix := range passing {
			if strings.HasPrefix(code, prefix) {
				return true
			}
		}
		return false
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	return isLost(err)
}

// isLost reports whether err is of a connection that is gone or was never there:
// what was sent on it may or may not be done.
func isLost(err error) bool {
	switch code := sqlState(err); {
	case strings.HasPrefix(code, "08"), strings.HasPrefix(code, "57P"):
		return true
	case code != "":
		return false
	}
	var connecting *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connecting) || errors.As(err, &network) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		pgconn.SafeToRetry(err)
}
