package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Partition divides event_store into parts by ranges of positions, so that old
// parts can be moved to cheaper storage ([MovePart]). Call it again from time to
// time, more often than every positions are drawn: it makes sure that there are
// parts ahead of the log. The last part has no end, so that appends go on if nobody
// calls it; a call that comes so late reads that part while it is locked.
//
// The first call makes event_store a partitioned table whose first part is the
// table as it was, with room for every more events, and for ten million at least. It
// reads the table while appends go on; each call then locks it for a moment. A lock
// that it does not get within two seconds is an error: nothing is changed, and
// another call can be luckier. If the process of the first call is killed, call
// Partition again: until then, the table takes no more than these events.
//
// From then on the table stream_versions has the version of each stream, and each
// append moves it on. That makes versions unique over all parts
// (docs/adr/0012); it costs an append one more write. There is no way back.
//
// Rights that were granted on event_store must be granted again, on event_store
// and stream_versions, so call it in the role of the programs.
func Partition(ctx context.Context, pool *pgxpool.Pool, config Config, every int64) error {
	if every < 1 {
		panic(fmt.Sprintf("postgres.Partition: every is %d: give the number of positions of a part, such as 10_000_000", every))
	}
	if _, err := Open(ctx, pool, config); err != nil {
		return err
	}
	server, err := check(ctx, pool, config)
	if err != nil {
		return err
	}
	p := partitioning{pool: pool, schema: server.schema, every: every, room: firstRoom}
	return p.run(ctx)
}

func (p *partitioning) run(ctx context.Context) error {
	parted, err := p.parted(ctx)
	if err == nil && !parted {
		err = p.begin(ctx)
	}
	if err == nil {
		err = p.lead(ctx)
	}
	if err != nil {
		return fmt.Errorf("partition event_store: %w", err)
	}
	return nil
}

type partitioning struct {
	pool   *pgxpool.Pool
	schema string
	every  int64
	room   int64 // of the first part, if every is less
}

func (p *partitioning) in(text string) string { return qualify(p.schema, text) }

const partedSQL = `SELECT relkind = 'p' FROM pg_catalog.pg_class WHERE oid = $1::regclass`

func (p *partitioning) parted(ctx context.Context) (parted bool, err error) {
	err = p.pool.QueryRow(ctx, partedSQL, p.in(`{schema}.event_store`)).Scan(&parted)
	return parted, err
}

