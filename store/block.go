package store

import (
	"context"
	"time"
)

// Blockable is implemented by logs that an append in an open transaction can hold
// up: [Log.ReadAll] stops before its position, and so before all that was appended
// after it, until the transaction ends.
type Blockable interface {
	// BlockedBy returns what holds the log up, as far as a reader of this value
	// has met it, and the zero LogBlock when nothing does.
	BlockedBy(ctx context.Context) (LogBlock, error)
}

// LogBlock is what keeps [Log.ReadAll] from going on.
type LogBlock struct {
	// Position is one that is missing: readers stop before it or earlier. 0
	// when nothing holds the log up.
	Position int64
	// Since is when a reader of this value has first waited for By.
	Since time.Time
	// By are the transactions that may still commit it, the oldest first.
	By []Appender
}

// Appender is an open transaction that has appended.
type Appender struct {
	PID         int       // the server's process; 0 for a prepared transaction
	Prepared    string    // the name given in PREPARE TRANSACTION; empty for any other
	Application string    // application_name of the session
	State       string    // for example "idle in transaction"
	Began       time.Time // the transaction, or its preparation; zero when it is not known
}
