package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	watermillsql "github.com/ThreeDotsLabs/watermill-sql/v4/pkg/sql"
	"github.com/ThreeDotsLabs/watermill/components/forwarder"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/modernice/goes/aggregate"
	"github.com/modernice/goes/aggregate/repository"
	goespostgres "github.com/modernice/goes/backend/postgres"
	"github.com/modernice/goes/codec"
	goesevent "github.com/modernice/goes/event"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// goesOrder is the order as an aggregate of goes.
type goesOrder struct {
	*aggregate.Base
	state
}

func newGoesOrder(id uuid.UUID) *goesOrder {
	o := &goesOrder{Base: aggregate.New(category, id)}
	goesevent.ApplyWith(o, func(e goesevent.Of[item]) { o.add(e.Data()) }, eventType)
	return o
}

// openGoes returns a store of goes on a new database, with a pool of its own.
func openGoes(ctx context.Context, l *lab, connections int) (*goespostgres.EventStore, error) {
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
	s := goespostgres.NewEventStore(registry, goespostgres.URL(u.String()), goespostgres.Database(strings.TrimPrefix(u.Path, "/")))
	if err := s.Connect(ctx); err != nil {
		return nil, err
	}
	l.atEnd(func() error { s.Pool().Close(); return nil })
	return s, nil
}

// openGoesSave saves aggregates of goes.
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

// openGoesLoad loads an aggregate of goes.
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

// wantCount tells of a load that did less than the others.
func wantCount(got int) error {
	if got != batch {
		return fmt.Errorf("loaded %d events, want %d", got, batch)
	}
	return nil
}

// forwarderTopic is the table in which watermill's forwarder finds what is to go
// to a broker.
const forwarderTopic = "forwarder"

// openWatermillSave inserts an event, and the message for the forwarder in the same
// transaction: the outbox as watermill's documentation has it.
func openWatermillSave(writers int) opener {
	return func(ctx context.Context, l *lab) (contender, error) {
		bare, err := openBare(ctx, l, writers)
		if err != nil {
			return contender{}, err
		}
		schema := watermillsql.DefaultPostgreSQLSchema{}
		statements, err := schema.SchemaInitializingQueries(watermillsql.SchemaInitializingQueriesParams{Topic: forwarderTopic})
		if err != nil {
			return contender{}, err
		}
		for _, s := range statements {
			if _, err := bare.Exec(ctx, s.Query, s.Args...); err != nil {
				return contender{}, err
			}
		}
		places := make([]place, writers)
		return contender{name: "watermill-sql", role: peer, note: "bare INSERT, then its outbox; no check of the version", measure: rate(writers, 1, func(ctx context.Context, worker int) error {
			p := &places[worker]
			p.next()
			return pgx.BeginFunc(ctx, bare, func(tx pgx.Tx) error {
				data, err := json.Marshal(newItem(int(p.version)))
				if err != nil {
					return err
				}
				id := newID()
				if _, err := tx.Exec(ctx, bareInsert, category, p.stream, p.version, id, eventType, "application/json", data, time.Now()); err != nil {
					return err
				}
				publisher, err := watermillsql.NewPublisher(watermillsql.TxFromPgx(tx), watermillsql.PublisherConfig{SchemaAdapter: schema}, watermill.NopLogger{})
				if err != nil {
					return err
				}
				return forwarder.NewPublisher(publisher, forwarder.PublisherConfig{ForwarderTopic: forwarderTopic}).
					Publish(category, message.NewMessage(id, data))
			})
		})}, nil
	}
}

// job is the order as a job of river.
type job struct{ item }

func (job) Kind() string { return eventType }

// openRiverSave inserts jobs of river.
func openRiverSave(writers int) opener {
	return func(ctx context.Context, l *lab) (contender, error) {
		pool, err := l.newPool(ctx, writers)
		if err != nil {
			return contender{}, err
		}
		driver := riverpgxv5.New(pool)
		migrator, err := rivermigrate.New(driver, nil)
		if err != nil {
			return contender{}, err
		}
		if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
			return contender{}, err
		}
		client, err := river.NewClient(driver, &river.Config{})
		if err != nil {
			return contender{}, err
		}
		return contender{name: "river", role: peer, note: "a job alone: no event, no version", measure: rate(writers, 1, func(ctx context.Context, worker int) error {
			_, err := client.Insert(ctx, job{newItem(worker)}, nil)
			return err
		})}, nil
	}
}
