package eventus

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/eventus-go/eventus/store"
	"github.com/sethvargo/go-retry"
)

// Update loads the aggregate, lets decide look at it and record events, and
// saves them. It returns the aggregate as it is after that: with its version a
// client can wait for a read model or send its next command ([Expect]). An id
// without events gives decide an aggregate at version 0.
//
// When another writer was first, the whole is done again on the fresh state:
// decide may run several times, each time on a new aggregate, and has no
// effects of its own. After the last try ([WithRetries]) Update returns
// [ErrConflict]. Over a store that is bound to a transaction of the caller
// ([store.Bound]) there is one try: the transaction is the caller's to run
// again. An error of decide is returned as it is, and nothing is written; nor
// is anything when decide records nothing. An append of unknown outcome is
// repeated as in [Repository.Save].
//
// Updates of one aggregate that are called at the same time on one repository take
// turns, so that they do not race each other: each decides on what those before it
// have recorded, and one append stores the events of all that waited. An Update
// goes on by itself when no turn was handed on for a second, as while a decide of
// another one does not return.
//
// An Update begins with what the last one on this repository knew of the aggregate,
// if that is kept ([WithCache]), and not with a load. Its append proves that the
// store has the same. If it has not, or if decide records nothing or returns an
// error, decide runs again on what the store has.
func (r *Repository[A]) Update(ctx context.Context, id string, decide func(A) error, opts ...UpdateOption) (a A, err error) {
	u := update[A]{repository: r, id: id, decide: decide}
	for _, opt := range opts {
		opt(&u.updateOptions)
	}
	if u.commandID != "" {
		ctx = ContextWithCausationID(ctx, u.commandID)
	}
	attempt := u.inTurn
	if _, bound := r.store.(store.Bound); bound {
		attempt = u.alone
	}
	backoff := retry.NewExponential(r.retryBase)
	backoff = retry.WithFullJitter(retry.WithCappedDuration(maxRetryPause, backoff))
	backoff = retry.WithMaxRetries(uint64(r.maxRetries), backoff)
	var conflict error
	err = retry.Do(ctx, backoff, func(ctx context.Context) (err error) {
		a, err = attempt(ctx)
		raced := (*raceError)(nil)
		for errors.As(err, &raced) && raced.assumed {
			a, err = attempt(ctx) // on what the store has
		}
		if errors.As(err, &raced) {
			conflict = raced.err
			return retry.RetryableError(raced.err)
		}
		return err
	})
	if conflict != nil && ctx.Err() != nil && err == ctx.Err() {
		err = fmt.Errorf("%w, after %w", err, conflict)
	}
	return orNone(a, err)
}

// update is one call of [Repository.Update].
type update[A any] struct {
	repository *Repository[A]
	id         string
	decide     func(A) error
	updateOptions
}

// raceError wraps the error of an attempt that lost against another writer. Update
// tries again.
type raceError struct {
	err     error
	assumed bool // only what an Update before knew was decided on
}

func (e *raceError) Error() string { return e.err.Error() }

// decideOn lets the caller decide, on a new aggregate.
func (u *update[A]) decideOn(a A, c core) error {
	if u.expected != nil && *u.expected != c.version() {
		return fmt.Errorf("save %w", &ConflictError{Stream: c.name(), Expected: store.At(*u.expected), Actual: c.version()})
	}
	return u.decide(a)
}

// alone is an attempt that others may race.
func (u *update[A]) alone(ctx context.Context) (A, error) {
	a, c, p, err := u.repository.load(ctx, u.id)
	if err != nil {
		return a, err
	}
	version, err := u.repeats(ctx, c.name(), c.base().Version, p, nil)
	switch {
	case err != nil:
		return a, err
	case version > 0:
		return u.repository.LoadVersion(ctx, u.id, version)
	}
	if err := u.decideOn(a, c); err != nil {
		return a, err
	}
	err = u.repository.save(ctx, c)
	if u.expected == nil && errors.Is(err, ErrConflict) {
		err = &raceError{err: err}
	}
	return a, err
}

// commandWindow is how many events of an aggregate are looked through for those of
// a command, at least.
const commandWindow = 1000

// repeats returns the version after the events of the command, or 0 if there are
// none. The store has the aggregate at a version: its past, if that is known, and
// what others of the group have recorded on top.
func (u *update[A]) repeats(ctx context.Context, s store.Stream, stored int64, p *past, recorded []store.Message) (int64, error) {
	if u.commandID == "" {
		return 0, nil
	}
	if version := u.among(recorded); version > 0 {
		return version, nil
	}
	unseen := stored
	if p != nil {
		if version := u.among(p.messages); version > 0 {
			return version, nil
		}
		unseen = p.snapshot.Version
	}
	var found int64
	for after := max(0, unseen-commandWindow); after < unseen; {
		page, err := u.repository.store.Read(ctx, s, after, pageSize)
		if err != nil {
			return 0, fmt.Errorf("look for command %q: %w", u.commandID, describe(s, err))
		}
		if version := u.among(page); version > 0 {
			found = version
		}
		if len(page) < pageSize {
			break
		}
		after = page[len(page)-1].Version
	}
	return found, nil
}

// among returns the version of the last message that the command has led to, or 0.
func (u *update[A]) among(messages []store.Message) int64 {
	for _, m := range slices.Backward(messages) {
		if m.Metadata.CausationID == u.commandID {
			return m.Version
		}
	}
	return 0
}
