package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/eventus-go/eventus/store"
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
	"25006", // read only: a standby after a failover, or a managed server whose disk is full
	"26000", // a prepared statement that a pooler has lost
	"57014", // statement_timeout: something holds what the statement needs
	"57P01", // shut down by an administrator
	"57P02", // after a crash
	"57P03", // starting up
	"57P05", // idle_session_timeout
	"25P03", // idle_in_transaction_session_timeout
	"58",    // system errors
}

// IsTransient implements [store.Transactions].
//
// The end of a context is not transient, even while a statement waited for a
// lock: an error like that does not tell the database from the handler's other
// work. A connection that could not be made in time is.
func (s *Store) IsTransient(err error) bool { return isTransient(err) }

func isTransient(err error) bool {
	if err == nil {
		return false
	}
	if errors.Is(err, store.ErrBusy) || errors.Is(err, errStandby) {
		return true
	}
	if code := sqlState(err); code != "" {
		for _, prefix := range passing {
			if strings.HasPrefix(code, prefix) {
				return !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
			}
		}
		return false
	}
	if errors.Is(err, context.Canceled) {
		return false
	}
	var connecting *pgconn.ConnectError
	if errors.As(err, &connecting) {
		return true
	}
	return !errors.Is(err, context.DeadlineExceeded) && (isLost(err) || errors.Is(err, store.ErrOutcomeUnknown))
}

// errStandby is what the server says of a transaction that writes, with a code
// that it has for other things too.
var errStandby = errors.New("the server is a standby")

func standbyError(err error) error {
	if sqlState(err) == featureNotSupported {
		return fmt.Errorf("%w: %w", errStandby, err)
	}
	return err
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
