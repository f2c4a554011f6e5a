package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/consume"
	"github.com/eventus-go/eventus/outbox"
	"github.com/eventus-go/eventus/product"
	"github.com/eventus-go/eventus/store"
	"github.com/nats-io/nats.go"
)

const seedID = "widget"

// seed creates a first product and logs its way from the command to the query.
// It looks at each station itself: what it logs has happened.
type seed[Tx any] struct {
	log      *slog.Logger
	commands product.Commands
	queries  product.Queries
	db       *database[Tx]
	conn     *nats.Conn
	prefix   string // of the subjects
	relay    *outbox.Relay
	follower *consume.Follower[Tx]
}

func (s seed[Tx]) plant(ctx context.Context) error {
	// This connection gets what is published to JetStream as well.
	published, err := s.conn.SubscribeSync(s.prefix + "." + product.Products.Category() + ".*")
	if err != nil {
		return err
	}
	defer published.Unsubscribe()

	command := product.CreateProduct{ID: seedID, Name: "Widget", Price: product.Money{Amount: 1299, Currency: "EUR"}}
	p, err := s.commands.CreateProduct(eventus.ContextWithActor(ctx, "seed"), command)
	if errors.Is(err, product.ErrExists) {
		s.log.Info("the first product is there already", slog.String("id", seedID))
		return nil
	}
	if err != nil {
		return err
	}
	s.log.Info("1. command accepted: CreateProduct", slog.String("id", command.ID),
		slog.String("name", command.Name), slog.Int64("amount", command.Price.Amount), slog.String("currency", command.Price.Currency))
	return s.trace(ctx, p.Version(), published)
}

// trace logs what became of the command.
func (s seed[Tx]) trace(ctx context.Context, version int64, published *nats.Subscription) error {
	stream := product.Products.Stream(seedID)
	stored, err := s.db.events.Read(ctx, stream, version-1, 1)
	if err != nil || len(stored) != 1 {
		return fmt.Errorf("version %d of %s is not stored: %w", version, stream, errors.Join(err, eventus.ErrNotFound))
	}
	event := stored[0]
	s.log.Info("2. event stored, with its outbox row, in one transaction", slog.String("table", "event_store"),
		slog.String("type", event.Type), slog.Int64("version", event.Version), slog.String("event_id", event.ID))

	if err := s.tracePublished(ctx, published, event); err != nil {
		return err
	}
	position, err := s.waitForPosition(ctx, event)
	if errors.Is(err, consume.ErrNotFollowed) {
		s.log.Warn("4. event is stored, and the projection does not come to it", slog.Any("error", err))
		return nil // commands need no read model
	}
	if err != nil {
		return err
	}
	s.log.Info("4. projection applied the event and moved its position, in one transaction", slog.String("table", "consumer_segments"),
		slog.String("consumer", consumer), slog.Int64("position", position))

	row, err := s.db.views.Get(ctx, seedID)
	if err != nil {
		return err
	}
	s.log.Info("5. row written", slog.String("table", "product_views"), slog.String("id", row.ID),
		slog.Int64("version", row.Version), slog.Int64("changes", row.Changes))

	view, err := s.queries.GetProductByID(ctx, product.GetProductByID{ID: seedID})
	if err != nil {
		return err
	}
	s.log.Info("6. query answered: GetProductByID", slog.String("id", view.ID), slog.String("name", view.Name),
		slog.Int64("amount", view.Price.Amount), slog.String("currency", view.Price.Currency))
	return nil
}

// tracePublished waits until the event is published. Nothing else needs the
// broker: while it cannot be reached, the event stays in the outbox and its way
// goes on.
func (s seed[Tx]) tracePublished(ctx context.Context, published *nats.Subscription, event store.Message) error {
	for {
		m, err := published.NextMsg(50 * time.Millisecond)
		switch {
		case err == nil && m.Header.Get("ce-id") == event.ID:
			s.log.Info("3. relay published the event to JetStream", slog.String("subject", m.Subject), slog.String("event_id", event.ID))
			return nil
		case err == nil:
		case ctx.Err() != nil:
			return ctx.Err()
		case !s.conn.IsConnected() || s.relay.State().Err != nil:
			s.log.Warn("3. event waits in the outbox until JetStream can be reached", slog.String("table", "outbox"), slog.String("event_id", event.ID))
			return nil
		case !errors.Is(err, nats.ErrTimeout):
			return fmt.Errorf("wait for the event to be published: %w", err)
		}
	}
}

// waitForPosition waits until the projection has handled the event, and returns
// the position of the segment that has come to it.
func (s seed[Tx]) waitForPosition(ctx context.Context, event store.Message) (int64, error) {
	if err := s.follower.Wait(ctx, event.Stream, event.Version); err != nil {
		return 0, err
	}
	state, err := s.follower.State(ctx)
	if err != nil {
		return 0, err
	}
	for _, segment := range state.Segments {
		if segment.Position >= event.Position {
			return segment.Position, nil
		}
	}
	return 0, fmt.Errorf("consumer %s has handled position %d, and no segment of it is there", consumer, event.Position)
}
