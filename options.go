package eventus

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
)

// Option configures a [Repository].
type Option func(*options)

// maxRetryPause bounds the pause between the tries of an Update.
const maxRetryPause = 50 * time.Millisecond

type options struct {
	snapshotEvery  int64
	snapshotSchema int
	cacheBytes     int
	maxRetries     int
	retryBase      time.Duration
	clock          func() time.Time
	newID          func() string
	logger         *slog.Logger
}

func defaultOptions() options {
	return options{
		snapshotSchema: 1,
		cacheBytes:     32 << 20,
		maxRetries:     100,
		retryBase:      time.Millisecond,
		clock:          time.Now,
		newID:          newEventID,
		logger:         slog.New(slog.DiscardHandler),
	}
}

// check says what is wrong with the options, and what to do.
func (o *options) check() string {
	switch {
	case o.snapshotEvery < 0:
		return fmt.Sprintf("WithSnapshotEvery(%d): give a number of events, or leave it out", o.snapshotEvery)
	case o.snapshotSchema < 1:
		return fmt.Sprintf("WithSnapshotVersion(%d): versions begin at 1", o.snapshotSchema)
	case o.snapshotSchema > 1 && o.snapshotEvery == 0:
		return fmt.Sprintf("WithSnapshotVersion(%d) without WithSnapshotEvery: there are no snapshots", o.snapshotSchema)
	case o.cacheBytes < 0:
		return fmt.Sprintf("WithCache(%d): give a number of bytes, or 0 to keep nothing", o.cacheBytes)
	case o.maxRetries < 0 || o.retryBase <= 0:
		return fmt.Sprintf("WithRetries(%d, %v): give 0 or more retries, and a pause of more than 0", o.maxRetries, o.retryBase)
	case o.clock == nil, o.newID == nil, o.logger == nil:
		return "a clock, a source of ids or a logger is nil; leave the option out for the default"
	}
	return ""
}

// newEventID returns a UUIDv7 (RFC 9562): ids made later sort later, which
// keeps an index on them compact.
func newEventID() string { return uuid.Must(uuid.NewV7()).String() }

// WithSnapshotEvery makes the repository store a snapshot of the state whenever a
// save takes an aggregate past a multiple of n events, and load from it. The
// default is 0: no snapshots. A load that had to replay n events or more, because
// there was no usable snapshot, stores one too, without waiting for it. The state
// must survive the definition's codec: unexported fields do not.
//
// A snapshot is a cache. One that cannot be read means a replay, and one that
// cannot be written is logged and fails no save.
func WithSnapshotEvery(n int) Option {
	return func(o *options) { o.snapshotEvery = int64(n) }
}

// WithSnapshotVersion declares the version of the state's shape; the default is 1.
// Raise it when the state or an Apply changes: snapshots of another version are
// not read.
func WithSnapshotVersion(version int) Option {
	return func(o *options) { o.snapshotSchema = version }
}

// WithCache sets about how many bytes of stored events and snapshots the repository
// keeps of the aggregates that [Repository.Update] has changed last, so that their
// next Update needs no load. The default is 32 MiB; 0 keeps nothing. What is kept
// may be old, because another process has changed the aggregate or a backup was
// restored: Update finds that out, at the cost of an append in vain.
func WithCache(bytes int) Option {
	return func(o *options) { o.cacheBytes = bytes }
}

// WithRetries sets how often [Repository.Update] tries again after a conflict, and
// the longest pause before the first retry. It doubles for each further one, up
// to 50 ms, and each pause is a random part of it, so that the losers of one
// race do not meet again. The default is 100 retries from 1 ms, about two and a
// half seconds; 0 retries is one try.
func WithRetries(limit int, base time.Duration) Option {
	return func(o *options) { o.maxRetries, o.retryBase = limit, base }
}

// WithClock sets the source of [Message.Time]; the default is [time.Now].
func WithClock(now func() time.Time) Option {
	return func(o *options) { o.clock = now }
}

// WithIDs sets the source of [Message.ID]; the default makes UUIDv7. Ids must be
// unique in the whole world.
func WithIDs(newID func() string) Option {
	return func(o *options) { o.newID = newID }
}

// WithLogger sets where the repository tells of snapshots that failed; the
// default is nowhere.
func WithLogger(logger *slog.Logger) Option {
	return func(o *options) { o.logger = logger }
}

// UpdateOption configures one [Repository.Update].
type UpdateOption func(*updateOptions)

type updateOptions struct {
	expected  *int64
	commandID string
}

// Expect makes [Repository.Update] go ahead only when the aggregate is at the
// version that the caller has seen, in a form or an ETag for example; 0 expects
// that it does not exist. An aggregate at another version gives
// [ErrConflict] at once: no second try could make the caller's view fresh.
func Expect(version int64) UpdateOption {
	return func(o *updateOptions) { o.expected = &version }
}

// CommandID names the command that an [Repository.Update] carries out, so that it
// can be repeated: after an error, after [ErrOutcomeUnknown], by a client that got
// no answer. If the aggregate has events of the command already, Update stores
// nothing, does not call decide, and returns the version after them, whatever
// [Expect] says. Events of a command carry its id as their causation id. A handler
// that is called again for a message gives the message's id.
//
// A repetition is recognized among the last 1,000 events of the aggregate, or all
// of them if it has fewer. A command that has recorded nothing is decided again. An
// id is unique among the commands of an aggregate; an empty one names none.
func CommandID(id string) UpdateOption {
	return func(o *updateOptions) { o.commandID = id }
}

// HistoryOption configures one [History].
type HistoryOption func(*historyOptions)

type historyOptions struct {
	after int64
}

// AfterVersion makes [History] begin behind a version; the default is 0.
func AfterVersion(version int64) HistoryOption {
	return func(o *historyOptions) { o.after = version }
}
