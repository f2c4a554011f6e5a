package postgres

import (
	"context"
	"fmt"
)

const historySQL = `SELECT id FROM {schema}.history`

// History implements [store.Identity].
func (s *Store) History(ctx context.Context) (id string, err error) {
	if err := s.pool.QueryRow(ctx, s.statements.history).Scan(&id); err != nil {
		return "", fmt.Errorf("read the id of the history: %w", err)
	}
	return id, nil
}
