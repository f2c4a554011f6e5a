package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/eventus-go/eventus/store"
)

const readSQL = `
SELECT ` + messageColumns + ` FROM event_store
WHERE category = ? AND stream_id = ? AND version > ?
ORDER BY version LIMIT ?`

// Read implements [store.Reader].
func (s *Store) Read(ctx context.Context, stream store.Stream, after int64, limit int) ([]store.Message, error) {
	return read(ctx, s.statements.read, stream, after, limit)
}

func read(ctx context.Context, statement *sql.Stmt, stream store.Stream, after int64, limit int) ([]store.Message, error) {
	if err := stream.Check(); err != nil {
		return nil, err
	}
	// SQLite takes a negative limit for none.
	rows, err := statement.QueryContext(ctx, stream.Category, stream.ID, after, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", stream, err)
	}
	page, err := scanMessages(rows)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", stream, err)
	}
	return page, nil
}

const readAllSQL = `
SELECT ` + messageColumns + ` FROM event_store
WHERE position > ?
ORDER BY position LIMIT ?`

// ReadAll implements [store.Log]. Positions are drawn by the one transaction
// that holds the database's write lock, so they are committed in their order.
func (s *Store) ReadAll(ctx context.Context, after int64, limit int) ([]store.Message, error) {
	rows, err := s.statements.readAll.QueryContext(ctx, after, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("read the log after %d: %w", after, err)
	}
	page, err := scanMessages(rows)
	if err != nil {
		return nil, fmt.Errorf("read the log after %d: %w", after, err)
	}
	return page, nil
}
