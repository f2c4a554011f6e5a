package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/store"
	"github.com/eventus-go/eventus/store/sqlite"
	_ "modernc.org/sqlite"
)

// prices is the read model, with the inbox beside it in one database.
type prices struct {
	db    *sql.DB
	inbox *sqlite.Store
	wake  chan struct{} // gets a value when there may be a line to print
}

const schemaSQL = `
CREATE TABLE IF NOT EXISTS prices (
	id           TEXT PRIMARY KEY,
	name         TEXT NOT NULL,
	amount       INTEGER NOT NULL,
	currency     TEXT NOT NULL,
	old_amount   INTEGER, -- NULL until the price changes
	old_currency TEXT,
	changed_at   TEXT,
	changes      INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS lines ( -- to be printed
	number INTEGER PRIMARY KEY AUTOINCREMENT,
	line   TEXT NOT NULL
)`

func openPrices(ctx context.Context, file string) (*prices, error) {
	db, err := sql.Open("sqlite", sqlite.DSN(file))
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", file, err)
	}
	p := &prices{db: db, wake: make(chan struct{}, 1)}
	if p.inbox, err = sqlite.Open(ctx, db); err == nil {
		_, err = db.ExecContext(ctx, schemaSQL)
	}
	switch {
	case errors.Is(err, store.ErrNewerSchema):
		err = fmt.Errorf("open database %s: %w; run the newer pricewatch, or choose another folder by -data", file, err)
	case err != nil:
		err = fmt.Errorf("open database %s: %w; repair it, or choose another folder by -data", file, err)
	default:
		return p, nil
	}
	return nil, errors.Join(err, db.Close())
}

func (p *prices) close() { _ = p.db.Close() }

// handle applies an event to the read model. It is called once for each event,
// in the transaction in which the inbox notes that.
func (p *prices) handle(ctx context.Context, tx *sql.Tx, m eventus.Message[event]) error {
	switch e := m.Event.(type) {
	case created:
		_, err := tx.ExecContext(ctx, `INSERT INTO prices (id, name, amount, currency) VALUES (?, ?, ?, ?)`,
			m.Stream.ID, e.Name, e.Price.Amount, e.Price.Currency)
		return err
	case renamed:
		_, err := tx.ExecContext(ctx, `UPDATE prices SET name = ? WHERE id = ?`, e.Name, m.Stream.ID)
		return err
	case repriced:
		return p.reprice(ctx, tx, m, e.Price)
	}
	return nil
}

const repriceSQL = `
UPDATE prices
SET old_amount = amount, old_currency = currency, amount = ?, currency = ?, changed_at = ?, changes = changes + 1
WHERE id = ?
RETURNING id, name, old_amount, old_currency, amount, currency, changed_at, changes`

func (p *prices) reprice(ctx context.Context, tx *sql.Tx, m eventus.Message[event], to money) error {
	c, err := scan(tx.QueryRowContext(ctx, repriceSQL, to.Amount, to.Currency, m.Time.Format(time.RFC3339), m.Stream.ID))
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO lines (line) VALUES (?)`, c.String()); err != nil {
		return err
	}
	select {
	case p.wake <- struct{}{}:
	default: // it has one already
	}
	return nil
}

// change is the last change of a product's price.
type change struct {
	id, name string
	old, now money
	at       string
	times    int64
}

func scan(row interface{ Scan(...any) error }) (c change, err error) {
	err = row.Scan(&c.id, &c.name, &c.old.Amount, &c.old.Currency, &c.now.Amount, &c.now.Currency, &c.at, &c.times)
	return c, err
}

func (c change) String() string {
	return fmt.Sprintf("%s %s %q: %v -> %v (change %d)", c.at, quoted(c.id), c.name, c.old, c.now, c.times)
}

// quoted returns s in quotes if it would not be a word of a line otherwise.
func quoted(s string) string {
	if q := fmt.Sprintf("%q", s); strings.ContainsRune(s, ' ') || q != `"`+s+`"` {
		return q
	}
	return s
}

const listSQL = `
SELECT id, name, old_amount, old_currency, amount, currency, changed_at, changes
FROM prices WHERE changes > 0 ORDER BY id`

// list calls f for each product whose price has changed.
func (p *prices) list(ctx context.Context, f func(change)) error {
	rows, err := p.db.QueryContext(ctx, listSQL)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		c, err := scan(rows)
		if err != nil {
			return err
		}
		f(c)
	}
	return rows.Err()
}
