package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/google/uuid"
	"github.com/modernice/goes/aggregate"
	"github.com/modernice/goes/aggregate/repository"
	"github.com/modernice/goes/backend/postgres"
	"github.com/modernice/goes/codec"
	goesevent "github.com/modernice/goes/event"
)

// goesOrder is an order as an aggregate of goes.
type goesOrder struct {
	*aggregate.Base
	state
}

func newGoesOrder(id uuid.UUID) *goesOrder {
	o := &goesOrder{Base: aggregate.New(category, id)}
	goesevent.ApplyWith(o, func(e goesevent.Of[item]) { o.add(e.Data()) }, eventType)
	return o
}

// openGoes returns an event store of goes on a new database.
func openGoes(ctx context.Context, l *lab, connections int) (*postgres.EventStore, error) {
	database, err := l.database(ctx)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(database)
	if err != nil {
		return nil, err
	}
	query := u.Query()
	query.Set("pool_max_conns", fmt.Sprint(connections))
	u.RawQuery = query.Encode()
	registry := codec.New()
	codec.Register[item](registry, eventType)
	s := postgres.NewEventStore(registry, postgres.URL(u.String()), postgres.Database(strings.TrimPrefix(u.Path, "/")))
	if err := s.Connect(ctx); err != nil {
		return nil, err
	}
	l.atEnd(func() error { s.Pool().Close(); return nil })
	return s, nil
}

// openGoesSave saves with goes.
func openGoesSave(writers, events int) opener {
	return func(ctx context.Context, l *lab) (contender, error) {
		s, err := openGoes(ctx, l, max(writers, 4))
		if err != nil {
			return contender{}, err
		}
		repo := repository.New(s)
		aggregates := make([]*goesOrder, writers)
		return contender{name: "goes", role: peer, note: "no outbox", measure: rate(writers, events, func(ctx context.Context, worker int) error {
			a := aggregates[worker]
			if a == nil || a.AggregateVersion() >= streamLength {
				a = newGoesOrder(uuid.New())
				aggregates[worker] = a
			}
			for n := range events {
				aggregate.Next(a, eventType, newItem(n))
			}
			return repo.Save(ctx, a)
		})}, nil
	}
}

// openGoesLoad loads with goes.
func openGoesLoad(ctx context.Context, l *lab) (contender, error) {
	s, err := openGoes(ctx, l, 4)
	if err != nil {
		return contender{}, err
	}
	repo := repository.New(s)
	saved := newGoesOrder(uuid.New())
	for n := range batch {
		aggregate.Next(saved, eventType, newItem(n))
	}
	if err := repo.Save(ctx, saved); err != nil {
		return contender{}, err
	}
	if _, err := s.Pool().Exec(ctx, "VACUUM ANALYZE"); err != nil {
		return contender{}, err
	}
	return contender{name: "goes", role: peer, measure: rate(1, batch, func(ctx context.Context, _ int) error {
		a := newGoesOrder(saved.AggregateID())
		if err := repo.Fetch(ctx, a); err != nil {
			return err
		}
		return wantCount(a.Count)
	})}, nil
}
