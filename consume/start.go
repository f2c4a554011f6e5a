package consume

import (
	"context"
	"fmt"
	"time"

	"github.com/eventus-go/eventus/internal/pause"
	"github.com/eventus-go/eventus/store"
)

// Start is where a new consumer begins. A consumer that exists goes on from
// where it was. The zero value is Beginning, except for a consumer with effects
// [Outside] of the database, which has to choose.
type Start struct {
	kind startKind
	at   time.Time
}

type startKind int

const (
	unsaid startKind = iota
	beginning
	fromNow
	fromTime
)

var (
	// Beginning starts with the first message of the log.
	Beginning = Start{kind: beginning}
	// Now starts with what is appended after the consumer was created.
	Now = Start{kind: fromNow}
)

// At starts with the first message that was recorded at t or later. It looks for
// that place by halves, and takes for granted that the times of the log grow.
func At(t time.Time) Start { return Start{kind: fromTime, at: t} }

func (s Start) String() string {
	switch s.kind {
	case fromNow:
		return "now"
	case fromTime:
		return s.at.UTC().Format(time.RFC3339Nano)
	}
	return "beginning"
}

// place returns where in the log a consumer begins. Now blocks while a
// transaction is open that has drawn a position and not committed it.
func (s Start) place(ctx context.Context, log store.Log) (store.Progress, error) {
	switch s.kind {
	case fromNow:
		for {
			head, err := log.Head(ctx)
			if err != nil {
				return store.Progress{}, err
			}
			if head.Settled {
				return store.Progress{Position: head.Position, EventID: head.EventID}, nil
			}
			pause.Wait(ctx, 5*time.Millisecond, nil)
			if err := ctx.Err(); err != nil {
				return store.Progress{}, fmt.Errorf("find the end of the log: an append is under way: %w", err)
			}
		}
	case fromTime:
		return placeBefore(ctx, log, s.at)
	}
	return store.Progress{}, nil
}

// placeBefore returns the last place whose message is older than t.
func placeBefore(ctx context.Context, log store.Log, t time.Time) (store.Progress, error) {
	head, err := log.Head(ctx)
	if err != nil {
		return store.Progress{}, err
	}
	// All up to before is older than t; what comes after beyond is not.
	var before store.Progress
	for beyond := head.Position; before.Position < beyond; {
		middle := before.Position + (beyond-before.Position)/2
		page, err := log.ReadAll(ctx, middle, 1)
		if err != nil {
			return store.Progress{}, err
		}
		if len(page) == 1 && page[0].Time.Before(t) && page[0].Position <= beyond {
			before = store.Progress{Position: page[0].Position, EventID: page[0].ID}
			continue
		}
		beyond = middle
	}
	return before, nil
}
