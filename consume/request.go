package consume

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/eventus-go/eventus/store"
)

// Ask stores a request to a consumer and returns its id. It needs the database
// and no connection to the processes that work on the consumer: they find the
// request within a second and store what came of it ([store.Requests]). It
// returns [store.ErrNoConsumer] for a consumer that does not exist.
//
//   - [store.Pause] stops the consumer after the messages in hand, and
//     [store.Resume] lets it go on, also after it was forked.
//   - [store.Redrive] tries parked streams again at once, with no attempts
//     counted. [store.Skip] passes over the first message of a parked stream; it
//     needs a reason.
//   - [store.Rebuild] empties the read model and starts at the beginning.
//   - [store.SetSegments] changes the number of segments, once all of them have
//     come to one place.
//   - [store.Rename] and [store.Remove] are carried out by Ask itself. Stop the
//     consumer's processes first: a process that still has the old name stops
//     with an error.
func Ask[Tx any](ctx context.Context, db store.Consumers[Tx], r store.Request) (id int64, err error) {
	if err := store.CheckRequest(r); err != nil {
		return 0, err
	}
	there, _, err := db.ListConsumers(ctx, r.Consumer)
	if err != nil {
		return 0, err
	}
	if len(there) == 0 {
		return 0, fmt.Errorf("%s consumer %s, generation %d: %w", r.Action, r.Consumer.Name, r.Consumer.Generation, store.ErrNoConsumer)
	}
	if id, err = db.AddRequest(ctx, r); err != nil {
		return 0, err
	}
	if r.Action != store.Rename && r.Action != store.Remove {
		return id, nil
	}
	var refused error
	err = db.InTx(ctx, func(ctx context.Context, tx Tx) error {
		outcome := "removed"
		if _, _, err := db.LockConsumer(ctx, tx, r.Consumer); err != nil {
			return err
		}
		if r.Action == store.Remove {
			if err := db.DeleteConsumer(ctx, tx, r.Consumer); err != nil {
				return err
			}
		} else {
			refused = db.RenameConsumer(ctx, tx, r.Consumer, r.NewName)
			if outcome = "renamed to " + r.NewName; errors.Is(refused, store.ErrConsumerExists) {
				outcome = fmt.Sprintf("refused: %s exists already", r.NewName)
			} else if refused != nil {
				return refused
			}
		}
		_, err := db.FinishRequest(ctx, tx, id, outcome)
		return err
	})
	if err != nil {
		closeRequest(ctx, db, id, err)
	}
	if err = errors.Join(err, refused); err != nil {
		return id, fmt.Errorf("%s consumer %s: %w", r.Action, r.Consumer.Name, err)
	}
	return id, nil
}

// closeRequest stores that a request has failed, so that it does not stay pending:
// nobody else would carry it out.
func closeRequest[Tx any](ctx context.Context, db store.Consumers[Tx], id int64, cause error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	// Without the row, the caller still has the error.
	_ = db.InTx(ctx, func(ctx context.Context, tx Tx) error {
		_, err := db.FinishRequest(ctx, tx, id, "failed: "+cause.Error())
		return err
	})
}

// answer carries out the requests about parked streams, which need no lock on
// the consumer, and returns the others.
func (m *member[Tx]) answer(ctx context.Context, pending []store.Request) (others []store.Request, err error) {
	for _, r := range pending {
		switch r.Action {
		case store.Redrive:
			err = m.finish(ctx, r, func(ctx context.Context, tx Tx) (string, error) {
				n, err := m.db.RedriveParked(ctx, tx, m.id, r.Stream)
				return fmt.Sprintf("%d streams are tried again", n), err
			})
		case store.Skip:
			err = m.finish(ctx, r, func(ctx context.Context, tx Tx) (string, error) { return m.skip(ctx, tx, r) })
		case store.Rename, store.Remove: // Ask carries them out
		default:
			others = append(others, r)
		}
		if err != nil {
			return nil, fmt.Errorf("request %d, %s: %w", r.ID, r.Action, err)
		}
	}
	if len(others) < len(pending) {
		for _, w := range m.workers {
			w.poke()
		}
	}
	return others, nil
}

// finish carries out a request and stores its outcome in one transaction, unless
// another member was first.
func (m *member[Tx]) finish(ctx context.Context, r store.Request, do func(ctx context.Context, tx Tx) (string, error)) error {
	finished, outcome := false, ""
	ctx, cancel := context.WithTimeout(ctx, m.cfg.LeaseDuration/2)
	defer cancel()
	err := m.db.InTx(ctx, func(ctx context.Context, tx Tx) (err error) {
		if outcome, err = do(ctx, tx); err != nil {
			return err
		}
		finished, err = m.db.FinishRequest(ctx, tx, r.ID, outcome)
		if err == nil && !finished {
			return errAnswered
		}
		return err
	})
	if errors.Is(err, errAnswered) {
		return nil
	}
	if err == nil {
		m.logRequest(r, outcome)
	}
	return err
}

// errAnswered rolls back what another member has done already.
var errAnswered = errors.New("the request was answered by another member")

