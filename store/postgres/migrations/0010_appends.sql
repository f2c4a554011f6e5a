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
