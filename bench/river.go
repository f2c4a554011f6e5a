package main

import (
	"context"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// job is an order as a job of river.
type job struct{ item }

func (job) Kind() string { return eventType }

// openRiverSave inserts a job for each order.
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
