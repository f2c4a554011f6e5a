package main

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
)

// bareTable has the columns and keys of event_store. It has no
// triggers, no checksum and no outbox.
const bareTable = `CREATE TABLE events (
	position       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	category       text COLLATE "C" NOT NULL,
	stream_id      text COLLATE "C" NOT NULL,
	version        bigint           NOT NULL,
	event_id       text COLLATE "C" NOT NULL,
	type           text COLLATE "C" NOT NULL,
	content_type   text COLLATE "C" NOT NULL,
	data           bytea            NOT NULL,
	time           timestamptz      NOT NULL,
	correlation_id text             NOT NULL,
	causation_id   text             NOT NULL,
	actor          text             NOT NULL,
	metadata       jsonb,
	UNIQUE (category, stream_id, version))`

const bareInsert = `
INSERT INTO events (category, stream_id, version, event_id, type, content_type, data, time, correlation_id, causation_id, actor)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, '', '', '') RETURNING position`

// bareEvents inserts events in plain pgx.
type bareEvents struct{ *pgxpool.Pool }

func openBare(ctx context.Context, l *lab, connections int) (bareEvents, error) {
	pool, err := l.newPool(ctx, connections)
	if err != nil {
		return bareEvents{}, err
	}
	_, err = pool.Exec(ctx, bareTable)
	return bareEvents{pool}, err
}

// insert adds one event in a statement, which is a transaction, of its own.
func (b bareEvents) insert(ctx context.Context, stream string, version int64) error {
	data, err := json.Marshal(newItem(int(version)))
	if err != nil {
		return err
	}
	var position int64
	return b.QueryRow(ctx, bareInsert, category, stream, version, newID(), eventType, "application/json", data, time.Now()).Scan(&position)
}

// newID returns a UUIDv7, as Eventus does for its events.
func newID() string { return uuid.Must(uuid.NewV7()).String() }

// streamLength is the number of events after which a writer starts a new stream.
const streamLength = 100

// place is the stream and version of a writer's next event.
type place struct {
	stream  string
	version int64
}

func (p *place) next() {
	if p.stream == "" || p.version == streamLength {
		*p = place{stream: newID()}
	}
	p.version++
}
