package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// MovePart moves a part of event_store, by its number, to a tablespace. Programs
// append and read meanwhile: the part is copied, which needs room for two of it,
// and the table is locked for two moments. As for [Partition], a lock that is not
// had within two seconds is an error. After an error the part is where it was.
//
// It refuses a part that the log has not left behind. Rows that somebody inserts
// by hand into an old part while it is moved are lost.
func MovePart(ctx context.Context, pool *pgxpool.Pool, config Config, number int64, tablespace string) error {
	if _, err := Open(ctx, pool, config); err != nil {
		return err
	}
	server, err := check(ctx, pool, config)
	if err != nil {
		return err
	}
	p := partitioning{pool: pool, schema: server.schema}
	if err := p.move(ctx, number, pgx.Identifier{tablespace}.Sanitize()); err != nil {
		return fmt.Errorf("move part %d of event_store to tablespace %s: %w", number, tablespace, err)
	}
	return nil
}

// partSQL finds a part that has an end: its bounds, the first one MINVALUE for
// the first part, and whether the log has left it behind.
const partSQL = `
SELECT coalesce(substring(b.bound FROM 'FROM \(''(\d+)''\)'), 'MINVALUE'), b.upper, b.upper::int8 <= pg_sequence_last_value(pg_get_serial_sequence($1, 'position')::regclass)
FROM pg_catalog.pg_inherits AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid,
	LATERAL (SELECT pg_get_expr(c.relpartbound, c.oid)) AS e (bound),
	LATERAL (SELECT e.bound, substring(e.bound FROM 'TO \(''(\d+)''\)')) AS b (bound, upper)
WHERE i.inhparent = $1::regclass AND c.relname = $2 AND b.upper IS NOT NULL`

func (p *partitioning) move(ctx context.Context, number int64, tablespace string) (err error) {
	part := fmt.Sprintf("event_store_part_%d", number)
	var from, to string
	var left bool
	err = p.pool.QueryRow(ctx, partSQL, pgx.Identifier{p.schema, "event_store"}.Sanitize(), part).Scan(&from, &to, &left)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return errors.New("there is no such part that has an end: call postgres.Partition, and choose one that pg_inherits lists")
	case err != nil:
		return err
	case !left:
		return fmt.Errorf("the log has not left it behind: wait for position %s", to)
	}
	// Behind the lock nobody has drawn a position of this part and not committed it.
	const drop = `DROP TABLE IF EXISTS {schema}.event_store_moving`
	if err := p.locked(ctx, func(tx pgx.Tx) error { return p.exec(ctx, tx, drop) }); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			err = errors.Join(err, p.exec(ctx, p.pool, drop))
		}
	}()
	bounds := fmt.Sprintf("position < %s", to)
	if from != "MINVALUE" {
		bounds += " AND position >= " + from
	}
	if err := p.exec(ctx, p.pool,
		fmt.Sprintf(`CREATE TABLE {schema}.event_store_moving (LIKE {schema}.%s INCLUDING ALL EXCLUDING INDEXES) TABLESPACE %s`, part, tablespace),
		fmt.Sprintf(`INSERT INTO {schema}.event_store_moving SELECT * FROM {schema}.%s ORDER BY position`, part),
		fmt.Sprintf(`ALTER TABLE {schema}.event_store_moving
			ADD CONSTRAINT event_store_moving_pkey PRIMARY KEY (position) USING INDEX TABLESPACE %[1]s,
			ADD CONSTRAINT event_store_moving_stream_version UNIQUE (category, stream_id, version) USING INDEX TABLESPACE %[1]s,
			ADD CONSTRAINT event_store_range CHECK (%[2]s)`, tablespace, bounds),
		`VACUUM (FREEZE, ANALYZE) {schema}.event_store_moving`); err != nil {
		return err
	}
	return p.locked(ctx, func(tx pgx.Tx) error {
		return p.exec(ctx, tx,
			fmt.Sprintf(`ALTER TABLE {schema}.event_store DETACH PARTITION {schema}.%s`, part),
			fmt.Sprintf(`DROP TABLE {schema}.%s`, part),
			fmt.Sprintf(`ALTER TABLE {schema}.event_store_moving RENAME CONSTRAINT event_store_moving_pkey TO %s_pkey`, part),
			fmt.Sprintf(`ALTER TABLE {schema}.event_store_moving RENAME CONSTRAINT event_store_moving_stream_version TO %s_stream_version`, part),
			fmt.Sprintf(`ALTER TABLE {schema}.event_store_moving RENAME TO %s`, part),
			fmt.Sprintf(`ALTER TABLE {schema}.event_store ATTACH PARTITION {schema}.%s FOR VALUES FROM (%s) TO (%s)`, part, from, to),
			fmt.Sprintf(`ALTER TABLE {schema}.%s DROP CONSTRAINT event_store_range`, part),
			guards(part))
	})
}
