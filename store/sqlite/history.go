package sqlite

import (
	"context"
	"fmt"
)

// History implements [store.Identity].
func (s *Store) History(ctx context.Context) (id string, err error) {
	if err := s.db.QueryRowContext(ctx, `SELECT id FROM history`).Scan(&id); err != nil {
		return "", fmt.Errorf("read the id of the history: %w", err)
	}
	return id, nil
}
