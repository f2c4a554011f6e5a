package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/eventus-go/eventus"
	"github.com/eventus-go/eventus/store/sqlite"
	goccy "github.com/goccy/go-json"
)

func sqliteFigures() []figure {
	var figures []figure
	for _, c := range []struct {
		writers int
		goal    float64
	}{{1, 0.9}, {64, 8}} {
		figures = append(figures, figure{
			name:    fmt.Sprintf("sqlite/save-%d", c.writers),
			title:   fmt.Sprintf("SQLite: Save of one event, writers: %d", c.writers),
			unit:    "events/s",
			ofLimit: c.goal,
			open: func(ctx context.Context, l *lab) ([]contender, error) {
				return opened(ctx, l, openSQLiteSave(c.writers), openBareSQLiteSave(c.writers))
			},
		})
	}
	return append(figures, figure{
		name:    "sqlite/load",
		title:   "SQLite: load of 1,000 events",
		unit:    "events/s",
		ofLimit: 0.9,
		open:    sqliteLoads,
	})
}

// openSQLite returns a repository on a new database.
func openSQLite(ctx context.Context, l *lab) (*eventus.Repository[*order], *sql.DB, error) {
	db, err := l.sqlite(16)
	if err != nil {
		return nil, nil, err
	}
	s, err := sqlite.Open(ctx, db)
	if err != nil {
		return nil, nil, err
	}
	return eventus.NewRepository(s, orders), db, nil
}

func openSQLiteSave(writers int) opener {
	return func(ctx context.Context, l *lab) (contender, error) {
		repo, _, err := openSQLite(ctx, l)
		if err != nil {
			return contender{}, err
		}
		return contender{name: "Eventus", role: ours, measure: rate(writers, 1, saver(repo, writers, 1))}, nil
	}
}

const bareSQLiteTable = `CREATE TABLE events (
	position     INTEGER PRIMARY KEY AUTOINCREMENT,
	category     TEXT    NOT NULL,
	stream_id    TEXT    NOT NULL,
	version      INTEGER NOT NULL,
	event_id     TEXT    NOT NULL,
	type         TEXT    NOT NULL,
	content_type TEXT    NOT NULL,
	data         BLOB    NOT NULL,
	time         INTEGER NOT NULL,
	UNIQUE (category, stream_id, version))`

const bareSQLiteInsert = `
INSERT INTO events (category, stream_id, version, event_id, type, content_type, data, time) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`

// openBareSQLiteSave inserts each event in a transaction of its own. It has one
// connection, because SQLite has one writer at a time.
func openBareSQLiteSave(writers int) opener {
	return func(ctx context.Context, l *lab) (contender, error) {
		db, err := l.sqlite(1)
		if err != nil {
			return contender{}, err
		}
		if _, err := db.ExecContext(ctx, bareSQLiteTable); err != nil {
			return contender{}, err
		}
		insert, err := db.PrepareContext(ctx, bareSQLiteInsert)
		if err != nil {
			return contender{}, err
		}
		places := make([]place, writers)
		return contender{name: "bare INSERT", role: limit, note: "one table: no outbox, no checksum", measure: rate(writers, 1, func(ctx context.Context, worker int) error {
			p := &places[worker]
			p.next()
			data, err := json.Marshal(newItem(int(p.version)))
			if err != nil {
				return err
			}
			_, err = insert.ExecContext(ctx, category, p.stream, p.version, newID(), eventType, "application/json", data, time.Now().UnixMicro())
			return err
		})}, nil
	}
}

const bareSQLiteSelect = `SELECT version, type, data FROM event_store WHERE category = ? AND stream_id = ? ORDER BY version`

func sqliteLoads(ctx context.Context, l *lab) ([]contender, error) {
	repo, db, err := openSQLite(ctx, l)
	if err != nil {
		return nil, err
	}
	id, err := saveOrder(ctx, repo, batch)
	if err != nil {
		return nil, err
	}
	read, err := db.PrepareContext(ctx, bareSQLiteSelect)
	if err != nil {
		return nil, err
	}
	return []contender{
		{name: "Eventus", role: ours, measure: rate(1, batch, loader(repo, id))},
		{name: "bare, 3 columns", role: limit, note: "JSON that is not strict; reads 3 of 13 columns", measure: rate(1, batch, func(ctx context.Context, _ int) error {
			rows, err := read.QueryContext(ctx, category, id)
			if err != nil {
				return err
			}
			defer rows.Close()
			var s state
			var version int64
			var name string
			var data []byte
			for rows.Next() {
				if err := rows.Scan(&version, &name, &data); err != nil {
					return err
				}
				var e ordered
				if err := goccy.Unmarshal(data, &e); err != nil {
					return err
				}
				e.Apply(&s)
			}
			if err := rows.Err(); err != nil {
				return err
			}
			return wantCount(s.Count)
		})},
	}, nil
}
