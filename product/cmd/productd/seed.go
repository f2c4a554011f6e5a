package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/product"
	"github.com/eventus-go/eventus/store"
	"github.com/nats-io/nats.go"
)

const seedID = "widget"

// seed creates a first product and tells of its way from the command to the
// query. It looks at each station itself: what it logs has happened.
type seed[Tx any] struct {
	log      *slog.Logger
	commands product.Commands
	queries  product.Queries
	db       *database[Tx]
	conn     *nats.Conn
}

func (s seed[Tx]) plant(ctx context.Context) error {
	// What is published to JetStream, this connection sees as well.
	published, err := s.conn.SubscribeSync("eventus." + product.Products.Category() + ".*")
	if err != nil {
		return err
	}
	defer published.Unsubscribe()

	command := product.CreateProduct{ID: seedID, Name: "Widget", Price: product.Money{Amount: 1299, Currency: "EUR"}}
	version, err := s.commands.CreateProduct.Handle(eventus.WithActor(ctx, "seed"), command)
	if errors.Is(err, product.ErrExists) {
		s.log.Info("the first product is there already", slog.String("id", seedID))
		return nil
	}
	if err != nil {
		return err
	}
	s.log.Info("1. command accepted: CreateProduct", slog.String("id", command.ID),
		slog.String("name", command.Name), slog.Int64("amount", command.Price.Amount), slog.String("currency", command.Price.Currency))
	return s.follow(ctx, version, published)
}

// follow tells what became of the command.
func (s seed[Tx]) follow(ctx context.Context, version int64, published *nats.Subscription) error {
	stream := product.Products.Stream(seedID)
	stored, err := s.db.events.Read(ctx, stream, version-1, 1)
	if err != nil || len(stored) != 1 {
		return fmt.Errorf("version %d of %s is not stored: %w", version, stream, errors.Join(err, eventus.ErrNotFound))
	}
	event := stored[0]
	s.log.Info("2. event stored, with its outbox row, in one transaction", slog.String("table", "event_store"),
		slog.String("type", event.Type), slog.Int64("version", event.Version), slog.String("event_id", event.ID))

	subject, err := subjectOf(ctx, published, event)
	if err != nil {
		return err
	}
	s.log.Info("3. relay published the event to JetStream", slog.String("subject", subject), slog.String("event_id", event.ID))

	mark, err := s.waitForMark(ctx, event)
	if err != nil {
		return err
	}
	s.log.Info("4. projection applied the event and marked it as handled, in one transaction", slog.String("table", "inbox"),
		slog.String("consumer", consumer), slog.Int64("mark", mark))

	row, err := s.db.views.Get(ctx, seedID)
	if err != nil {
		return err
	}
	s.log.Info("5. row written", slog.String("table", "product_views"), slog.String("id", row.ID),
		slog.Int64("version", row.Version), slog.Int64("changes", row.Changes))

	view, err := s.queries.GetProductByID.Handle(ctx, product.GetProductByID{ID: seedID})
	if err != nil {
		return err
	}
	s.log.Info("6. query answered: GetProductByID", slog.String("id", view.ID), slog.String("name", view.Name),
		slog.Int64("amount", view.Price.Amount), slog.String("currency", view.Price.Currency))
	return nil
}

// subjectOf waits until the event is published and returns its subject.
func subjectOf(ctx context.Context, published *nats.Subscription, event store.Message) (string, error) {
	for {
		m, err := published.NextMsgWithContext(ctx)
		if err != nil {
			return "", fmt.Errorf("wait for the event to be published: %w", err)
		}
		if m.Header.Get("ce-id") == event.ID {
			return m.Subject, nil
		}
	}
}

// waitForMark waits until the projection has handled the event.
func (s seed[Tx]) waitForMark(ctx context.Context, event store.Message) (int64, error) {
	for {
		var mark store.Mark
		err := s.db.events.InTx(ctx, func(ctx context.Context, tx Tx) error {
			marks, err := s.db.events.Marks(ctx, tx, consumer, []store.Stream{event.Stream})
			if err == nil {
				mark = marks[0]
			}
			return err
		})
		if err != nil || mark.Version >= event.Version {
			return mark.Version, err
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}
