package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"

	"github.com/eventus-go/eventus/store"
)

// renameConsumerSQL gives what belongs to a consumer to another name. Rows that
// the new name has of a consumer that was deleted give way.
var renameConsumerSQL = []string{
	`UPDATE consumers SET name = ?3 WHERE name = ?1 AND generation = ?2`,
	`UPDATE OR REPLACE consumer_segments SET name = ?3 WHERE name = ?1 AND generation = ?2`,
	`UPDATE OR REPLACE consumer_members SET name = ?3 WHERE name = ?1 AND generation = ?2`,
	`UPDATE OR REPLACE parked_streams SET name = ?3 WHERE name = ?1 AND generation = ?2`,
	`UPDATE consumer_requests SET name = ?3 WHERE name = ?1 AND generation = ?2`,
	`INSERT INTO consumers (name, generation, categories, start, created_at, paused, renamed_to, meet_at, next_segments, rebuild)
		SELECT ?1, generation, categories, start, created_at, 0, ?3, 0, 0, 0 FROM consumers WHERE name = ?3 AND generation = ?2`,
}

const hasConsumerSQL = `SELECT EXISTS (SELECT 1 FROM consumers WHERE name = ? AND generation = ?)`

// RenameConsumer implements [store.Consumers].
func (s *Store) RenameConsumer(ctx context.Context, tx *sql.Tx, id store.ConsumerID, name string) error {
	if err := cmp.Or(checkConsumer(ctx, tx, id), store.CheckConsumer(name)); err != nil {
		return err
	}
	if err := rename(ctx, tx, id, name); err != nil {
		return fmt.Errorf("rename consumer %s to %s: %w", describe(id), name, err)
	}
	return nil
}

func rename(ctx context.Context, tx *sql.Tx, id store.ConsumerID, name string) error {
	var exists, taken bool
	if err := tx.QueryRowContext(ctx, hasConsumerSQL, id.Name, id.Generation).Scan(&exists); err != nil {
		return err
	}
	if !exists {
		return store.ErrNoConsumer
	}
	if err := tx.QueryRowContext(ctx, hasConsumerSQL, name, id.Generation).Scan(&taken); err != nil {
		return err
	}
	if taken {
		return store.ErrConsumerExists
	}
	for _, statement := range renameConsumerSQL {
		if _, err := tx.ExecContext(ctx, statement, id.Name, id.Generation, name); err != nil {
			return err
		}
	}
	return nil
}
