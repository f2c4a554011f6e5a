-- The truth. Rows are only ever added, by the next version of their stream.
CREATE TABLE event_store (
	position       INTEGER PRIMARY KEY AUTOINCREMENT,
	category       TEXT    NOT NULL,
	stream_id      TEXT    NOT NULL,
	version        INTEGER NOT NULL,
	event_id       TEXT    NOT NULL,
	type           TEXT    NOT NULL,
	content_type   TEXT    NOT NULL,
	data           BLOB    NOT NULL,
	time           INTEGER NOT NULL, -- microseconds since 1970, UTC
	correlation_id TEXT    NOT NULL,
	causation_id   TEXT    NOT NULL,
	actor          TEXT    NOT NULL,
	metadata       TEXT,             -- the free fields as a JSON object, NULL when there are none
	UNIQUE (category, stream_id, version)
) STRICT;

CREATE TRIGGER event_store_next_version BEFORE INSERT ON event_store
WHEN NEW.version IS NOT 1 + coalesce((
	SELECT max(version) FROM event_store WHERE category = NEW.category AND stream_id = NEW.stream_id
), 0)
BEGIN
	SELECT raise(ABORT, 'event_store: not the next version of its stream');
END;

CREATE TRIGGER event_store_no_update BEFORE UPDATE ON event_store
BEGIN
	SELECT raise(ABORT, 'event_store is append-only');
END;

CREATE TRIGGER event_store_no_delete BEFORE DELETE ON event_store
BEGIN
	SELECT raise(ABORT, 'event_store is append-only');
END;

-- What no broker has confirmed yet.
CREATE TABLE outbox (
	position INTEGER PRIMARY KEY
) STRICT;

CREATE TABLE snapshots (
	category     TEXT    NOT NULL,
	stream_id    TEXT    NOT NULL,
	schema       INTEGER NOT NULL,
	version      INTEGER NOT NULL,
	content_type TEXT    NOT NULL,
	data         BLOB    NOT NULL,
	UNIQUE (category, stream_id, schema)
) STRICT;

-- How far each consumer has come in each stream.
CREATE TABLE inbox (
	consumer  TEXT    NOT NULL,
	category  TEXT    NOT NULL,
	stream_id TEXT    NOT NULL,
	version   INTEGER NOT NULL,
	PRIMARY KEY (consumer, category, stream_id)
) STRICT, WITHOUT ROWID;

-- Messages set aside, whole: they may come from another database.
CREATE TABLE dead_letters (
	consumer       TEXT    NOT NULL,
	position       INTEGER NOT NULL,
	category       TEXT    NOT NULL,
	stream_id      TEXT    NOT NULL,
	version        INTEGER NOT NULL,
	event_id       TEXT    NOT NULL,
	type           TEXT    NOT NULL,
	content_type   TEXT    NOT NULL,
	data           BLOB    NOT NULL,
	time           INTEGER NOT NULL,
	correlation_id TEXT    NOT NULL,
	causation_id   TEXT    NOT NULL,
	actor          TEXT    NOT NULL,
	metadata       TEXT,
	error          TEXT    NOT NULL,
	attempts       INTEGER NOT NULL,
	parked_at      INTEGER NOT NULL,
	UNIQUE (consumer, category, stream_id, version)
) STRICT;
