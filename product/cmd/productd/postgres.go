package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/eventus-go/eventus/product"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/postgres"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// openPostgres opens a database that any number of processes share, after it has
// brought the tables up to date.
func openPostgres(ctx context.Context, url string) (*database[pgx.Tx], error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("-postgres: %w; want for example postgres://user:password@host:5432/database", err)
	}
	if !strings.Contains(url, "pool_max_conns") {
		cfg.MaxConns = 16 // pgx's own is 4 on a small machine: a few requests would hold up relay and projection
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("-postgres: %w", err)
	}
	d := &database[pgx.Tx]{ping: pool.Ping, close: pool.Close}
	if d.events, d.views, err = openPostgresTables(ctx, pool); err != nil {
		d.close()
		if errors.Is(err, store.ErrNewerSchema) {
			return nil, fmt.Errorf("-postgres: %w; run the newer productd, or choose another database", err)
		}
		return nil, fmt.Errorf("-postgres: %w", err)
	}
	return d, nil
}

func openPostgresTables(ctx context.Context, pool *pgxpool.Pool) (*postgres.Store, *product.PostgresViews, error) {
	if err := postgres.Migrate(ctx, pool, postgres.Config{}); err != nil {
		return nil, nil, err
	}
	events, err := postgres.Open(ctx, pool, postgres.Config{})
	if err != nil {
		return nil, nil, err
	}
	views, err := product.OpenPostgresViews(ctx, pool)
	return events, views, err
}
