package store

import "context"

// Outbox lists the messages that no broker has confirmed yet. Its rows are
// written by [Store.Append], one for each event, in the same transaction.
type Outbox interface {
	// Unpublished returns up to limit messages that are not marked as
	// published, in ascending order of position. Within a stream no message is
	// returned before an unpublished earlier one.
	Unpublished(ctx context.Context, limit int) ([]Message, error)

	// MarkPublished takes the messages at positions off the outbox. Positions
	// that are not in the outbox are passed over. It is called only for
	// messages that the broker has confirmed.
	MarkPublished(ctx context.Context, positions []int64) error

	// Republish puts every message with a position greater than after back
	// into the outbox and returns how many it put back; those that are still
	// there stay and do not count. It is the cure for a broker that lost its
	// disk: consumers know duplicates by their version.
	Republish(ctx context.Context, after int64) (int64, error)
}