// locked runs f while nobody else can read or write event_store, in one
// transaction, and after all who have written to it have ended.
func (p *partitioning) locked(ctx context.Context, f func(tx pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, p.pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
		if err := p.exec(ctx, tx, `SET LOCAL lock_timeout = '2s'`); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1, hashtext($2))`, int32(migrationLock), p.schema); err != nil {
			return err
		}
		if err := p.exec(ctx, tx, `LOCK TABLE {schema}.event_store IN ACCESS EXCLUSIVE MODE`); err != nil {
			return err
		}
		return f(tx)
	})
}

func (p *partitioning) exec(ctx context.Context, db querier, statements ...string) error {
	for _, statement := range statements {
		if _, err := db.Exec(ctx, p.in(statement), pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}
	}
	return nil
}

// streamVersionsSQL gets its primary key once the name of the constraint that
// conflicts are known by is free.
const streamVersionsSQL = `
CREATE TABLE {schema}.stream_versions (
	category  text COLLATE "C" NOT NULL,
	stream_id text COLLATE "C" NOT NULL,
	version   bigint           NOT NULL
) WITH (fillfactor = 80)`

// advanceVersionsSQL is called once for each statement that adds events. It moves
// each stream from the version before its first new event to that of its last. The
// row of the stream has its latest version even where the snapshot of the
// transaction is older: then the statement fails.
const advanceVersionsSQL = `
CREATE FUNCTION {schema}.advance_stream_versions() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	added record;
BEGIN
	FOR added IN
		SELECT category, stream_id, min(version) AS first, max(version) AS last, count(DISTINCT version) AS versions, count(*) AS events
		FROM inserted GROUP BY category, stream_id
	LOOP
		IF added.events = added.versions AND added.events = added.last - added.first + 1 THEN
			IF added.first = 1 THEN
				INSERT INTO {schema}.stream_versions VALUES (added.category, added.stream_id, added.last);
				CONTINUE;
			END IF;
			UPDATE {schema}.stream_versions AS s SET version = added.last
			WHERE s.category = added.category AND s.stream_id = added.stream_id AND s.version = added.first - 1;
			CONTINUE WHEN FOUND;
		END IF;
		RAISE EXCEPTION 'versions % to % of stream % of % do not follow its last', added.first, added.last, added.stream_id, added.category
			USING ERRCODE = 'unique_violation', CONSTRAINT = 'event_store_stream_version';
	END LOOP;
	RETURN NULL;
END
$$`

// firstRoom is for how many events the first part has room at least, so that
// the constraint which is checked beforehand never refuses one.
const firstRoom = 10_000_000

// dropRangeSQL ends what a first call has begun.
const dropRangeSQL = `ALTER TABLE {schema}.event_store DROP CONSTRAINT IF EXISTS event_store_range`

// begin makes event_store a partitioned table whose first part is the table as it
// was. A constraint that is checked beforehand spares a look at all rows under
// the lock.
func (p *partitioning) begin(ctx context.Context) (err error) {
	var settled, end int64
	err = p.locked(ctx, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, p.in(lastSQL)).Scan(&settled); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, drawnSQL, pgx.Identifier{p.schema, "event_store"}.Sanitize()).Scan(&end); err != nil {
			return err
		}
		end += max(p.every, p.room) + 1
		return p.exec(ctx, tx,
			`DROP TABLE IF EXISTS {schema}.stream_versions`, dropRangeSQL, // of a call that was interrupted
			fmt.Sprintf(`ALTER TABLE {schema}.event_store ADD CONSTRAINT event_store_range CHECK (position < %d) NOT VALID`, end))
	})
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			err = errors.Join(err, p.exec(ctx, p.pool, dropRangeSQL))
		}
	}()
	if err := p.exec(ctx, p.pool, `ALTER TABLE {schema}.event_store VALIDATE CONSTRAINT event_store_range`, streamVersionsSQL); err != nil {
		return err
	}
	if _, err := p.pool.Exec(ctx, p.in(`INSERT INTO {schema}.stream_versions
		SELECT category, stream_id, max(version) FROM {schema}.event_store WHERE position <= $1 GROUP BY category, stream_id`), settled); err != nil {
		return err
	}
	if err := p.exec(ctx, p.pool, `CREATE UNIQUE INDEX stream_versions_pkey ON {schema}.stream_versions (category, stream_id)`); err != nil {
		return err
	}
	return p.locked(ctx, func(tx pgx.Tx) error {
		if err := p.swap(ctx, tx, settled, end); err != nil {
			return err
		}
		return p.addPart(ctx, tx, 2, end)
	})
}

const drawnSQL = `SELECT coalesce(pg_sequence_last_value(pg_get_serial_sequence($1, 'position')::regclass), 0)`

// swap puts a partitioned table in the place of event_store. Behind the lock of
// begin, all up to the position settled was committed and is in stream_versions.
// The first part ends before the position end.
func (p *partitioning) swap(ctx context.Context, tx pgx.Tx, settled, end int64) error {
	_, err := tx.Exec(ctx, p.in(`
		INSERT INTO {schema}.stream_versions
		SELECT category, stream_id, max(version) FROM {schema}.event_store WHERE position > $1 GROUP BY category, stream_id
		ON CONFLICT (category, stream_id) DO UPDATE SET version = excluded.version`), settled)
	if err != nil {
		return err
	}
	var sequence string
	var last int64
	var drawn bool
	table := pgx.Identifier{p.schema, "event_store"}.Sanitize()
	if err := tx.QueryRow(ctx, `SELECT pg_get_serial_sequence($1, 'position')`, table).Scan(&sequence); err != nil {
		return err
	}
	if err := tx.QueryRow(ctx, `SELECT last_value, is_called FROM `+sequence).Scan(&last, &drawn); err != nil {
		return err
	}
	if err := p.exec(ctx, tx, advanceVersionsSQL,
		`DROP TRIGGER event_store_append_only ON {schema}.event_store`,
		`DROP TRIGGER event_store_no_truncate ON {schema}.event_store`,
		`ALTER TABLE {schema}.event_store ALTER COLUMN position DROP IDENTITY`,
		`ALTER TABLE {schema}.event_store RENAME CONSTRAINT event_store_stream_version TO event_store_part_1_stream_version`,
		`ALTER TABLE {schema}.event_store RENAME CONSTRAINT event_store_pkey TO event_store_part_1_pkey`,
		`ALTER TABLE {schema}.event_store RENAME TO event_store_part_1`,
		`ALTER TABLE {schema}.stream_versions ADD CONSTRAINT event_store_stream_version PRIMARY KEY USING INDEX stream_versions_pkey`,
		`CREATE TABLE {schema}.event_store (LIKE {schema}.event_store_part_1 INCLUDING ALL EXCLUDING INDEXES EXCLUDING IDENTITY) PARTITION BY RANGE (position)`,
		`ALTER TABLE {schema}.event_store ADD PRIMARY KEY (position)`,
		`ALTER TABLE {schema}.event_store ALTER COLUMN position ADD GENERATED ALWAYS AS IDENTITY`,
		dropRangeSQL, // which came with LIKE
		fmt.Sprintf(`ALTER TABLE {schema}.event_store ATTACH PARTITION {schema}.event_store_part_1 FOR VALUES FROM (MINVALUE) TO (%d)`, end),
		`ALTER TABLE {schema}.event_store_part_1 DROP CONSTRAINT event_store_range`,
		`CREATE TRIGGER event_store_append_only BEFORE UPDATE OR DELETE ON {schema}.event_store FOR EACH ROW EXECUTE FUNCTION {schema}.refuse_change()`,
		guards("event_store"), guards("event_store_part_1")); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `SELECT setval(pg_get_serial_sequence($1, 'position'), $2, $3)`, table, last, drawn)
	return err
}

// guards returns the triggers that each part has of its own. Those of a statement
// are called only for the table that it names.
func guards(table string) string {
	return fmt.Sprintf(`
		CREATE TRIGGER event_store_no_truncate BEFORE TRUNCATE ON {schema}.%[1]s
		FOR EACH STATEMENT EXECUTE FUNCTION {schema}.refuse_change();
		CREATE TRIGGER event_store_versions AFTER INSERT ON {schema}.%[1]s REFERENCING NEW TABLE AS inserted
		FOR EACH STATEMENT EXECUTE FUNCTION {schema}.advance_stream_versions()`, table)
}

// newestPartSQL finds the part without an end: its number, its first position,
// and the last position that was drawn.
const newestPartSQL = `
SELECT substr(c.relname, length('event_store_part_') + 1)::int8,
	substring(pg_get_expr(c.relpartbound, c.oid) FROM 'FROM \(''(\d+)''\)')::int8,
	coalesce(pg_sequence_last_value(pg_get_serial_sequence($1, 'position')::regclass), 0)
FROM pg_catalog.pg_inherits AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid
WHERE i.inhparent = $1::regclass AND pg_get_expr(c.relpartbound, c.oid) LIKE '%TO (MAXVALUE)'`

// lead gives the newest part an end, and begins another behind it, if the log is
// about to come to it. Mostly the part is empty then, and is looked through at once.
func (p *partitioning) lead(ctx context.Context) error {
	table := pgx.Identifier{p.schema, "event_store"}.Sanitize()
	var number, first, drawn int64
	look := func(db querier) (ahead bool, err error) {
		err = db.QueryRow(ctx, newestPartSQL, table).Scan(&number, &first, &drawn)
		return drawn+p.every < first, err
	}
	if ahead, err := look(p.pool); err != nil || ahead {
		return err
	}
	return p.locked(ctx, func(tx pgx.Tx) error {
		if ahead, err := look(tx); err != nil || ahead {
			return err
		}
		part, end := fmt.Sprintf("event_store_part_%d", number), max(first, drawn+1)+p.every
		if err := p.exec(ctx, tx,
			fmt.Sprintf(`ALTER TABLE {schema}.event_store DETACH PARTITION {schema}.%s`, part),
			fmt.Sprintf(`ALTER TABLE {schema}.event_store ATTACH PARTITION {schema}.%s FOR VALUES FROM (%d) TO (%d)`, part, first, end)); err != nil {
			return err
		}
		return p.addPart(ctx, tx, number+1, end)
	})
}

// addPart adds the part without an end.
func (p *partitioning) addPart(ctx context.Context, tx pgx.Tx, number, first int64) error {
	part := fmt.Sprintf("event_store_part_%d", number)
	err := p.exec(ctx, tx, fmt.Sprintf(`
		CREATE TABLE {schema}.%[1]s PARTITION OF {schema}.event_store (CONSTRAINT %[1]s_stream_version UNIQUE (category, stream_id, version))
		FOR VALUES FROM (%[2]d) TO (MAXVALUE) WITH (vacuum_truncate = off)`, part, first))
	if err != nil {
		return err
	}
	if err := p.makeRoom(ctx, tx, part, first); err != nil {
		return err
	}
	return p.exec(ctx, tx, guards(part))
}

// makeRoom leaves some pages in a new part, which have nothing in them. If it is
// analyzed while it has neither rows nor pages, plans scan it, and go on to do so
// while it fills, until it is analyzed again.
func (p *partitioning) makeRoom(ctx context.Context, tx pgx.Tx, part string, first int64) error {
	rows, err := tx.Begin(ctx)
	if err != nil {
		return err
	}
	_, err = rows.Exec(ctx, p.in(fmt.Sprintf(`
		INSERT INTO {schema}.%s (position, category, stream_id, version, event_id, type, content_type, data, time, correlation_id, causation_id, actor)
		SELECT $1::int8 + i, 'none', i, 1, '', '', '', decode(repeat('00', 1800), 'hex'), now(), '', '', '' FROM generate_series(1, 128) AS i`, part)), first)
	return errors.Join(err, rows.Rollback(ctx))
}
