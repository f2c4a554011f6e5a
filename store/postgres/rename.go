package postgres

import (
	"cmp"
	"context"
	"fmt"

	"github.com/eventus-go/eventus/store"
	"github.com/jackc/pgx/v5"
)

// What somebody parked for a consumer that was deleted makes room.
const (
	makeRoomSQL = `
DELETE FROM {schema}.parked_streams WHERE consumer = $1 AND generation = $2
	AND NOT EXISTS (SELECT FROM {schema}.consumers WHERE name = $1 AND generation = $2)`

	renameConsumerSQL = `
WITH renamed AS (
	INSERT INTO {schema}.consumers (name, generation, categories, start, created_at, paused, renamed_to, meet_at, next_segments, rebuild)
	SELECT $3::text, generation, categories, start, created_at, paused, renamed_to, meet_at, next_segments, rebuild
	FROM {schema}.consumers WHERE name = $1 AND generation = $2
	ON CONFLICT (name, generation) DO NOTHING
	RETURNING name
), old AS (
	UPDATE {schema}.consumers SET renamed_to = r.name, paused = false, meet_at = 0, next_segments = 0, rebuild = 0
	FROM renamed AS r WHERE consumers.name = $1 AND generation = $2
), segments AS (
	UPDATE {schema}.consumer_segments SET consumer = r.name FROM renamed AS r WHERE consumer = $1 AND generation = $2
), members AS (
	UPDATE {schema}.consumer_members AS m SET consumer = r.name FROM renamed AS r WHERE consumer = $1 AND generation = $2
), parked AS (
	UPDATE {schema}.parked_streams SET consumer = r.name FROM renamed AS r WHERE consumer = $1 AND generation = $2
), requests AS (
	UPDATE {schema}.consumer_requests SET consumer = r.name FROM renamed AS r WHERE consumer = $1 AND generation = $2
)
SELECT EXISTS (SELECT FROM {schema}.consumers WHERE name = $1 AND generation = $2), EXISTS (SELECT FROM renamed)`
)

// RenameConsumer implements [store.Consumers], in one round trip.
func (s *Store) RenameConsumer(ctx context.Context, tx pgx.Tx, id store.ConsumerID, name string) error {
	if err := cmp.Or(store.CheckConsumerID(id), store.CheckConsumer(name)); err != nil {
		return err
	}
	generation := int64(id.Generation)
	var found, renamed bool
	batch := &pgx.Batch{}
	batch.Queue(s.statements.lockConsumer, id.Name, generation)
	batch.Queue(s.statements.lockParkedStreams, id.Name, generation)
	batch.Queue(s.statements.lockSegments, id.Name, generation)
	batch.Queue(s.statements.makeRoom, name, generation)
	batch.Queue(s.statements.renameConsumer, id.Name, generation, name).QueryRow(func(row pgx.Row) error {
		return row.Scan(&found, &renamed)
	})
	switch err := tx.SendBatch(ctx, batch).Close(); {
	case err != nil:
		return fmt.Errorf("rename consumer %s to %s: %w", id.Name, name, err)
	case !found:
		return store.ErrNoConsumer
	case !renamed:
		return store.ErrConsumerExists
	}
	return nil
}
