package postgres

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"
)

// PartitionWithRoom is Partition with a first part that has room for some events.
func PartitionWithRoom(ctx context.Context, pool *pgxpool.Pool, every, room int64) error {
	server, err := check(ctx, pool, Config{})
	if err != nil {
		return err
	}
	p := partitioning{pool: pool, schema: server.schema, every: every, room: room}
	return p.run(ctx)
}
