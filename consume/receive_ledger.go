package consume

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/eventus-go/eventus/store"
)

// ledger is what a transaction knows and changes of the streams of its messages.
type ledger[Tx, E any] struct {
	r      *Receiver[Tx, E]
	tx     Tx
	batch  []*arrival
	called *atomic.Bool // whether a handler was called

	lines  map[store.Stream]*line
	fresh  map[*arrival]bool // events without a version that did not come before
	room   int64
	queued []store.QueuedMessage
	letter []store.DeadLetter

	// For after the commit:
	handled                  []*arrival
	duplicates, passed, left int64
	full                     store.Stream // a stream without room
	types                    []string     // passed by
}

// line is one stream of a ledger.
type line struct {
	store.Mark
	moved bool
	queue store.Queue // the stream's queue, if Reason says that it has one
	added int64       // messages queued in this transaction

	parked     bool // the queue is set by this transaction
	retryAfter time.Duration
}

// run handles the batch in tx.
func (l *ledger[Tx, E]) run(ctx context.Context, tx Tx) error {
	l.tx = tx
	if err := l.open(ctx); err != nil {
		return err
	}
	for _, a := range l.batch {
		if err := l.add(ctx, a); err != nil {
			return err
		}
	}
	return l.close(ctx)
}

// open locks the marks of the batch and looks at queues and keys.
func (l *ledger[Tx, E]) open(ctx context.Context) error {
	r := l.r
	l.lines, l.fresh = make(map[store.Stream]*line, len(l.batch)), make(map[*arrival]bool)
	l.room = r.tally.room(r.cfg.MaxQueued)
	var streams []store.Stream
	for _, a := range l.batch {
		a.left = false
		if l.lines[a.event.Stream] == nil {
			l.lines[a.event.Stream] = &line{}
			streams = append(streams, a.event.Stream)
		}
	}
	marks, err := r.inbox.Marks(ctx, l.tx, r.once.consumer, streams)
	if err != nil {
		return err
	}
	for _, m := range marks {
		line := l.lines[m.Stream]
		line.Mark = m
		if m.Reason != "" {
			if line.queue, _, err = r.inbox.FindQueue(ctx, l.tx, r.once.consumer, m.Stream); err != nil {
				return err
			}
		}
	}
	return l.remember(ctx)
}

// remember looks which events without a version are new. One that may find no
// room is left first: what is remembered must be handled or queued.
func (l *ledger[Tx, E]) remember(ctx context.Context) error {
	var counted []*arrival
	var keys []store.EventKey
	for _, a := range l.batch {
		if !a.counted {
			continue
		}
		if line := l.lines[a.event.Stream]; !l.fits(line, int64(len(l.batch))) {
			l.leave(a)
			continue
		}
		counted, keys = append(counted, a), append(keys, a.key())
	}
	if len(keys) == 0 {
		return nil
	}
	fresh, err := l.r.inbox.Remember(ctx, l.tx, l.r.once.consumer, keys)
	if err != nil {
		return err
	}
	for i, a := range counted {
		l.fresh[a] = fresh[i]
	}
	return nil
}

// fits reports whether a stream's queue has room for more messages.
func (l *ledger[Tx, E]) fits(line *line, more int64) bool {
	return more <= l.room && line.queue.Messages+line.added+more <= int64(l.r.cfg.MaxQueuedPerStream)
}

func (l *ledger[Tx, E]) leave(a *arrival) {
	a.left = true
	l.left++
	l.full = a.event.Stream
}

