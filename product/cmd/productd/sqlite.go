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

// openSQLite opens a file, which belongs to this process alone.
func openSQLite(ctx context.Context, file string) (*database[*sql.Tx], error) {
	db, err := sql.Open("sqlite", sqlite.DSN(file))
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", file, err)
	}
	const connections = 16 // opening one costs more than a read, so they stay
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	d := &database[*sql.Tx]{ping: db.PingContext, close: func() { _ = db.Close() }}
	if d.events, err = sqlite.Open(ctx, db); err == nil {
		d.views, err = product.OpenSQLiteViews(ctx, db)
	}
	if err != nil {
		d.close()
		if errors.Is(err, store.ErrNewerSchema) {
			return nil, fmt.Errorf("open database %s: %w; run the newer productd, or choose another folder by -data", file, err)
		}
		return nil, fmt.Errorf("open database %s: %w; repair it, or choose another folder by -data", file, err)
	}
	return d, nil
}
