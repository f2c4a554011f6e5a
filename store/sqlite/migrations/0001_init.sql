-- The truth. Rows are only ever added, each with the next version of its stream.
-- The transaction that adds them has the write lock from its start and compares
-- versions there: SQLite has one writer, so nobody can come in between. A trigger
-- that compares them again made an append of 1,000 events 40 % slower, whatever it
-- compared. The two triggers below cost nothing.
CREATE TABLE event_store (
	position       INTEGER PRIMARY KEY AUTOINCREMENT,
	category       TEXT    NOT NULL,
	stream_id      TEXT    NOT NULL,
	version        INTEGER NOT NULL CHECK (version > 0),
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

-- A cache. A row whose event is not in event_store is one that a restore of the
-- events alone has left behind; it is passed over and replaced.
CREATE TABLE snapshots (
	category     TEXT    NOT NULL,
	stream_id    TEXT    NOT NULL,
	schema       INTEGER NOT NULL,
	version      INTEGER NOT NULL,
	event_id     TEXT    NOT NULL, -- of the event at version
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
