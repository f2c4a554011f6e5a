package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/eventus-go/eventus/store"
)

// now is the store's clock. SQLite has none that is better than the process's.
func now() time.Time { return fromMicros(time.Now().UnixMicro()) }

func fromMicros(at int64) time.Time { return time.UnixMicro(at).UTC() }

const createConsumerSQL = `
INSERT INTO consumers (name, generation, categories, start, created_at, paused, renamed_to, meet_at, next_segments, rebuild)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (name, generation) DO NOTHING`

// CreateConsumer implements [store.Consumers]. A second transaction that creates
// the same consumer blocks because it needs the database's write lock.
func (s *Store) CreateConsumer(ctx context.Context, tx *sql.Tx, c store.Consumer) (created bool, err error) {
	if err := checkConsumer(ctx, tx, c.ConsumerID); err != nil {
		return false, err
	}
	categories, err := json.Marshal(c.Categories)
	if err != nil {
		return false, err
	}
	n, err := change(tx.ExecContext(ctx, createConsumerSQL, c.Name, c.Generation,
		string(categories), c.Start, c.CreatedAt.UnixMicro(), c.Paused, c.RenamedTo, c.MeetAt, c.NextSegments, c.Rebuild))
	if err == nil && n == 1 {
		err = s.replaceParts(ctx, tx, &c)
	}
	if err != nil {
		return false, fmt.Errorf("create consumer %s: %w", describe(c.ConsumerID), err)
	}
	return n == 1, nil
}

const saveConsumerSQL = `
UPDATE consumers SET categories = ?3, start = ?4, created_at = ?5, paused = ?6, renamed_to = ?7, meet_at = ?8,
	next_segments = ?9, rebuild = ?10
WHERE name = ?1 AND generation = ?2`

// SaveConsumer implements [store.Consumers]. It returns [store.ErrNoConsumer]
// for a consumer that does not exist.
func (s *Store) SaveConsumer(ctx context.Context, tx *sql.Tx, c store.Consumer) error {
	if err := checkConsumer(ctx, tx, c.ConsumerID); err != nil {
		return err
	}
	categories, err := json.Marshal(c.Categories)
	if err != nil {
		return err
	}
	n, err := change(tx.StmtContext(ctx, s.statements.saveConsumer).ExecContext(ctx, c.Name, c.Generation,
		string(categories), c.Start, c.CreatedAt.UnixMicro(), c.Paused, c.RenamedTo, c.MeetAt, c.NextSegments, c.Rebuild))
	if err == nil && n == 0 {
		err = store.ErrNoConsumer
	}
	if err == nil {
		err = s.replaceParts(ctx, tx, &c)
	}
	if err != nil {
		return fmt.Errorf("save consumer %s: %w", describe(c.ConsumerID), err)
	}
	return nil
}

const (
	deleteConsumerSQL = `DELETE FROM consumers WHERE name = ? AND generation = ?`
	deleteAllSQL      = `DELETE FROM parked_streams WHERE name = ? AND generation = ?`
)

// DeleteConsumer implements [store.Consumers].
func (s *Store) DeleteConsumer(ctx context.Context, tx *sql.Tx, id store.ConsumerID) error {
	if err := checkConsumer(ctx, tx, id); err != nil {
		return err
	}
	err := s.deleteParts(ctx, tx, id)
	for _, statement := range []string{deleteAllSQL, deleteConsumerSQL} {
		if err == nil {
			_, err = tx.ExecContext(ctx, statement, id.Name, id.Generation)
		}
	}
	if err != nil {
		return fmt.Errorf("delete consumer %s: %w", describe(id), err)
	}
	return nil
}

const advanceSQL = `
UPDATE consumer_segments SET position = ?6, event_id = ?7, trying = ?8, tries = ?9, forked = ?10, lease_until = ?11
WHERE name = ?1 AND generation = ?2 AND segment = ?3 AND epoch = ?4 AND position = ?5`

// Advance implements [store.Consumers].
func (s *Store) Advance(ctx context.Context, tx *sql.Tx, claim store.Claim, to store.Progress, lease time.Duration) error {
	if err := checkConsumer(ctx, tx, claim.Consumer); err != nil {
		return err
	}
	n, err := change(tx.StmtContext(ctx, s.statements.advance).ExecContext(ctx,
		claim.Consumer.Name, claim.Consumer.Generation, claim.Segment, claim.Epoch, claim.Position,
		to.Position, to.EventID, to.Trying, to.Tries, to.Forked, now().Add(lease).UnixMicro()))
	if err == nil && n == 0 {
		err = store.ErrClaimLost
	}
	if err != nil {
		return fmt.Errorf("advance segment %d of consumer %s: %w", claim.Segment, describe(claim.Consumer), err)
	}
	return nil
}

// checkConsumer refuses an id that cannot be, and a transaction in which nothing
// may be written.
func checkConsumer(ctx context.Context, tx *sql.Tx, id store.ConsumerID) error {
	if err := store.CheckConsumerID(id); err != nil {
		return err
	}
	return checkTx(ctx, tx)
}

// describe names a consumer in errors.
func describe(id store.ConsumerID) string {
	if id.Generation == 0 {
		return id.Name
	}
	return fmt.Sprintf("%s, generation %d", id.Name, id.Generation)
}

// change returns the number of rows that a statement has changed.
func change(result sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}
