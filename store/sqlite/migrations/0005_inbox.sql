-- The streams of an inbox that do not flow, and why.
CREATE TABLE inbox_queues (
	consumer  TEXT    NOT NULL,
	category  TEXT    NOT NULL,
	stream_id TEXT    NOT NULL,
	version   INTEGER NOT NULL, -- the first that is not done
	reason    TEXT    NOT NULL,
	error     TEXT    NOT NULL,
	attempts  INTEGER NOT NULL,
	next_try  INTEGER NOT NULL,
	since     INTEGER NOT NULL,
	PRIMARY KEY (consumer, category, stream_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX inbox_queues_due ON inbox_queues (consumer, category, next_try) WHERE reason IN ('waiting', 'unknown');

CREATE INDEX inbox_queues_orphans ON inbox_queues (consumer, category, since) WHERE reason = 'gap' AND version = 1;

-- The messages that wait there, whole: the broker no longer has to keep them.
CREATE TABLE inbox_messages (
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
	source         TEXT    NOT NULL,
	previous       TEXT    NOT NULL, -- id of the event before
	UNIQUE (consumer, category, stream_id, version, event_id)
) STRICT;

-- Events without a version that have come, for a time.
CREATE TABLE inbox_keys (
	consumer TEXT    NOT NULL,
	category TEXT    NOT NULL,
	source   TEXT    NOT NULL,
	event_id TEXT    NOT NULL,
	at       INTEGER NOT NULL,
	PRIMARY KEY (consumer, category, source, event_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX inbox_keys_at ON inbox_keys (consumer, at);

-- A name for what the inbox holds of a consumer.
CREATE TABLE inbox_incarnations (
	consumer    TEXT NOT NULL PRIMARY KEY,
	incarnation TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What the dead letters of a receiver held waits in queues now. dead_letters is a
-- record of messages that will not take effect.
INSERT INTO inbox_queues (consumer, category, stream_id, version, reason, error, attempts, next_try, since)
SELECT consumer, category, stream_id, min(version), 'poison', error, attempts, parked_at, parked_at
FROM dead_letters GROUP BY consumer, category, stream_id; -- SQLite takes the rest from the row of the smallest version

INSERT INTO inbox_messages (consumer, position, category, stream_id, version, event_id, type, content_type, data, time,
	correlation_id, causation_id, actor, metadata, source, previous)
SELECT consumer, position, category, stream_id, version, event_id, type, content_type, data, time,
	correlation_id, causation_id, actor, metadata, '', ''
FROM dead_letters;

DROP TABLE dead_letters;

-- Messages that will not take effect, on record.
CREATE TABLE dead_letters (
	id             INTEGER PRIMARY KEY AUTOINCREMENT,
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
	source         TEXT    NOT NULL,
	broker_id      TEXT    NOT NULL,
	sequence       INTEGER NOT NULL,
	header         TEXT    NOT NULL, -- JSON
	size           INTEGER NOT NULL,
	error          TEXT    NOT NULL,
	reason         TEXT    NOT NULL, -- why somebody skipped it
	at             INTEGER NOT NULL
) STRICT;

CREATE INDEX dead_letters_consumer ON dead_letters (consumer, id);
