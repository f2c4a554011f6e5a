package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/eventus-go/eventus/product"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/sqlite"
	_ "modernc.org/sqlite"
)

// database is one SQLite file: events and outbox, inbox, read model.
type database struct {
	sql    *sql.DB
	events *sqlite.Store
	views  *product.SQLiteViews
}

func openDatabase(ctx context.Context, file string) (*database, error) {
	db, err := sql.Open("sqlite", sqlite.DSN(file))
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", file, err)
	}
	const connections = 16 // opening one costs more than a read, so they stay
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	events, views, err := openTables(ctx, db)
	if err != nil {
		_ = db.Close()
		if errors.Is(err, store.ErrNewerSchema) {
			return nil, fmt.Errorf("open database %s: %w; run the newer productd, or choose another folder by -data", file, err)
		}
		return nil, fmt.Errorf("open database %s: %w; repair it, or choose another folder by -data", file, err)
	}
	return &database{db, events, views}, nil
}

func openTables(ctx context.Context, db *sql.DB) (*sqlite.Store, *product.SQLiteViews, error) {
	events, err := sqlite.Open(ctx, db)
	if err != nil {
		return nil, nil, err
	}
	views, err := product.OpenSQLiteViews(ctx, db)
	return events, views, err
}

func (d *database) close() { _ = d.sql.Close() }
