package store

import (
	"context"
	"time"
)

// Outbox lists the messages that no broker has confirmed yet. Its rows are
// written by [Store.Append], one for each event, in the same transaction.
//
// A relay reads it from a position on, so that a look does not depend on how
// much was published before.
type Outbox interface {
	// Unpublished returns up to limit messages that are not marked as published,
	// have a position greater than after and do not wait, in ascending order of
	// position. Refused messages wait ([Outbox.Refuse]), and so do the later
	// messages of their streams.
	//
	// It never returns a message while one with a smaller position may still be
	// committed. So a relay that goes on at next misses none: every unpublished
	// message with a position greater than after and up to next is in the page,
	// or waits. An empty page means that there is nothing to publish for now; its
	// next can be greater than after.
	Unpublished(ctx context.Context, after int64, limit int) (page []Outgoing, next int64, err error)

	// MarkPublished takes the messages at positions off the outbox and keeps
	// last, which replaces what was kept for the same places, checkpoints
	// excepted that are nil. It is atomic. Positions that are not in the outbox are
	// passed over. It is called only for messages that the broker has confirmed.
	MarkPublished(ctx context.Context, positions []int64, last []Published) error

	// Published returns what MarkPublished keeps, in the order of places. There is
	// one for each place of the broker, so that their number does not grow with
	// the number of events.
	Published(ctx context.Context) ([]Published, error)

	// Refuse notes that the broker refuses the message at position, and why. The
	// message stays in the outbox, and it and the later messages of its stream
	// wait until Readmit takes it back. It is due for that after pause, by the
	// store's clock. A position that is not in the outbox is passed over.
	Refuse(ctx context.Context, position int64, reason string, pause time.Duration) error

	// Readmit ends the wait of refused messages: of those that are due, or of
	// all. It returns the smallest of their positions, so that a relay can go
	// back to it, and 0 when there are none.
	Readmit(ctx context.Context, all bool) (first int64, err error)

	// Refused returns up to limit refused messages with a position greater than
	// after, in ascending order of position.
	Refused(ctx context.Context, after int64, limit int) ([]Refused, error)
}

// Outgoing is a message on its way to a broker.
type Outgoing struct {
	Message
	// Previous is the ID of the event before in the stream, empty at version 1.
	Previous string
	// Attempts is how often a broker has refused the message.
	Attempts int
}

// Published is what a relay has published at one of a broker's places. A place is
// where messages keep their order, such as a partition of a topic; the broker
// names it.
type Published struct {
	Place string
	Topic string
	// Position is the highest of the messages that were confirmed there.
	Position int64
	// MessageID is the broker's ID of the message that lies last at the place. It
	// can have a smaller position, when it was refused before or published again.
	// Empty when there is none.
	MessageID string
	// Token is where the broker keeps that message, in the broker's own words.
	Token string
	// Time is when that message was confirmed. Zero asks MarkPublished for the time
	// of the store's clock.
	Time time.Time
	// Floor is the first position to publish again, because the broker has lost
	// what lies there and behind. 0 when it has lost nothing.
	Floor int64
	// Checkpoints are earlier messages of the place, the oldest first. To
	// MarkPublished nil means that those which are kept stay.
	Checkpoints []Checkpoint
}

// Checkpoint is a message that was found at a place of a broker, and what lies
// before it there. A broker that has it still has those others too, because it
// loses either the end of a place or all of it.
type Checkpoint struct {
	// Position is up to where all messages of the place lie at or before this one,
	// without those that were still in the outbox.
	Position  int64
	MessageID string    // the broker's ID of the message
	Token     string    // where the broker keeps it
	Time      time.Time // when it was confirmed; zero as in Published
}

// Refused is a message that a broker refuses.
type Refused struct {
	Message
	Error    string    // the broker's reason
	Attempts int       // how often it was refused
	Since    time.Time // when it was refused last
	RetryAt  time.Time // when it is due for another attempt
}
