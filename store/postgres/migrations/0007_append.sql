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
