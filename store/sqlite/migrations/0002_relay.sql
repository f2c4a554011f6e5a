-- Which history this is: a copy keeps it, another store has another one. The id is
-- a UUID of version 4.
CREATE TABLE history (
	id  TEXT    NOT NULL,
	one INTEGER PRIMARY KEY CHECK (one = 1)
) STRICT;

INSERT INTO history (id, one)
SELECT lower(substr(h, 1, 8) || '-' || substr(h, 9, 4) || '-4' || substr(h, 14, 3) || '-'
	|| substr('89ab', 1 + (instr('0123456789ABCDEF', substr(h, 17, 1)) - 1) % 4, 1) || substr(h, 18, 3) || '-' || substr(h, 21, 12)), 1
FROM (SELECT hex(randomblob(16)) AS h);

-- A message that the broker refuses keeps its row, with the error. Its stream is
-- named beside it, because later messages of the stream wait for it.
ALTER TABLE outbox ADD COLUMN refused_category  TEXT;
ALTER TABLE outbox ADD COLUMN refused_stream_id TEXT;
ALTER TABLE outbox ADD COLUMN refused_at        INTEGER; -- microseconds since 1970, UTC
ALTER TABLE outbox ADD COLUMN retry_at          INTEGER; -- the same
ALTER TABLE outbox ADD COLUMN attempts          INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN error             TEXT;

CREATE INDEX outbox_refused ON outbox (refused_category, refused_stream_id, position) WHERE error IS NOT NULL;

-- What a broker has confirmed last, at each of its places. See store.Published.
CREATE TABLE published (
	place        TEXT    PRIMARY KEY,
	topic        TEXT    NOT NULL,
	position     INTEGER NOT NULL,
	message_id   TEXT    NOT NULL,
	token        TEXT    NOT NULL,
	floor        INTEGER NOT NULL, -- 0 for none
	confirmed_at INTEGER NOT NULL  -- microseconds since 1970, UTC
) STRICT, WITHOUT ROWID;

-- Earlier messages of the places, by which the relay finds out what a broker has
-- lost. There are some twenty of a place at most.
CREATE TABLE published_checkpoints (
	place        TEXT    NOT NULL,
	ordinal      INTEGER NOT NULL,
	position     INTEGER NOT NULL,
	message_id   TEXT    NOT NULL,
	token        TEXT    NOT NULL,
	confirmed_at INTEGER NOT NULL, -- microseconds since 1970, UTC
	PRIMARY KEY (place, ordinal)
) STRICT, WITHOUT ROWID;
