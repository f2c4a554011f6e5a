-- The schema of store/postgres, for those who apply it themselves, for example as
-- /docker-entrypoint-initdb.d/schema.sql of the Docker image. It equals what
-- postgres.Migrate makes; TestSchemaFile holds that.
BEGIN;

-- 0001_store.sql

-- Functions keep the search_path of their creation: one schema, and temporary
-- tables last, so that none is taken for a table of the store.
DO $$ BEGIN PERFORM set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true); END $$;

-- Which migrations have run.
CREATE TABLE eventus_migrations (
	version    integer     PRIMARY KEY,
	applied_at timestamptz NOT NULL DEFAULT now()
);

-- The truth. Rows are only ever added, each with the next version of its stream.
-- Text is compared byte by byte. The sequence behind position keeps CACHE 1: a
-- cached one would break the order within a stream.
CREATE TABLE event_store (
	position       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	category       text COLLATE "C" NOT NULL,
	stream_id      text COLLATE "C" NOT NULL,
	version        bigint           NOT NULL CHECK (version > 0),
	event_id       text COLLATE "C" NOT NULL,
	type           text COLLATE "C" NOT NULL,
	content_type   text COLLATE "C" NOT NULL,
	data           bytea            NOT NULL,
	time           timestamptz      NOT NULL,
	correlation_id text             NOT NULL,
	causation_id   text             NOT NULL,
	actor          text             NOT NULL,
	metadata       jsonb, -- the free fields, NULL when there are none
	CONSTRAINT event_store_stream_version UNIQUE (category, stream_id, version)
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END
$$;

CREATE TRIGGER event_store_append_only BEFORE UPDATE OR DELETE ON event_store
FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER event_store_no_truncate BEFORE TRUNCATE ON event_store
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What no broker has confirmed yet.
CREATE TABLE outbox (
	position bigint PRIMARY KEY
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- A cache. A row whose event is not in event_store is one that a restore of the
-- events alone has left behind; it is passed over and replaced.
CREATE TABLE snapshots (
	category     text COLLATE "C" NOT NULL,
	stream_id    text COLLATE "C" NOT NULL,
	schema       bigint           NOT NULL,
	version      bigint           NOT NULL,
	event_id     text COLLATE "C" NOT NULL, -- of the event at version
	content_type text COLLATE "C" NOT NULL,
	data         bytea            NOT NULL,
	PRIMARY KEY (category, stream_id, schema)
);

-- How far each consumer has come in each stream. Rows change in place (HOT).
CREATE TABLE inbox (
	consumer  text COLLATE "C" NOT NULL,
	category  text COLLATE "C" NOT NULL,
	stream_id text COLLATE "C" NOT NULL,
	version   bigint           NOT NULL,
	PRIMARY KEY (consumer, category, stream_id)
) WITH (fillfactor = 70);

-- Messages set aside, whole: they may come from another database.
CREATE TABLE dead_letters (
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
	error          text             NOT NULL,
	attempts       bigint           NOT NULL,
	parked_at      timestamptz      NOT NULL,
	PRIMARY KEY (consumer, category, stream_id, version)
);

-- append_events adds events to the ends of streams, with their rows of the
-- outbox, and returns the version that each stream had. A stream gets its events
-- if it stood at the version expected of it, -1 being any; otherwise it gets
-- none, and no position is drawn for them.
--
-- The k-th stream is (categories[k], stream_ids[k]), no stream twice. Event_streams
-- has the k of each event, event_places its place, from 1, among the new events of
-- its stream. The events of a stream are in order.
--
-- Two kinds of lock, both held to the end of the transaction, make it exact. One
-- for each stream lets appenders of a stream look at its version one after the
-- other. A single stream with wait is waited for; in all other cases nobody is:
-- a stream that somebody else is appending to comes back as NULL, with nothing
-- written. The other lock, (log_lock, schema_key), is shared by all appenders of the
-- store and taken before the first position is drawn. By it a reader of the log who
-- sees a hole knows whose the missing position may still be.
--
-- Where the snapshot is older than the locks (REPEATABLE READ, SERIALIZABLE) the
-- version can be out of date. Then the unique constraint fails the statement.
CREATE FUNCTION append_events(
	log_lock integer, schema_key integer, wait boolean,
	categories text[], stream_ids text[], expected bigint[],
	event_streams integer[], event_places integer[],
	event_ids text[], types text[], content_types text[], datas bytea[], times timestamptz[],
	correlation_ids text[], causation_ids text[], actors text[], metadatas text[]
) RETURNS bigint[] LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
	locked  boolean[];
	found   bigint[];
BEGIN
	IF cardinality(categories) = 1 THEN
		IF wait THEN
			PERFORM pg_advisory_xact_lock(hashtextextended(categories[1] || ' ' || stream_ids[1], schema_key));
		ELSIF NOT pg_try_advisory_xact_lock(hashtextextended(categories[1] || ' ' || stream_ids[1], schema_key)) THEN
			RETURN ARRAY[NULL::bigint];
		END IF;
		found[1] := coalesce((
			SELECT e.version FROM event_store AS e
			WHERE e.category = categories[1] AND e.stream_id = stream_ids[1]
			ORDER BY e.version DESC LIMIT 1), 0);
		IF expected[1] NOT IN (-1, found[1]) THEN
			RETURN found;
		END IF;
	ELSE
		locked := ARRAY(
			SELECT pg_try_advisory_xact_lock(hashtextextended(s.category || ' ' || s.stream_id, schema_key))
			FROM unnest(categories, stream_ids) WITH ORDINALITY AS s (category, stream_id, k)
			ORDER BY s.k);
		-- A statement of its own, because its snapshot must be younger than the locks.
		found := ARRAY(
			SELECT CASE WHEN locked[s.k] THEN coalesce((
				SELECT e.version FROM event_store AS e
				WHERE e.category = s.category AND e.stream_id = s.stream_id
				ORDER BY e.version DESC LIMIT 1), 0) END
			FROM unnest(categories, stream_ids) WITH ORDINALITY AS s (category, stream_id, k)
			ORDER BY s.k);
	END IF;
	PERFORM pg_advisory_xact_lock_shared(log_lock, schema_key);
	WITH placed AS (
		INSERT INTO event_store (category, stream_id, version, event_id, type, content_type, data, time,
			correlation_id, causation_id, actor, metadata)
		SELECT categories[n.stream], stream_ids[n.stream], found[n.stream] + n.place, n.event_id, n.type, n.content_type,
			n.data, n.time, n.correlation_id, n.causation_id, n.actor, nullif(n.metadata, '')::jsonb
		FROM unnest(event_streams, event_places, event_ids, types, content_types, datas, times,
				correlation_ids, causation_ids, actors, metadatas) WITH ORDINALITY
			AS n (stream, place, event_id, type, content_type, data, time, correlation_id, causation_id, actor, metadata, k)
		WHERE expected[n.stream] = -1 AND found[n.stream] IS NOT NULL OR expected[n.stream] = found[n.stream]
		ORDER BY n.k -- the order in which positions are drawn
		RETURNING position
	)
	INSERT INTO outbox (position) SELECT position FROM placed;
	RETURN found;
END
$$;

-- append_event is append_events for one event of one stream: the same locks and
-- the same answer, NULL for a stream that somebody else is appending to, without
-- the price of its arrays. Most appends are this one.
CREATE FUNCTION append_event(
	log_lock integer, schema_key integer, wait boolean,
	category text, stream_id text, expected bigint,
	event_id text, type text, content_type text, data bytea, at timestamptz,
	correlation_id text, causation_id text, actor text, metadata text
) RETURNS bigint LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
#variable_conflict use_variable
DECLARE
	stream_key CONSTANT bigint := hashtextextended(category || ' ' || stream_id, schema_key);
	found  bigint;
	placed bigint;
BEGIN
	IF wait THEN
		PERFORM pg_advisory_xact_lock(stream_key);
	ELSIF NOT pg_try_advisory_xact_lock(stream_key) THEN
		RETURN NULL;
	END IF;
	found := coalesce((
		SELECT e.version FROM event_store AS e
		WHERE e.category = append_event.category AND e.stream_id = append_event.stream_id
		ORDER BY e.version DESC LIMIT 1), 0);
	IF expected NOT IN (-1, found) THEN
		RETURN found;
	END IF;
	PERFORM pg_advisory_xact_lock_shared(log_lock, schema_key);
	INSERT INTO event_store AS e (category, stream_id, version, event_id, type, content_type, data, time,
		correlation_id, causation_id, actor, metadata)
	VALUES (category, stream_id, found + 1, event_id, type, content_type, data, at,
		correlation_id, causation_id, actor, nullif(metadata, '')::jsonb)
	RETURNING e.position INTO placed;
	INSERT INTO outbox (position) VALUES (placed);
	RETURN found;
END
$$;

-- 0002_leases.sql

-- Who does what only one process should do at a time, and until when.
CREATE TABLE leases (
	name   text COLLATE "C" PRIMARY KEY,
	holder text COLLATE "C" NOT NULL,
	until  timestamptz      NOT NULL
);

-- 0003_relay.sql

-- Which history this is: a dump keeps it, another store has another one.
CREATE TABLE history (
	id  text    NOT NULL,
	one boolean PRIMARY KEY DEFAULT true CHECK (one)
);

INSERT INTO history (id) VALUES (gen_random_uuid());

-- A message that the broker refuses keeps its row, with the error. Its stream is
-- named beside it, because later messages of the stream wait for it.
ALTER TABLE outbox
	ADD COLUMN refused_category  text COLLATE "C",
	ADD COLUMN refused_stream_id text COLLATE "C",
	ADD COLUMN refused_at        timestamptz,
	ADD COLUMN retry_at          timestamptz,
	ADD COLUMN attempts          integer NOT NULL DEFAULT 0,
	ADD COLUMN error             text;

CREATE INDEX outbox_refused ON outbox (refused_category, refused_stream_id, position) WHERE error IS NOT NULL;

-- What a broker has confirmed last, at each of its places. See store.Published.
CREATE TABLE published (
	place        text COLLATE "C" PRIMARY KEY,
	topic        text COLLATE "C" NOT NULL,
	position     bigint           NOT NULL,
	message_id   text COLLATE "C" NOT NULL,
	token        text             NOT NULL,
	floor        bigint           NOT NULL, -- 0 for none
	confirmed_at timestamptz      NOT NULL
) WITH (fillfactor = 50);

-- Earlier messages of the places, by which the relay finds out what a broker has
-- lost. There are some twenty of a place at most.
CREATE TABLE published_checkpoints (
	place        text COLLATE "C",
	ordinal      integer,
	position     bigint           NOT NULL,
	message_id   text COLLATE "C" NOT NULL,
	token        text             NOT NULL,
	confirmed_at timestamptz      NOT NULL,
	PRIMARY KEY (place, ordinal)
);

-- 0004_consumers.sql

-- The consumers that follow the log. Times are those of this server's clock. What
-- changes with every batch is in no index, so that rows change in place (HOT).
CREATE TABLE consumers (
	name          text COLLATE "C" NOT NULL,
	generation    bigint           NOT NULL,
	categories    text[]           NOT NULL,
	start         text             NOT NULL,
	created_at    timestamptz, -- NULL is Go's zero time, here and below
	paused        boolean          NOT NULL,
	renamed_to    text COLLATE "C" NOT NULL, -- empty for all but those that were renamed
	meet_at       bigint           NOT NULL,
	next_segments bigint           NOT NULL,
	rebuild       bigint           NOT NULL, -- a request, or 0
	PRIMARY KEY (name, generation)
) WITH (fillfactor = 50);

-- How far each segment of a consumer has come, and who works on it.
CREATE TABLE consumer_segments (
	consumer    text COLLATE "C" NOT NULL,
	generation  bigint           NOT NULL,
	segment     bigint           NOT NULL,
	position    bigint           NOT NULL,
	event_id    text COLLATE "C" NOT NULL, -- of the event at position
	trying      bigint           NOT NULL,
	tries       bigint           NOT NULL,
	forked      text             NOT NULL,
	owner       text COLLATE "C" NOT NULL, -- empty when nobody works on it
	epoch       bigint           NOT NULL,
	lease_until timestamptz,
	PRIMARY KEY (consumer, generation, segment)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- The processes that work on each consumer.
CREATE TABLE consumer_members (
	consumer   text COLLATE "C" NOT NULL,
	generation bigint           NOT NULL,
	name       text COLLATE "C" NOT NULL,
	program    text             NOT NULL,
	until      timestamptz,
	PRIMARY KEY (consumer, generation, name)
) WITH (fillfactor = 50);

-- The streams that each consumer has set aside. Their messages stay in the log.
CREATE TABLE parked_streams (
	consumer   text COLLATE "C" NOT NULL,
	generation bigint           NOT NULL,
	category   text COLLATE "C" NOT NULL,
	stream_id  text COLLATE "C" NOT NULL,
	hash       bigint           NOT NULL, -- modulo the number of segments it is the segment
	version    bigint           NOT NULL, -- the first that is not done
	position   bigint           NOT NULL,
	event_id   text COLLATE "C" NOT NULL,
	reason     text COLLATE "C" NOT NULL,
	error      text             NOT NULL,
	attempts   bigint           NOT NULL,
	next_try   timestamptz      NOT NULL,
	since      timestamptz      NOT NULL,
	PRIMARY KEY (consumer, generation, category, stream_id)
);

CREATE INDEX parked_streams_due ON parked_streams (consumer, generation, next_try) WHERE reason IN ('waiting', 'unknown');
CREATE INDEX parked_streams_reasons ON parked_streams (consumer, generation, reason, since);

-- What operators asked of consumers, and what came of it. Rows stay as the record.
CREATE TABLE consumer_requests (
	id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	consumer   text COLLATE "C" NOT NULL,
	generation bigint           NOT NULL,
	action     text             NOT NULL,
	category   text COLLATE "C" NOT NULL,
	stream_id  text COLLATE "C" NOT NULL,
	segments   bigint           NOT NULL,
	new_name   text COLLATE "C" NOT NULL,
	reason     text             NOT NULL,
	actor      text             NOT NULL,
	asked_at   timestamptz      NOT NULL,
	done_at    timestamptz, -- NULL until it is done
	outcome    text             NOT NULL
);

CREATE INDEX consumer_requests_pending ON consumer_requests (consumer, generation, id) WHERE done_at IS NULL;
CREATE INDEX consumer_requests_consumer ON consumer_requests (consumer, id);

-- 0005_adopt.sql

-- Consumers that read the log kept their progress in inbox and dead_letters. They
-- become consumers of 0004_consumers.sql here, without losing or repeating a
-- message. A consumer of the log is one with a position: a row of inbox without a
-- stream_id, whose version is the position up to which all messages of the
-- category were done. All others stay as they are: a broker alone feeds them.
--
-- The segment of an adopted consumer starts at the smallest of its positions. A
-- stream whose mark does not fit that place is parked and caught up from the log.

-- From here on a mark names its event. Existing marks do not know it. There is no
-- default, so that a program of the version before fails when it writes a mark: it
-- would miss the marks that are removed below, and repeat their effects. The
-- statement locks the table, and so waits for transactions that hold marks.
ALTER TABLE inbox ADD COLUMN event_id text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE inbox ALTER COLUMN event_id DROP DEFAULT;

-- The hash of package consume: FNV-1a, 32 bits, of category, a zero byte and id.
CREATE FUNCTION adopt_hash(category text, id text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	bytes CONSTANT bytea := convert_to(category, 'UTF8') || decode('00', 'hex') || convert_to(id, 'UTF8');
	hash  bigint := 2166136261;
BEGIN
	FOR i IN 0 .. length(bytes) - 1 LOOP
		hash := ((hash # get_byte(bytes, i)) * 16777619) & 4294967295;
	END LOOP;
	RETURN hash;
END
$$;

-- The consumers to adopt. The log is here if it has the event of any mark. It can
-- be in another database than the inbox.
CREATE TABLE adopt_consumers AS
SELECT p.consumer, p.categories, p.low, p.high, EXISTS (
	SELECT FROM inbox AS i JOIN event_store AS e USING (category, stream_id, version)
	WHERE i.consumer = p.consumer AND i.category = ANY (p.categories)
) AS here
FROM (
	SELECT consumer, array_agg(category ORDER BY category) AS categories, min(version) AS low, max(version) AS high
	FROM inbox WHERE stream_id = '' GROUP BY consumer
) AS p
WHERE NOT EXISTS (SELECT FROM consumers AS c WHERE c.name = p.consumer);

INSERT INTO consumers (name, generation, categories, start, created_at, paused, renamed_to, meet_at, next_segments, rebuild)
SELECT consumer, 0, categories, 'beginning', now(), false, '', 0, 0, 0 FROM adopt_consumers;

-- The place is that of the last event that the consumer is done with. Its id lets
-- the consumer notice a log that is another one. Where the log is in another
-- database, the id is not known.
INSERT INTO consumer_segments (consumer, generation, segment, position, event_id, trying, tries, forked, owner, epoch, lease_until)
SELECT a.consumer, 0, 0,
	CASE WHEN a.here THEN coalesce(last.position, 0) ELSE a.low END,
	CASE WHEN a.here THEN coalesce(last.event_id, '') ELSE '' END,
	0, 0,
	CASE WHEN a.here AND a.high > (SELECT max(position) FROM event_store)
		THEN format('the consumer has come to position %s, and the log ends before it', a.high) ELSE '' END,
	'', 0, NULL
FROM adopt_consumers AS a
LEFT JOIN LATERAL (
	SELECT e.position, e.event_id FROM event_store AS e WHERE e.position <= a.low ORDER BY e.position DESC LIMIT 1
) AS last ON true;

-- The streams whose marks do not fit the consumer's place:
--   - one with dead letters,
--   - one that was handled beyond the place, whose messages up to the mark would
--     take effect again,
--   - one that lacks a message up to the place, which would be lost,
--   - one whose mark has no event in the log: it is forked,
--   - where the log is in another database, each with a mark.
-- The consumer passes them by and catches them up from the message after the mark.
INSERT INTO parked_streams (consumer, generation, category, stream_id, hash, version, position, event_id,
	reason, error, attempts, next_try, since)
SELECT m.consumer, 0, m.category, m.stream_id, adopt_hash(m.category, m.stream_id), m.version + 1,
	CASE WHEN a.here THEN coalesce(next.position, 0) ELSE 0 END,
	CASE WHEN a.here THEN coalesce(next.event_id, '') ELSE '' END,
	CASE WHEN f.forked THEN 'forked' WHEN letter.version IS NOT NULL THEN 'poison' ELSE 'waiting' END,
	CASE
		WHEN f.forked THEN format('the consumer has handled version %s of the stream, and the log does not have it', m.version)
		WHEN letter.version IS NOT NULL THEN letter.error
		ELSE 'the consumer was adopted from an inbox; the stream is caught up from the log'
	END,
	coalesce(letter.attempts, 0), now(), coalesce(letter.parked_at, now())
FROM (
	SELECT consumer, category, stream_id, max(version) AS version
	FROM (
		SELECT consumer, category, stream_id, version FROM inbox WHERE stream_id <> ''
		UNION ALL
		SELECT consumer, category, stream_id, 0 FROM dead_letters
	) AS all_marks
	GROUP BY consumer, category, stream_id
) AS m
JOIN adopt_consumers AS a ON a.consumer = m.consumer AND m.category = ANY (a.categories)
JOIN consumer_segments AS s ON s.consumer = m.consumer AND s.generation = 0
LEFT JOIN event_store AS last ON last.category = m.category AND last.stream_id = m.stream_id AND last.version = m.version
LEFT JOIN event_store AS next ON next.category = m.category AND next.stream_id = m.stream_id AND next.version = m.version + 1
LEFT JOIN LATERAL (
	SELECT d.version, d.error, d.attempts, d.parked_at FROM dead_letters AS d
	WHERE d.consumer = m.consumer AND d.category = m.category AND d.stream_id = m.stream_id
	ORDER BY d.version LIMIT 1
) AS letter ON true
CROSS JOIN LATERAL (SELECT a.here AND m.version > 0 AND last.position IS NULL AS forked) AS f
WHERE letter.version IS NOT NULL OR f.forked
	OR a.here AND (last.position > s.position OR next.position <= s.position)
	OR NOT a.here AND m.version > 0;

DELETE FROM dead_letters AS d USING adopt_consumers AS a WHERE d.consumer = a.consumer AND d.category = ANY (a.categories);
DELETE FROM inbox AS i USING adopt_consumers AS a WHERE i.consumer = a.consumer AND i.category = ANY (a.categories);

DROP TABLE adopt_consumers;
DROP FUNCTION adopt_hash(text, text);

-- 0006_inbox.sql

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

-- 0007_append.sql

-- The functions that append, for one event, for one stream, and for many.
--
-- Each adds events to the ends of streams, with their rows of the outbox, and
-- returns the version that each stream had. A stream gets its events if it stood
-- at the version expected of it, -1 being any; otherwise it gets none, and no
-- position is drawn for them. If it has the same events from the expected version
-- on, the call repeats one whose outcome the caller does not know, and the expected
-- version is returned.
--
-- Two kinds of lock, both held to the end of the transaction, make it exact. One
-- for each stream lets appenders of a stream look at its version one after the
-- other. With wait it is waited for. Otherwise nobody is: a stream that somebody
-- else is appending to comes back as NULL, with nothing written. The other lock,
-- (log_lock, schema_key), is shared by all appenders of the store and taken before
-- the first position is drawn. By it a reader of the log who sees a hole knows
-- whose the missing position may still be.
--
-- Schema_key is the OID of the schema, which no other schema of the database has.
-- It is the seed of the streams' keys.
--
-- Where the snapshot is older than the locks (REPEATABLE READ, SERIALIZABLE) the
-- version can be out of date. Then the unique constraint fails the statement.
--
-- With synchronous_commit off, a crash would lose what was acknowledged, and its
-- positions would be used again. So it is on for these transactions at least.
--
-- The tables are named with their schema: to set the search_path at each call
-- costs 5 % of an append.
DROP FUNCTION append_events;
DROP FUNCTION append_event;

DO $do$ BEGIN EXECUTE replace($sql$

-- found_or_repeated returns the version that a stream was found at, or the expected
-- one if its next n events are there already.
CREATE FUNCTION {schema}.found_or_repeated(
	category text, stream_id text, expected bigint, have bigint, n integer, first_id text, last_id text
) RETURNS bigint LANGUAGE plpgsql AS $$
#variable_conflict use_variable
BEGIN
	IF have - n >= expected AND (
		SELECT count(*) FROM {schema}.event_store AS e
		WHERE e.category = category AND e.stream_id = stream_id
			AND (e.version = expected + 1 AND e.event_id = first_id OR e.version = expected + n AND e.event_id = last_id)
			AND e.version IN (expected + 1, expected + n)
	) = least(n, 2) THEN
		RETURN expected;
	END IF;
	RETURN have;
END
$$;

CREATE FUNCTION {schema}.append_event(
	log_lock integer, schema_key integer, wait boolean,
	category text, stream_id text, expected bigint,
	event_id text, type text, content_type text, data bytea, at timestamptz,
	correlation_id text, causation_id text, actor text, metadata text
) RETURNS bigint LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
	stream_key CONSTANT bigint := hashtextextended(category || ' ' || stream_id, schema_key);
	found  bigint;
	placed bigint;
BEGIN
	IF wait THEN
		PERFORM pg_advisory_xact_lock(stream_key);
	ELSIF NOT pg_try_advisory_xact_lock(stream_key) THEN
		RETURN NULL;
	END IF;
	found := coalesce((
		SELECT e.version FROM {schema}.event_store AS e
		WHERE e.category = category AND e.stream_id = stream_id
		ORDER BY e.version DESC LIMIT 1), 0);
	IF expected NOT IN (-1, found) THEN
		RETURN {schema}.found_or_repeated(category, stream_id, expected, found, 1, event_id, event_id);
	END IF;
	PERFORM pg_advisory_xact_lock_shared(log_lock, schema_key);
	INSERT INTO {schema}.event_store AS e (category, stream_id, version, event_id, type, content_type, data, time,
		correlation_id, causation_id, actor, metadata)
	VALUES (category, stream_id, found + 1, event_id, type, content_type, data, at,
		correlation_id, causation_id, actor, nullif(metadata, '')::jsonb)
	RETURNING e.position INTO placed;
	INSERT INTO {schema}.outbox (position) VALUES (placed);
	IF current_setting('synchronous_commit') = 'off' THEN
		PERFORM set_config('synchronous_commit', 'on', true);
	END IF;
	RETURN found;
END
$$;

CREATE FUNCTION {schema}.append_stream(
	log_lock integer, schema_key integer, wait boolean,
	category text, stream_id text, expected bigint,
	event_ids text[], types text[], content_types text[], datas bytea[], times timestamptz[],
	correlation_ids text[], causation_ids text[], actors text[], metadatas text[]
) RETURNS bigint LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
	stream_key CONSTANT bigint := hashtextextended(category || ' ' || stream_id, schema_key);
	n CONSTANT integer := cardinality(event_ids);
	found bigint;
BEGIN
	IF wait THEN
		PERFORM pg_advisory_xact_lock(stream_key);
	ELSIF NOT pg_try_advisory_xact_lock(stream_key) THEN
		RETURN NULL;
	END IF;
	found := coalesce((
		SELECT e.version FROM {schema}.event_store AS e
		WHERE e.category = category AND e.stream_id = stream_id
		ORDER BY e.version DESC LIMIT 1), 0);
	IF expected NOT IN (-1, found) THEN
		RETURN {schema}.found_or_repeated(category, stream_id, expected, found, n, event_ids[1], event_ids[n]);
	END IF;
	PERFORM pg_advisory_xact_lock_shared(log_lock, schema_key);
	WITH placed AS (
		INSERT INTO {schema}.event_store (category, stream_id, version, event_id, type, content_type, data, time,
			correlation_id, causation_id, actor, metadata)
		SELECT category, stream_id, found + k, event_id, type, content_type, data, at,
			correlation_id, causation_id, actor, nullif(metadata, '')::jsonb
		FROM unnest(event_ids, types, content_types, datas, times, correlation_ids, causation_ids, actors, metadatas) WITH ORDINALITY
			AS n (event_id, type, content_type, data, at, correlation_id, causation_id, actor, metadata, k)
		ORDER BY k -- the order in which positions are drawn
		RETURNING position
	)
	INSERT INTO {schema}.outbox (position) SELECT position FROM placed;
	IF current_setting('synchronous_commit') = 'off' THEN
		PERFORM set_config('synchronous_commit', 'on', true);
	END IF;
	RETURN found;
END
$$;

-- The k-th stream is (categories[k], stream_ids[k]), no stream twice. Event_streams
-- has the k of each event, event_places its place, from 1, among the new events of
-- its stream. The events of a stream are in order. No stream is waited for.
CREATE FUNCTION {schema}.append_events(
	log_lock integer, schema_key integer,
	categories text[], stream_ids text[], expected bigint[], sizes integer[], first_ids text[], last_ids text[],
	event_streams integer[], event_places integer[],
	event_ids text[], types text[], content_types text[], datas bytea[], times timestamptz[],
	correlation_ids text[], causation_ids text[], actors text[], metadatas text[]
) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
	locked boolean[];
	found  bigint[];
BEGIN
	locked := ARRAY(
		SELECT pg_try_advisory_xact_lock(hashtextextended(s.category || ' ' || s.stream_id, schema_key))
		FROM unnest(categories, stream_ids) WITH ORDINALITY AS s (category, stream_id, k)
		ORDER BY s.k);
	-- A statement of its own, because its snapshot must be younger than the locks.
	found := ARRAY(
		SELECT CASE WHEN locked[s.k] THEN coalesce((
			SELECT e.version FROM {schema}.event_store AS e
			WHERE e.category = s.category AND e.stream_id = s.stream_id
			ORDER BY e.version DESC LIMIT 1), 0) END
		FROM unnest(categories, stream_ids) WITH ORDINALITY AS s (category, stream_id, k)
		ORDER BY s.k);
	PERFORM pg_advisory_xact_lock_shared(log_lock, schema_key);
	WITH placed AS (
		INSERT INTO {schema}.event_store (category, stream_id, version, event_id, type, content_type, data, time,
			correlation_id, causation_id, actor, metadata)
		SELECT categories[n.stream], stream_ids[n.stream], found[n.stream] + n.place, n.event_id, n.type, n.content_type,
			n.data, n.time, n.correlation_id, n.causation_id, n.actor, nullif(n.metadata, '')::jsonb
		FROM unnest(event_streams, event_places, event_ids, types, content_types, datas, times,
				correlation_ids, causation_ids, actors, metadatas) WITH ORDINALITY
			AS n (stream, place, event_id, type, content_type, data, time, correlation_id, causation_id, actor, metadata, k)
		WHERE expected[n.stream] = -1 AND found[n.stream] IS NOT NULL OR expected[n.stream] = found[n.stream]
		ORDER BY n.k -- the order in which positions are drawn
		RETURNING position
	)
	INSERT INTO {schema}.outbox (position) SELECT position FROM placed;
	IF current_setting('synchronous_commit') = 'off' THEN
		PERFORM set_config('synchronous_commit', 'on', true);
	END IF;
	RETURN ARRAY(
		SELECT CASE WHEN f.expected IN (-1, f.found) THEN f.found
			ELSE {schema}.found_or_repeated(f.category, f.stream_id, f.expected, f.found, f.n, f.first_id, f.last_id) END
		FROM unnest(categories, stream_ids, expected, found, sizes, first_ids, last_ids) WITH ORDINALITY
			AS f (category, stream_id, expected, found, n, first_id, last_id, k)
		ORDER BY f.k);
END
$$;

$sql$, '{schema}', quote_ident(current_schema())); END $do$;

-- 0008_snapshot_times.sql

-- The latest time of the events that a snapshot has. NULL, as in all rows of
-- before, is not known. A program of before would leave the time of another state
-- there, so that data gets another name: to such a program, the snapshots fail.
ALTER TABLE snapshots RENAME COLUMN data TO state;
ALTER TABLE snapshots ADD COLUMN latest timestamptz;

-- 0009_checksums.sql

-- A checksum for each event, by which a reader finds out about damage
-- (store.Checksum). NULL, as in all rows of before, is not compared.
ALTER TABLE event_store ADD COLUMN checksum integer;

-- The functions of 0007_append.sql, which says what they do. They get the checksums
-- of the events at version 0, and combine them with the versions.
DROP FUNCTION append_event;
DROP FUNCTION append_stream;
DROP FUNCTION append_events;

DO $do$ BEGIN EXECUTE replace($sql$

CREATE FUNCTION {schema}.append_event(
	log_lock integer, schema_key integer, wait boolean,
	category text, stream_id text, expected bigint,
	event_id text, type text, content_type text, data bytea, at timestamptz,
	correlation_id text, causation_id text, actor text, metadata text, checksum integer
) RETURNS bigint LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
	stream_key CONSTANT bigint := hashtextextended(category || ' ' || stream_id, schema_key);
	found  bigint;
	placed bigint;
BEGIN
	IF wait THEN
		PERFORM pg_advisory_xact_lock(stream_key);
	ELSIF NOT pg_try_advisory_xact_lock(stream_key) THEN
		RETURN NULL;
	END IF;
	found := coalesce((
		SELECT e.version FROM {schema}.event_store AS e
		WHERE e.category = category AND e.stream_id = stream_id
		ORDER BY e.version DESC LIMIT 1), 0);
	IF expected NOT IN (-1, found) THEN
		RETURN {schema}.found_or_repeated(category, stream_id, expected, found, 1, event_id, event_id);
	END IF;
	PERFORM pg_advisory_xact_lock_shared(log_lock, schema_key);
	INSERT INTO {schema}.event_store AS e (category, stream_id, version, event_id, type, content_type, data, time,
		correlation_id, causation_id, actor, metadata, checksum)
	VALUES (category, stream_id, found + 1, event_id, type, content_type, data, at,
		correlation_id, causation_id, actor, nullif(metadata, '')::jsonb, checksum # ((found + 1) & 2147483647)::integer)
	RETURNING e.position INTO placed;
	INSERT INTO {schema}.outbox (position) VALUES (placed);
	IF current_setting('synchronous_commit') = 'off' THEN
		PERFORM set_config('synchronous_commit', 'on', true);
	END IF;
	RETURN found;
END
$$;

CREATE FUNCTION {schema}.append_stream(
	log_lock integer, schema_key integer, wait boolean,
	category text, stream_id text, expected bigint,
	event_ids text[], types text[], content_types text[], datas bytea[], times timestamptz[],
	correlation_ids text[], causation_ids text[], actors text[], metadatas text[], checksums integer[]
) RETURNS bigint LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
	stream_key CONSTANT bigint := hashtextextended(category || ' ' || stream_id, schema_key);
	n CONSTANT integer := cardinality(event_ids);
	found bigint;
BEGIN
	IF wait THEN
		PERFORM pg_advisory_xact_lock(stream_key);
	ELSIF NOT pg_try_advisory_xact_lock(stream_key) THEN
		RETURN NULL;
	END IF;
	found := coalesce((
		SELECT e.version FROM {schema}.event_store AS e
		WHERE e.category = category AND e.stream_id = stream_id
		ORDER BY e.version DESC LIMIT 1), 0);
	IF expected NOT IN (-1, found) THEN
		RETURN {schema}.found_or_repeated(category, stream_id, expected, found, n, event_ids[1], event_ids[n]);
	END IF;
	PERFORM pg_advisory_xact_lock_shared(log_lock, schema_key);
	WITH placed AS (
		INSERT INTO {schema}.event_store (category, stream_id, version, event_id, type, content_type, data, time,
			correlation_id, causation_id, actor, metadata, checksum)
		SELECT category, stream_id, found + k, event_id, type, content_type, data, at,
			correlation_id, causation_id, actor, nullif(metadata, '')::jsonb, checksum # ((found + k) & 2147483647)::integer
		FROM unnest(event_ids, types, content_types, datas, times, correlation_ids, causation_ids, actors, metadatas, checksums) WITH ORDINALITY
			AS n (event_id, type, content_type, data, at, correlation_id, causation_id, actor, metadata, checksum, k)
		ORDER BY k -- the order in which positions are drawn
		RETURNING position
	)
	INSERT INTO {schema}.outbox (position) SELECT position FROM placed;
	IF current_setting('synchronous_commit') = 'off' THEN
		PERFORM set_config('synchronous_commit', 'on', true);
	END IF;
	RETURN found;
END
$$;

-- The k-th stream is (categories[k], stream_ids[k]), no stream twice. Event_streams
-- has the k of each event, event_places its place, from 1, among the new events of
-- its stream. The events of a stream are in order. No stream is waited for.
CREATE FUNCTION {schema}.append_events(
	log_lock integer, schema_key integer,
	categories text[], stream_ids text[], expected bigint[], sizes integer[], first_ids text[], last_ids text[],
	event_streams integer[], event_places integer[],
	event_ids text[], types text[], content_types text[], datas bytea[], times timestamptz[],
	correlation_ids text[], causation_ids text[], actors text[], metadatas text[], checksums integer[]
) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
	locked boolean[];
	found  bigint[];
BEGIN
	locked := ARRAY(
		SELECT pg_try_advisory_xact_lock(hashtextextended(s.category || ' ' || s.stream_id, schema_key))
		FROM unnest(categories, stream_ids) WITH ORDINALITY AS s (category, stream_id, k)
		ORDER BY s.k);
	-- A statement of its own, because its snapshot must be younger than the locks.
	found := ARRAY(
		SELECT CASE WHEN locked[s.k] THEN coalesce((
			SELECT e.version FROM {schema}.event_store AS e
			WHERE e.category = s.category AND e.stream_id = s.stream_id
			ORDER BY e.version DESC LIMIT 1), 0) END
		FROM unnest(categories, stream_ids) WITH ORDINALITY AS s (category, stream_id, k)
		ORDER BY s.k);
	PERFORM pg_advisory_xact_lock_shared(log_lock, schema_key);
	WITH placed AS (
		INSERT INTO {schema}.event_store (category, stream_id, version, event_id, type, content_type, data, time,
			correlation_id, causation_id, actor, metadata, checksum)
		SELECT categories[n.stream], stream_ids[n.stream], found[n.stream] + n.place, n.event_id, n.type, n.content_type,
			n.data, n.time, n.correlation_id, n.causation_id, n.actor, nullif(n.metadata, '')::jsonb,
			n.checksum # ((found[n.stream] + n.place) & 2147483647)::integer
		FROM unnest(event_streams, event_places, event_ids, types, content_types, datas, times,
				correlation_ids, causation_ids, actors, metadatas, checksums) WITH ORDINALITY
			AS n (stream, place, event_id, type, content_type, data, time, correlation_id, causation_id, actor, metadata, checksum, k)
		WHERE expected[n.stream] = -1 AND found[n.stream] IS NOT NULL OR expected[n.stream] = found[n.stream]
		ORDER BY n.k -- the order in which positions are drawn
		RETURNING position
	)
	INSERT INTO {schema}.outbox (position) SELECT position FROM placed;
	IF current_setting('synchronous_commit') = 'off' THEN
		PERFORM set_config('synchronous_commit', 'on', true);
	END IF;
	RETURN ARRAY(
		SELECT CASE WHEN f.expected IN (-1, f.found) THEN f.found
			ELSE {schema}.found_or_repeated(f.category, f.stream_id, f.expected, f.found, f.n, f.first_id, f.last_id) END
		FROM unnest(categories, stream_ids, expected, found, sizes, first_ids, last_ids) WITH ORDINALITY
			AS f (category, stream_id, expected, found, n, first_id, last_id, k)
		ORDER BY f.k);
END
$$;

$sql$, '{schema}', quote_ident(current_schema())); END $do$;

-- 0010_appends.sql

-- Faster functions of 0007_append.sql, which says what they do.
--
-- To find a stream's version they look no further back than the version expected. An
-- index scan that is not bounded so reads all entries of the stream on a page.
--
-- Previous is the id of the event at the expected version, empty where any event will
-- do. A stream that has another event there is found at -1 minus its version.
--
-- Of types, content_types, times, correlation_ids, causation_ids, actors and metadatas,
-- an array of one value holds for all events.
DROP FUNCTION append_event;
DROP FUNCTION append_stream;
DROP FUNCTION append_events;
DROP FUNCTION found_or_repeated;

DO $do$ BEGIN EXECUTE replace($sql$

-- found_or_repeated returns the version of a stream, or the expected one if its next
-- n events are there already.
CREATE FUNCTION {schema}.found_or_repeated(
	category text, stream_id text, expected bigint, n integer, first_id text, last_id text
) RETURNS bigint LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
	have CONSTANT bigint := coalesce((
		SELECT e.version FROM {schema}.event_store AS e
		WHERE e.category = category AND e.stream_id = stream_id
		ORDER BY e.version DESC LIMIT 1), 0);
BEGIN
	IF have - n >= expected AND (
		SELECT count(*) FROM {schema}.event_store AS e
		WHERE e.category = category AND e.stream_id = stream_id
			AND (e.version = expected + 1 AND e.event_id = first_id OR e.version = expected + n AND e.event_id = last_id)
			AND e.version IN (expected + 1, expected + n)
	) = least(n, 2) THEN
		RETURN expected;
	END IF;
	RETURN have;
END
$$;

CREATE FUNCTION {schema}.append_event(
	log_lock integer, schema_key integer, wait boolean,
	category text, stream_id text, expected bigint, previous text,
	event_id text, type text, content_type text, data bytea, at timestamptz,
	correlation_id text, causation_id text, actor text, metadata text, checksum integer
) RETURNS bigint LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
	stream_key CONSTANT bigint := hashtextextended(category || ' ' || stream_id, schema_key);
	found  bigint;
	last   text;
	placed bigint;
BEGIN
	IF wait THEN
		PERFORM pg_advisory_xact_lock(stream_key);
	ELSIF NOT pg_try_advisory_xact_lock(stream_key) THEN
		RETURN NULL;
	END IF;
	SELECT e.version, e.event_id INTO found, last FROM {schema}.event_store AS e
	WHERE e.category = category AND e.stream_id = stream_id AND e.version >= expected
	ORDER BY e.version DESC LIMIT 1;
	found := coalesce(found, 0);
	IF expected NOT IN (-1, found) THEN
		RETURN {schema}.found_or_repeated(category, stream_id, expected, 1, event_id, event_id);
	END IF;
	IF previous NOT IN ('', last) THEN
		RETURN -1 - found;
	END IF;
	PERFORM pg_advisory_xact_lock_shared(log_lock, schema_key);
	INSERT INTO {schema}.event_store AS e (category, stream_id, version, event_id, type, content_type, data, time,
		correlation_id, causation_id, actor, metadata, checksum)
	VALUES (category, stream_id, found + 1, event_id, type, content_type, data, at,
		correlation_id, causation_id, actor, nullif(metadata, '')::jsonb, checksum # ((found + 1) & 2147483647)::integer)
	RETURNING e.position INTO placed;
	INSERT INTO {schema}.outbox (position) VALUES (placed);
	IF current_setting('synchronous_commit') = 'off' THEN
		PERFORM set_config('synchronous_commit', 'on', true);
	END IF;
	RETURN found;
END
$$;

CREATE FUNCTION {schema}.append_stream(
	log_lock integer, schema_key integer, wait boolean,
	category text, stream_id text, expected bigint, previous text,
	event_ids text[], types text[], content_types text[], datas bytea[], times timestamptz[],
	correlation_ids text[], causation_ids text[], actors text[], metadatas text[], checksums integer[]
) RETURNS bigint LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
	stream_key CONSTANT bigint := hashtextextended(category || ' ' || stream_id, schema_key);
	n CONSTANT integer := cardinality(event_ids);
	found bigint;
	last  text;
BEGIN
	IF wait THEN
		PERFORM pg_advisory_xact_lock(stream_key);
	ELSIF NOT pg_try_advisory_xact_lock(stream_key) THEN
		RETURN NULL;
	END IF;
	SELECT e.version, e.event_id INTO found, last FROM {schema}.event_store AS e
	WHERE e.category = category AND e.stream_id = stream_id AND e.version >= expected
	ORDER BY e.version DESC LIMIT 1;
	found := coalesce(found, 0);
	IF expected NOT IN (-1, found) THEN
		RETURN {schema}.found_or_repeated(category, stream_id, expected, n, event_ids[1], event_ids[n]);
	END IF;
	IF previous NOT IN ('', last) THEN
		RETURN -1 - found;
	END IF;
	PERFORM pg_advisory_xact_lock_shared(log_lock, schema_key);
	WITH placed AS (
		INSERT INTO {schema}.event_store (category, stream_id, version, event_id, type, content_type, data, time,
			correlation_id, causation_id, actor, metadata, checksum)
		SELECT category, stream_id, found + k, event_ids[k], coalesce(types[k], types[1]), coalesce(content_types[k], content_types[1]),
			datas[k], coalesce(times[k], times[1]), coalesce(correlation_ids[k], correlation_ids[1]),
			coalesce(causation_ids[k], causation_ids[1]), coalesce(actors[k], actors[1]),
			nullif(coalesce(metadatas[k], metadatas[1]), '')::jsonb, checksums[k] # ((found + k) & 2147483647)::integer
		FROM (SELECT k FROM generate_series(1, (SELECT n)) AS k ORDER BY k) AS e -- the order in which positions are drawn
		RETURNING position
	)
	INSERT INTO {schema}.outbox (position) SELECT position FROM placed;
	IF current_setting('synchronous_commit') = 'off' THEN
		PERFORM set_config('synchronous_commit', 'on', true);
	END IF;
	RETURN found;
END
$$;

-- The s-th stream is (categories[s], stream_ids[s]), no stream twice. Event_streams has
-- the s of each event, event_places its place, from 1, among the new events of its
-- stream. The events of a stream follow each other. No stream is waited for.
CREATE FUNCTION {schema}.append_events(
	log_lock integer, schema_key integer,
	categories text[], stream_ids text[], expected bigint[], previous text[],
	event_streams integer[], event_places integer[],
	event_ids text[], types text[], content_types text[], datas bytea[], times timestamptz[],
	correlation_ids text[], causation_ids text[], actors text[], metadatas text[], checksums integer[]
) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
	locked boolean[];
	found  bigint[];
BEGIN
	locked := ARRAY(
		SELECT pg_try_advisory_xact_lock(hashtextextended(categories[s] || ' ' || stream_ids[s], schema_key))
		FROM generate_series(1, (SELECT cardinality(categories))) AS s
		ORDER BY s);
	-- A statement of its own, because its snapshot must be younger than the locks.
	found := ARRAY(
		SELECT CASE WHEN locked[s] THEN coalesce((
			SELECT CASE WHEN e.version = expected[s] AND previous[s] NOT IN ('', e.event_id) THEN -1 - e.version ELSE e.version END
			FROM {schema}.event_store AS e
			WHERE e.category = categories[s] AND e.stream_id = stream_ids[s] AND e.version >= expected[s]
			ORDER BY e.version DESC LIMIT 1), 0) END
		FROM generate_series(1, (SELECT cardinality(categories))) AS s
		ORDER BY s);
	PERFORM pg_advisory_xact_lock_shared(log_lock, schema_key);
	WITH placed AS (
		INSERT INTO {schema}.event_store (category, stream_id, version, event_id, type, content_type, data, time,
			correlation_id, causation_id, actor, metadata, checksum)
		SELECT categories[s], stream_ids[s], found[s] + event_places[k], event_ids[k], coalesce(types[k], types[1]),
			coalesce(content_types[k], content_types[1]), datas[k], coalesce(times[k], times[1]),
			coalesce(correlation_ids[k], correlation_ids[1]), coalesce(causation_ids[k], causation_ids[1]),
			coalesce(actors[k], actors[1]), nullif(coalesce(metadatas[k], metadatas[1]), '')::jsonb,
			checksums[k] # ((found[s] + event_places[k]) & 2147483647)::integer
		FROM ( -- in the order in which positions are drawn
			SELECT k, event_streams[k] AS s FROM generate_series(1, (SELECT cardinality(event_ids))) AS k ORDER BY k
		) AS e
		WHERE expected[s] = -1 AND found[s] IS NOT NULL OR expected[s] = found[s]
		RETURNING position
	)
	INSERT INTO {schema}.outbox (position) SELECT position FROM placed;
	IF current_setting('synchronous_commit') = 'off' THEN
		PERFORM set_config('synchronous_commit', 'on', true);
	END IF;
	IF found = expected THEN
		RETURN found;
	END IF;
	RETURN ARRAY(
		SELECT CASE
			WHEN found[s] IS NULL OR found[s] < 0 OR expected[s] IN (-1, found[s]) THEN found[s]
			ELSE {schema}.found_or_repeated(categories[s], stream_ids[s], expected[s], last - first + 1, event_ids[first], event_ids[last])
		END
		FROM (
			SELECT event_streams[k] AS s, min(k) AS first, max(k) AS last
			FROM generate_series(1, (SELECT cardinality(event_ids))) AS k GROUP BY event_streams[k]
		) AS g
		ORDER BY s);
END
$$;

$sql$, '{schema}', quote_ident(current_schema())); END $do$;

INSERT INTO eventus_migrations (version) VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9), (10);

COMMIT;