// add handles a message, or puts it into its stream's queue, or passes it over.
func (l *ledger[Tx, E]) add(ctx context.Context, a *arrival) error {
	line, e := l.lines[a.event.Stream], &a.event
	if a.counted {
		if a.left {
			return nil
		}
		if !l.fresh[a] {
			l.duplicates++
			return nil
		}
		e.Version = max(line.Version, line.queue.Last) + 1
	}
	switch placeOf(line.Mark, e.Version, e.ID, e.Previous) {
	case duplicate:
		l.duplicates++
	case ahead:
		if line.Reason == "" && l.fits(line, 1) {
			l.park(line, store.Queue{Reason: store.Gap, Error: fmt.Sprintf("version %d came, and version %d did not: the broker has lost it, or it is on its way", e.Version, line.Version+1)}, 0)
		}
		l.enqueue(line, a)
	case forked:
		l.fork(line, a)
	case next:
		return l.next(ctx, line, a)
	}
	return nil
}

// fork parks a stream whose message is of another history than its mark.
func (l *ledger[Tx, E]) fork(line *line, a *arrival) {
	e := &a.event
	known := line.Reason == store.Forked
	text := forkText(line.Mark, e.Version, e.ID, e.Previous)
	if !known {
		l.park(line, store.Queue{Reason: store.Forked, Error: text}, 0)
	}
	switch {
	case e.Version > line.Version:
		l.enqueue(line, a)
	case known:
		l.duplicates++
	default:
		letter := l.r.letter(a.delivery, fmt.Errorf("%s", text))
		letter.Message, letter.Source = e.Message, e.Source
		l.letter = append(l.letter, letter)
	}
}

// next handles the message that is next in its stream, unless the stream waits
// for another reason than for this message.
func (l *ledger[Tx, E]) next(ctx context.Context, line *line, a *arrival) error {
	switch {
	case line.Reason != "" && line.Reason != store.Gap:
		l.enqueue(line, a)
		return nil
	case a.refused != nil:
		l.parkWith(line, a, *a.refused, a.retryAfter)
		return nil
	case a.delivery.Attempt() >= suspectDelivery:
		l.parkWith(line, a, store.Queue{Reason: store.Waiting, Error: "the message was delivered before and did not come to an end"}, 0)
		return nil
	}
	m := l.r.plain(a.event.Message)
	typed, known, err := l.r.source.Decode(m)
	if err != nil {
		l.parkWith(line, a, store.Queue{Reason: store.Unknown, Error: err.Error()}, l.r.unknownDelay())
		return nil
	}
	if known {
		l.called.Store(true)
		if err := l.r.once.call(ctx, l.tx, typed); err != nil {
			return &failure{err}
		}
		l.handled = append(l.handled, a)
	} else {
		l.passed++
		l.types = append(l.types, m.Type)
	}
	line.Version, line.EventID, line.moved = a.event.Version, a.event.ID, true
	if line.Reason == store.Gap {
		// It is filled: what waits behind it is due.
		l.park(line, store.Queue{Reason: store.Waiting}, 0)
	}
	return nil
}

// parkWith parks a stream at a message, if there is room for that.
func (l *ledger[Tx, E]) parkWith(line *line, a *arrival, q store.Queue, retryAfter time.Duration) {
	if l.fits(line, 1) {
		l.park(line, q, retryAfter)
	}
	l.enqueue(line, a)
}

// park sets the state of a stream's queue.
func (l *ledger[Tx, E]) park(line *line, q store.Queue, retryAfter time.Duration) {
	q.Consumer, q.Stream, q.Version = l.r.once.consumer, line.Stream, line.Version+1
	q.Messages, q.Last = line.queue.Messages, line.queue.Last
	line.queue, line.Reason, line.parked, line.retryAfter = q, q.Reason, true, retryAfter
}

// enqueue puts a message into its stream's queue, or leaves it to the broker.
func (l *ledger[Tx, E]) enqueue(line *line, a *arrival) {
	if !l.fits(line, 1) {
		l.leave(a)
		return
	}
	l.queued = append(l.queued, store.QueuedMessage{Message: a.event.Message, Source: a.event.Source, Previous: a.event.Previous})
	line.added++
	line.queue.Last = max(line.queue.Last, a.event.Version)
	l.room--
}