func (m *member[Tx]) logRequest(r store.Request, outcome string) {
	m.log.Info("request carried out", slog.Int64("request", r.ID), slog.String("action", string(r.Action)),
		slog.String("actor", r.Actor), slog.String("outcome", outcome))
}

// skip passes over the first message of a parked stream. Its row stays: whoever
// has the segment finds out what is next.
func (m *member[Tx]) skip(ctx context.Context, tx Tx, r store.Request) (outcome string, err error) {
	rows, err := m.db.FindParked(ctx, tx, m.id, []store.Stream{r.Stream})
	if err != nil {
		return "", err
	}
	if len(rows) == 0 {
		return "refused: the stream is not parked", nil
	}
	p := rows[0]
	if p.Reason == store.Forked {
		return "refused: the stream is forked; rebuild the consumer", nil
	}
	if p.Reason == store.Waiting && p.Error == "" && p.Attempts == 0 {
		return fmt.Sprintf("refused: version %d, which is next, has not failed", p.Version), nil
	}
	outcome = fmt.Sprintf("version %d was passed over; its error was: %s", p.Version, p.Error)
	p.Version, p.Position, p.EventID = p.Version+1, 0, ""
	p.Reason, p.Error, p.Attempts = store.Waiting, "", 0
	return outcome, m.db.SetParked(ctx, tx, p, 0)
}

// carryOut does what operators ask of the consumer as a whole. The consumer is
// locked in tx, and the caller saves c. What another member has carried out before
// this one got the lock is passed over.
func (m *member[Tx]) carryOut(ctx context.Context, tx Tx, c *store.Consumer, requests []store.Request) error {
	for _, r := range requests {
		outcome, change := "", func() {}
		switch r.Action {
		case store.Pause:
			outcome, change = "paused", func() { c.Paused = true }
		case store.Resume:
			outcome, change = "resumed", func() {
				c.Paused = false
				for i := range c.Segments {
					c.Segments[i].Forked = ""
				}
			}
		case store.SetSegments:
			outcome = fmt.Sprintf("%d segments instead of %d, once they have come to one place", r.Segments, len(c.Segments))
			change = func() { c.NextSegments, c.MeetAt = r.Segments, 0 }
		case store.Rebuild:
			if c.Rebuild != 0 {
				continue // one is under way, and its last step finishes the request
			}
			if outcome = m.mayRebuild(); outcome == "" {
				if err := m.beginRebuild(ctx, c, r.ID); err != nil {
					return err
				}
				continue
			}
		default:
			continue
		}
		finished, err := m.db.FinishRequest(ctx, tx, r.ID, outcome)
		if err != nil {
			return err
		}
		if finished {
			change()
			m.logRequest(r, outcome)
		}
	}
	return nil
}

// beginRebuild marks a rebuild as under way, unless it is done already.
func (m *member[Tx]) beginRebuild(ctx context.Context, c *store.Consumer, request int64) error {
	pending, err := m.db.PendingRequests(ctx, m.id)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(pending, func(r store.Request) bool { return r.ID == request }) {
		c.Rebuild = request
	}
	return nil
}

// mayRebuild says why this program cannot rebuild the consumer, if it cannot.
func (m *member[Tx]) mayRebuild() string {
	switch {
	case m.outside:
		return "refused: the consumer has effects outside of the database, which a rebuild would repeat"
	case m.reset == nil:
		return "refused: the program does not say how the read model is emptied; add consume.OnReset"
	}
	return ""
}

// rebuild takes the second step of a rebuild, or the first. The first voids all
// claims, so that no batch can commit any more. The second empties the read
// model and sets the consumer back, in one transaction: until it commits, nobody
// can claim a segment.
func (m *member[Tx]) rebuild(ctx context.Context, tx Tx, c store.Consumer) error {
	claimed, epoch := false, int64(0)
	for i := range c.Segments {
		s := &c.Segments[i]
		claimed = claimed || s.Owner != ""
		s.Owner = ""
		s.Epoch++
		epoch = max(epoch, s.Epoch)
	}
	if claimed {
		m.nudge()
		return m.db.SaveConsumer(ctx, tx, c)
	}
	if err := m.reset(ctx, tx); err != nil {
		return fmt.Errorf("rebuild: empty the read model: %w", err)
	}
	request := c.Rebuild
	c.Rebuild, c.MeetAt, c.NextSegments = 0, 0, 0
	c.Categories, c.Start = m.categories(), Beginning.String()
	c.Segments = newSegments(len(c.Segments), store.Progress{}, epoch+1)
	if err := m.db.DeleteConsumer(ctx, tx, c.ConsumerID); err != nil {
		return err
	}
	if _, err := m.db.CreateConsumer(ctx, tx, c); err != nil {
		return err
	}
	if _, err := m.db.FinishRequest(ctx, tx, request, "the read model was emptied; it is built again from the beginning of the log"); err != nil {
		return err
	}
	m.nudge()
	m.log.Info("the read model was emptied and is built again", slog.Int64("request", request))
	return nil
}
