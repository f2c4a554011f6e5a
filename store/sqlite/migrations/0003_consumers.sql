-- Consumers that follow the log. Times are microseconds since 1970, UTC.
CREATE TABLE consumers (
	name          TEXT    NOT NULL,
	generation    INTEGER NOT NULL,
	categories    TEXT    NOT NULL, -- a JSON array
	start         TEXT    NOT NULL,
	created_at    INTEGER NOT NULL,
	paused        INTEGER NOT NULL,
	renamed_to    TEXT    NOT NULL,
	meet_at       INTEGER NOT NULL,
	next_segments INTEGER NOT NULL,
	rebuild       INTEGER NOT NULL, -- the id of a request
	PRIMARY KEY (name, generation)
) STRICT, WITHOUT ROWID;

CREATE TABLE consumer_segments (
	name        TEXT    NOT NULL,
	generation  INTEGER NOT NULL,
	segment     INTEGER NOT NULL, -- 0, 1, 2 and so on, without gaps
	position    INTEGER NOT NULL,
	event_id    TEXT    NOT NULL, -- of the event at position
	trying      INTEGER NOT NULL,
	tries       INTEGER NOT NULL,
	forked      TEXT    NOT NULL,
	owner       TEXT    NOT NULL,
	epoch       INTEGER NOT NULL,
	lease_until INTEGER NOT NULL,
	PRIMARY KEY (name, generation, segment)
) STRICT, WITHOUT ROWID;

CREATE TABLE consumer_members (
	name       TEXT    NOT NULL,
	generation INTEGER NOT NULL,
	member     TEXT    NOT NULL,
	program    TEXT    NOT NULL,
	until      INTEGER NOT NULL,
	PRIMARY KEY (name, generation, member)
) STRICT, WITHOUT ROWID;

-- Streams in trouble: their messages from version on wait in the log.
CREATE TABLE parked_streams (
	name       TEXT    NOT NULL,
	generation INTEGER NOT NULL,
	category   TEXT    NOT NULL,
	stream_id  TEXT    NOT NULL,
	hash       INTEGER NOT NULL,
	version    INTEGER NOT NULL,
	position   INTEGER NOT NULL,
	event_id   TEXT    NOT NULL, -- of the event at version
	reason     TEXT    NOT NULL,
	error      TEXT    NOT NULL,
	attempts   INTEGER NOT NULL,
	next_try   INTEGER NOT NULL,
	since      INTEGER NOT NULL,
	UNIQUE (name, generation, category, stream_id)
) STRICT;

CREATE INDEX parked_streams_due ON parked_streams (name, generation, next_try, hash) WHERE reason IN ('waiting', 'unknown');
CREATE INDEX parked_streams_reason ON parked_streams (name, generation, reason, since);

-- What operators have asked of consumers. Rows stay as the record.
CREATE TABLE consumer_requests (
	id         INTEGER PRIMARY KEY AUTOINCREMENT,
	name       TEXT    NOT NULL,
	generation INTEGER NOT NULL,
	action     TEXT    NOT NULL,
	category   TEXT    NOT NULL,
	stream_id  TEXT    NOT NULL,
	segments   INTEGER NOT NULL,
	new_name   TEXT    NOT NULL,
	reason     TEXT    NOT NULL,
	actor      TEXT    NOT NULL,
	asked_at   INTEGER NOT NULL,
	done_at    INTEGER,          -- NULL until it is done
	outcome    TEXT    NOT NULL
) STRICT;

CREATE INDEX consumer_requests_name ON consumer_requests (name);
CREATE INDEX consumer_requests_pending ON consumer_requests (name, generation) WHERE done_at IS NULL;