// close writes what the ledger has.
func (l *ledger[Tx, E]) close(ctx context.Context) error {
	r := l.r
	var moved []store.Mark
	for _, line := range l.lines {
		if line.moved {
			moved = append(moved, line.Mark)
		}
		if line.parked {
			if err := r.inbox.SetQueue(ctx, l.tx, line.queue, line.retryAfter); err != nil {
				return err
			}
		}
	}
	if err := r.inbox.Enqueue(ctx, l.tx, r.once.consumer, l.queued); err != nil {
		return err
	}
	for _, letter := range l.letter {
		if err := r.inbox.AddDeadLetter(ctx, l.tx, letter); err != nil {
			return err
		}
	}
	return r.inbox.SetMarks(ctx, l.tx, r.once.consumer, moved)
}

// committed counts and logs what has happened.
func (l *ledger[Tx, E]) committed() {
	r := l.r
	r.tally.handled.Add(int64(len(l.handled)))
	r.tally.duplicates.Add(l.duplicates)
	r.tally.unknownTypes.Add(l.passed)
	r.tally.unusable.Add(int64(len(l.letter)))
	r.tally.add(int64(len(l.queued)))
	r.logPassed(l.types)
	for _, line := range l.lines {
		if line.parked {
			r.logParked(line.queue, line.retryAfter)
			if line.Reason.Retries() {
				r.alarm(line.retryAfter)
			}
		}
	}
	if l.left > 0 {
		why := fmt.Sprintf("the inbox has no room for messages of %s: redrive or skip what is parked, or raise MaxQueued and MaxQueuedPerStream", l.full)
		if r.tally.leave(l.left, why) {
			r.log.Error("receiver is degraded: messages are left to the broker, where they hold up others", slog.String("cause", why))
		}
	}
	if r.log.Enabled(context.Background(), slog.LevelDebug) {
		for _, a := range l.handled {
			r.log.Debug("handled", slog.String("id", a.event.Stream.ID), slog.Int64("version", a.event.Version), slog.String("type", a.event.Type))
		}
	}
}

// plain returns a message with the category that its source knows.
func (r *Receiver[Tx, E]) plain(m store.Message) store.Message {
	m.Stream.Category = r.source.Category()
	return m
}

// unknownDelay is the pause before an unknown event is tried again. It varies, so
// that each of several programs has its turn, the one that knows the event too.
func (r *Receiver[Tx, E]) unknownDelay() time.Duration {
	longest := r.once.policy.MaxDelay
	return longest/2 + rand.N(longest/2+1)
}

func (r *Receiver[Tx, E]) logPassed(types []string) {
	for _, name := range types {
		if r.tally.first("type", name) {
			r.log.Warn("messages of a type that the table does not declare pass by", slog.String("type", name))
		}
	}
}

// logParked logs that a stream has stopped flowing. A queue without an error
// goes on at once.
func (r *Receiver[Tx, E]) logParked(q store.Queue, retryAfter time.Duration) {
	if q.Error == "" {
		return
	}
	level := slog.LevelWarn
	if q.Reason == store.Gap {
		level = slog.LevelInfo // see gapAlarm
	}
	if q.Reason == store.Forked || q.Reason == store.Poison {
		level = slog.LevelError
	}
	r.log.Log(context.Background(), level, "stream is parked", slog.String("id", q.Stream.ID), slog.Int64("version", q.Version),
		slog.String("reason", string(q.Reason)), slog.Int("attempts", q.Attempts), slog.String("error", q.Error),
		slog.String("next", cmp.Or(map[bool]string{true: "tried again in " + retryAfter.String()}[q.Reason.Retries()], remedies[q.Reason])))
}

// remedies say what ends a state that does not end by itself.
var remedies = map[store.Reason]string{
	store.Gap:    "waits for the missing event; skip it if it is lost",
	store.Poison: "redrive the stream when the cause is mended, or skip the message",
	store.Forked: "rebuild the consumer, or skip the message",
}
