package main

import (
	"context"
	"encoding/json"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	watermillnats "github.com/ThreeDotsLabs/watermill-nats/v2/pkg/nats"
	watermillsql "github.com/ThreeDotsLabs/watermill-sql/v4/pkg/sql"
	"github.com/ThreeDotsLabs/watermill/components/forwarder"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go/jetstream"
)

// forwarderTopic is the topic that watermill's forwarder reads from PostgreSQL.
const forwarderTopic = "forwarder"

func makeForwarderTable(ctx context.Context, pool *pgxpool.Pool) error {
	statements, err := watermillsql.DefaultPostgreSQLSchema{}.SchemaInitializingQueries(watermillsql.SchemaInitializingQueriesParams{Topic: forwarderTopic})
	if err != nil {
		return err
	}
	for _, s := range statements {
		if _, err := pool.Exec(ctx, s.Query, s.Args...); err != nil {
			return err
		}
	}
	return nil
}

// newForwarderPublisher returns a publisher into the forwarder's table.
func newForwarderPublisher(db watermillsql.ContextExecutor) (*forwarder.Publisher, error) {
	p, err := watermillsql.NewPublisher(db, watermillsql.PublisherConfig{SchemaAdapter: watermillsql.DefaultPostgreSQLSchema{}}, watermill.NopLogger{})
	if err != nil {
		return nil, err
	}
	return forwarder.NewPublisher(p, forwarder.PublisherConfig{ForwarderTopic: forwarderTopic}), nil
}

// openWatermillSave inserts an event and, in the same transaction, a message for the
// forwarder. This is the outbox of watermill's documentation.
func openWatermillSave(writers int) opener {
	return func(ctx context.Context, l *lab) (contender, error) {
		bare, err := openBare(ctx, l, writers)
		if err != nil {
			return contender{}, err
		}
		if err := makeForwarderTable(ctx, bare.Pool); err != nil {
			return contender{}, err
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
				publisher, err := newForwarderPublisher(watermillsql.TxFromPgx(tx))
				if err != nil {
					return err
				}
				return publisher.Publish(category, message.NewMessage(id, data))
			})
		})}, nil
	}
}

// forwarded is the number of messages in the forwarder's backlog. It is smaller than
// the relay's, because the forwarder needs more time for each message.
const forwarded = 2000

// openForwarder measures watermill's forwarder from PostgreSQL to JetStream.
func openForwarder(ctx context.Context, l *lab) (contender, error) {
	pool, err := l.newPool(ctx, 8)
	if err != nil {
		return contender{}, err
	}
	if err := makeForwarderTable(ctx, pool); err != nil {
		return contender{}, err
	}
	nc, err := l.nats()
	if err != nil {
		return contender{}, err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return contender{}, err
	}
	stream, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: category, Subjects: []string{category}})
	if err != nil {
		return contender{}, err
	}
	publisher, err := newForwarderPublisher(watermillsql.BeginnerFromPgx(pool))
	if err != nil {
		return contender{}, err
	}
	total := uint64(0)
	return contender{name: "watermill forwarder", role: peer, measure: batches(forwarded, func(ctx context.Context) (time.Duration, error) {
		messages := make([]*message.Message, forwarded)
		for n := range messages {
			data, err := json.Marshal(newItem(n))
			if err != nil {
				return 0, err
			}
			messages[n] = message.NewMessage(newID(), data)
		}
		if err := publisher.Publish(category, messages...); err != nil {
			return 0, err
		}
		total += forwarded
		return forward(ctx, pool, nc.ConnectedUrl(), func() (bool, error) {
			info, err := stream.Info(ctx)
			return err == nil && info.State.Msgs >= total, err
		})
	})}, nil
}

// forward runs a forwarder until the messages have arrived.
func forward(ctx context.Context, pool *pgxpool.Pool, natsURL string, arrived func() (bool, error)) (time.Duration, error) {
	out, err := watermillnats.NewPublisher(watermillnats.PublisherConfig{URL: natsURL, JetStream: watermillnats.JetStreamConfig{TrackMsgId: true}}, watermill.NopLogger{})
	if err != nil {
		return 0, err
	}
	in, err := watermillsql.NewSubscriber(watermillsql.BeginnerFromPgx(pool), watermillsql.SubscriberConfig{
		SchemaAdapter: watermillsql.DefaultPostgreSQLSchema{}, OffsetsAdapter: watermillsql.DefaultPostgreSQLOffsetsAdapter{},
		InitializeSchema: true, PollInterval: 10 * time.Millisecond,
	}, watermill.NopLogger{})
	if err != nil {
		return 0, err
	}
	f, err := forwarder.NewForwarder(in, out, watermill.NopLogger{}, forwarder.Config{ForwarderTopic: forwarderTopic})
	if err != nil {
		return 0, err
	}
	start := time.Now()
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	for done := false; !done; {
		select {
		case err := <-ended:
			return 0, err
		case <-time.After(time.Millisecond):
		}
		if done, err = arrived(); err != nil {
			return 0, err
		}
	}
	took := time.Since(start)
	if err := f.Close(); err != nil { // closes in and out too
		return 0, err
	}
	return took, <-ended
}
