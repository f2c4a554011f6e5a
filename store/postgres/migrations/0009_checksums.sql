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
