-- The streams of an inbox that do not flow, and why.
CREATE TABLE inbox_queues (
	consumer  text COLLATE "C" NOT NULL,
	category  text COLLATE "C" NOT NULL,
	stream_id text COLLATE "C" NOT NULL,
	version   bigint           NOT NULL, -- the first that is not done
	reason    text             NOT NULL,
	error     text             NOT NULL,
	attempts  bigint           NOT NULL,
	next_try  timestamptz      NOT NULL,
	since     timestamptz      NOT NULL,
	PRIMARY KEY (consumer, category, stream_id)
);

CREATE INDEX inbox_queues_due ON inbox_queues (consumer, category, next_try) WHERE reason IN ('waiting', 'unknown');

CREATE INDEX inbox_queues_orphans ON inbox_queues (consumer, category, since) WHERE reason = 'gap' AND version = 1;

-- The messages that wait there, whole: the broker no longer has to keep them.
CREATE TABLE inbox_messages (
	consumer       text COLLATE "C" NOT NULL,
	position       bigint           NOT NULL,
	category       text COLLATE "C" NOT NULL,
	stream_id      text COLLATE "C" NOT NULL,
	version        bigint           NOT NULL,
	event_id       text COLLATE "C" NOT NULL,
	type           text COLLATE "C" NOT NULL,
	content_type   text COLLATE "C" NOT NULL,
	data           bytea            NOT NULL,
	time           timestamptz      NOT NULL,
	correlation_id text             NOT NULL,
	causation_id   text             NOT NULL,
	actor          text             NOT NULL,
	metadata       jsonb,
	source         text             NOT NULL,
	previous       text             NOT NULL, -- id of the event before
	PRIMARY KEY (consumer, category, stream_id, version, event_id)
);

-- Events without a version that have come, for a time.
CREATE TABLE inbox_keys (
	consumer text COLLATE "C" NOT NULL,
	category text COLLATE "C" NOT NULL,
	source   text COLLATE "C" NOT NULL,
	event_id text COLLATE "C" NOT NULL,
	at       timestamptz      NOT NULL,
	PRIMARY KEY (consumer, category, source, event_id)
);

CREATE INDEX inbox_keys_at ON inbox_keys (consumer, at);

-- A name for what the inbox holds of a consumer.
CREATE TABLE inbox_incarnations (
	consumer    text COLLATE "C" PRIMARY KEY,
	incarnation text             NOT NULL
);

-- What the dead letters of a receiver held waits in queues now. dead_letters is a
-- record of messages that will not take effect.
INSERT INTO inbox_queues (consumer, category, stream_id, version, reason, error, attempts, next_try, since)
SELECT DISTINCT ON (consumer, category, stream_id) consumer, category, stream_id, version, 'poison', error, attempts, parked_at, parked_at
FROM dead_letters ORDER BY consumer, category, stream_id, version;

INSERT INTO inbox_messages (consumer, position, category, stream_id, version, event_id, type, content_type, data, time,
	correlation_id, causation_id, actor, metadata, source, previous)
SELECT consumer, position, category, stream_id, version, event_id, type, content_type, data, time,
	correlation_id, causation_id, actor, metadata, '', ''
FROM dead_letters;

DROP TABLE dead_letters;

-- Messages that will not take effect, on record.
CREATE TABLE dead_letters (
	id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	consumer       text COLLATE "C" NOT NULL,
	position       bigint           NOT NULL,
	category       text             NOT NULL,
	stream_id      text             NOT NULL,
	version        bigint           NOT NULL,
	event_id       text             NOT NULL,
	type           text             NOT NULL,
	content_type   text             NOT NULL,
	data           bytea            NOT NULL,
	time           timestamptz      NOT NULL,
	correlation_id text             NOT NULL,
	causation_id   text             NOT NULL,
	actor          text             NOT NULL,
	metadata       jsonb,
	source         text             NOT NULL,
	broker_id      text             NOT NULL,
	sequence       bigint           NOT NULL,
	header         text             NOT NULL, -- JSON
	size           bigint           NOT NULL,
	error          text             NOT NULL,
	reason         text             NOT NULL, -- why somebody skipped it
	at             timestamptz      NOT NULL
);

CREATE INDEX dead_letters_consumer ON dead_letters (consumer, id);
