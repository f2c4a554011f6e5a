--
-- PostgreSQL database dump
--


-- Dumped from database version 15.18 (Debian 15.18-0+deb12u1)
-- Dumped by pg_dump version 15.18 (Debian 15.18-0+deb12u1)

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: eventus_before; Type: SCHEMA; Schema: -; Owner: -
--



--
-- Name: append_event(integer, integer, boolean, text, text, bigint, text, text, text, bytea, timestamp with time zone, text, text, text, text); Type: FUNCTION; Schema: eventus_before; Owner: -
--

CREATE FUNCTION eventus_before.append_event(log_lock integer, schema_key integer, wait boolean, category text, stream_id text, expected bigint, event_id text, type text, content_type text, data bytea, at timestamp with time zone, correlation_id text, causation_id text, actor text, metadata text) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'eventus_before', 'pg_temp'
    AS $$
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


--
-- Name: append_events(integer, integer, boolean, text[], text[], bigint[], integer[], integer[], text[], text[], text[], bytea[], timestamp with time zone[], text[], text[], text[], text[]); Type: FUNCTION; Schema: eventus_before; Owner: -
--

CREATE FUNCTION eventus_before.append_events(log_lock integer, schema_key integer, wait boolean, categories text[], stream_ids text[], expected bigint[], event_streams integer[], event_places integer[], event_ids text[], types text[], content_types text[], datas bytea[], times timestamp with time zone[], correlation_ids text[], causation_ids text[], actors text[], metadatas text[]) RETURNS bigint[]
    LANGUAGE plpgsql
    SET search_path TO 'eventus_before', 'pg_temp'
    AS $$
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


--
-- Name: refuse_change(); Type: FUNCTION; Schema: eventus_before; Owner: -
--

CREATE FUNCTION eventus_before.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
	RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END
$$;


SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: dead_letters; Type: TABLE; Schema: eventus_before; Owner: -
--

CREATE TABLE eventus_before.dead_letters (
    consumer text NOT NULL COLLATE pg_catalog."C",
    "position" bigint NOT NULL,
    category text NOT NULL COLLATE pg_catalog."C",
    stream_id text NOT NULL COLLATE pg_catalog."C",
    version bigint NOT NULL,
    event_id text NOT NULL COLLATE pg_catalog."C",
    type text NOT NULL COLLATE pg_catalog."C",
    content_type text NOT NULL COLLATE pg_catalog."C",
    data bytea NOT NULL,
    "time" timestamp with time zone NOT NULL,
    correlation_id text NOT NULL,
    causation_id text NOT NULL,
    actor text NOT NULL,
    metadata jsonb,
    error text NOT NULL,
    attempts bigint NOT NULL,
    parked_at timestamp with time zone NOT NULL
);


--
-- Name: effects; Type: TABLE; Schema: eventus_before; Owner: -
--

CREATE TABLE eventus_before.effects (
    consumer text NOT NULL,
    category text NOT NULL,
    stream_id text NOT NULL,
    version bigint NOT NULL,
    event_id text NOT NULL
);


--
-- Name: event_store; Type: TABLE; Schema: eventus_before; Owner: -
--

CREATE TABLE eventus_before.event_store (
    "position" bigint NOT NULL,
    category text NOT NULL COLLATE pg_catalog."C",
    stream_id text NOT NULL COLLATE pg_catalog."C",
    version bigint NOT NULL,
    event_id text NOT NULL COLLATE pg_catalog."C",
    type text NOT NULL COLLATE pg_catalog."C",
    content_type text NOT NULL COLLATE pg_catalog."C",
    data bytea NOT NULL,
    "time" timestamp with time zone NOT NULL,
    correlation_id text NOT NULL,
    causation_id text NOT NULL,
    actor text NOT NULL,
    metadata jsonb,
    CONSTRAINT event_store_version_check CHECK ((version > 0))
);


--
-- Name: event_store_position_seq; Type: SEQUENCE; Schema: eventus_before; Owner: -
--

ALTER TABLE eventus_before.event_store ALTER COLUMN "position" ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME eventus_before.event_store_position_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: eventus_migrations; Type: TABLE; Schema: eventus_before; Owner: -
--

CREATE TABLE eventus_before.eventus_migrations (
    version integer NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: inbox; Type: TABLE; Schema: eventus_before; Owner: -
--

CREATE TABLE eventus_before.inbox (
    consumer text NOT NULL COLLATE pg_catalog."C",
    category text NOT NULL COLLATE pg_catalog."C",
    stream_id text NOT NULL COLLATE pg_catalog."C",
    version bigint NOT NULL
)
WITH (fillfactor='70');


--
-- Name: leases; Type: TABLE; Schema: eventus_before; Owner: -
--

CREATE TABLE eventus_before.leases (
    name text NOT NULL COLLATE pg_catalog."C",
    holder text NOT NULL COLLATE pg_catalog."C",
    until timestamp with time zone NOT NULL
);


--
-- Name: outbox; Type: TABLE; Schema: eventus_before; Owner: -
--

CREATE TABLE eventus_before.outbox (
    "position" bigint NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='1000');


--
-- Name: snapshots; Type: TABLE; Schema: eventus_before; Owner: -
--

CREATE TABLE eventus_before.snapshots (
    category text NOT NULL COLLATE pg_catalog."C",
    stream_id text NOT NULL COLLATE pg_catalog."C",
    schema bigint NOT NULL,
    version bigint NOT NULL,
    event_id text NOT NULL COLLATE pg_catalog."C",
    content_type text NOT NULL COLLATE pg_catalog."C",
    data bytea NOT NULL
);


--
-- Data for Name: dead_letters; Type: TABLE DATA; Schema: eventus_before; Owner: -
--

INSERT INTO eventus_before.dead_letters VALUES ('live', 9, 'stock', 'refused', 1, 'c12ed247-12b3-412b-a3f4-e2ccd22e6fd5', 'happened', 'application/json', '\x7b226e223a327d', '2026-11-28 06:32:10.356118+00', '', '', '', NULL, 'this will never do', 1, '2026-11-28 06:32:10.366342+00');
INSERT INTO eventus_before.dead_letters VALUES ('board', 6, 'order', 'poison', 2, '29cb1088-add7-4705-9804-5afaa57020a9', 'happened', 'application/json', '\x7b226e223a347d', '2026-11-28 06:32:10.334725+00', '', '', '', NULL, 'this will never do', 1, '2026-11-28 06:32:10.382464+00');
INSERT INTO eventus_before.dead_letters VALUES ('board', 7, 'order', 'poison', 3, '5a7895c6-46f5-48f8-b5f1-6bc790fa22e5', 'happened', 'application/json', '\x7b226e223a347d', '2026-11-28 06:32:10.347023+00', '', '', '', NULL, '', 0, '2026-11-28 06:32:10.387844+00');
INSERT INTO eventus_before.dead_letters VALUES ('board', 9, 'stock', 'refused', 1, 'c12ed247-12b3-412b-a3f4-e2ccd22e6fd5', 'happened', 'application/json', '\x7b226e223a327d', '2026-11-28 06:32:10.356118+00', '', '', '', NULL, 'this will never do', 1, '2026-11-28 06:32:10.390731+00');
INSERT INTO eventus_before.dead_letters VALUES ('board', 8, 'order', 'poison', 4, '62d45194-a02a-45fc-b193-fef6d4c5ef21', 'happened', 'application/json', '\x7b226e223a347d', '2026-11-28 06:32:10.352925+00', '', '', '', NULL, '', 0, '2026-11-28 06:32:10.391715+00');
INSERT INTO eventus_before.dead_letters VALUES ('live', 10, 'stock', 'refused', 2, '7b26ea81-905c-4dd8-8051-e8cdffc98bfc', 'happened', 'application/json', '\x7b226e223a327d', '2026-11-28 06:32:10.357654+00', '', '', '', NULL, '', 0, '2026-11-28 06:32:10.38283+00');
INSERT INTO eventus_before.dead_letters VALUES ('board', 10, 'stock', 'refused', 2, '7b26ea81-905c-4dd8-8051-e8cdffc98bfc', 'happened', 'application/json', '\x7b226e223a327d', '2026-11-28 06:32:10.357654+00', '', '', '', NULL, '', 0, '2026-11-28 06:32:10.401894+00');
INSERT INTO eventus_before.dead_letters VALUES ('board', 18, 'order', 'poison', 5, '27e2e701-448d-4bae-b1b1-bde443740208', 'happened', 'application/json', '\x7b226e223a317d', '2026-11-28 06:32:13.388206+00', '', '', '', NULL, '', 0, '2026-11-28 06:32:13.400187+00');


--
-- Data for Name: effects; Type: TABLE DATA; Schema: eventus_before; Owner: -
--

INSERT INTO eventus_before.effects VALUES ('board', 'order', 'done', 1, 'ce92a533-5d57-4ab1-86bf-f3271f091d49');
INSERT INTO eventus_before.effects VALUES ('mails', 'order', 'done', 1, 'ce92a533-5d57-4ab1-86bf-f3271f091d49');
INSERT INTO eventus_before.effects VALUES ('mails', 'order', 'done', 2, '98ef54ae-6b4d-4472-b74c-158c5195b0ef');
INSERT INTO eventus_before.effects VALUES ('board', 'order', 'done', 2, '98ef54ae-6b4d-4472-b74c-158c5195b0ef');
INSERT INTO eventus_before.effects VALUES ('board', 'stock', 'done', 1, '35e363b8-f1d9-43d7-a7c5-1343d1e606f2');
INSERT INTO eventus_before.effects VALUES ('live', 'stock', 'done', 1, '35e363b8-f1d9-43d7-a7c5-1343d1e606f2');
INSERT INTO eventus_before.effects VALUES ('mails', 'order', 'poison', 1, 'c031ffb8-a1dd-4d14-804d-f7c37d99bd3f');
INSERT INTO eventus_before.effects VALUES ('mails', 'order', 'poison', 2, '29cb1088-add7-4705-9804-5afaa57020a9');
INSERT INTO eventus_before.effects VALUES ('mails', 'order', 'poison', 3, '5a7895c6-46f5-48f8-b5f1-6bc790fa22e5');
INSERT INTO eventus_before.effects VALUES ('mails', 'order', 'poison', 4, '62d45194-a02a-45fc-b193-fef6d4c5ef21');
INSERT INTO eventus_before.effects VALUES ('board', 'order', 'poison', 1, 'c031ffb8-a1dd-4d14-804d-f7c37d99bd3f');
INSERT INTO eventus_before.effects VALUES ('mails', 'order', 'żółw 🛒 ''x''', 1, 'b939b476-8c06-4a47-93f9-13c4f8d4e777');
INSERT INTO eventus_before.effects VALUES ('mails', 'order', 'żółw 🛒 ''x''', 2, '2f97a5e2-cce6-44f7-9aff-3087f734ea02');
INSERT INTO eventus_before.effects VALUES ('board', 'order', 'żółw 🛒 ''x''', 1, 'b939b476-8c06-4a47-93f9-13c4f8d4e777');
INSERT INTO eventus_before.effects VALUES ('board', 'order', 'żółw 🛒 ''x''', 2, '2f97a5e2-cce6-44f7-9aff-3087f734ea02');
INSERT INTO eventus_before.effects VALUES ('board', 'order', 'waits', 1, '18b66d9f-334f-4dd7-b13f-a0f073c99e16');
INSERT INTO eventus_before.effects VALUES ('mails', 'order', 'waits', 1, '18b66d9f-334f-4dd7-b13f-a0f073c99e16');
INSERT INTO eventus_before.effects VALUES ('live', 'stock', 'done', 2, '72d3a7fa-f6dc-4669-9f8e-45c3ee5217a4');
INSERT INTO eventus_before.effects VALUES ('live', 'stock', 'new', 1, '87cd13c8-7b40-4320-88e0-199c0049c936');
INSERT INTO eventus_before.effects VALUES ('board', 'order', 'done', 3, '6b114e1a-b29e-44e3-88b8-5750a4a933a6');
INSERT INTO eventus_before.effects VALUES ('board', 'stock', 'done', 2, '72d3a7fa-f6dc-4669-9f8e-45c3ee5217a4');
INSERT INTO eventus_before.effects VALUES ('board', 'stock', 'new', 1, '87cd13c8-7b40-4320-88e0-199c0049c936');
INSERT INTO eventus_before.effects VALUES ('mails', 'order', 'waits', 2, '3a6ff07a-e170-472e-bad7-aaf918a15823');
INSERT INTO eventus_before.effects VALUES ('mails', 'order', 'waits', 3, 'e3091e12-a5ea-450f-925a-242099bb4eb9');
INSERT INTO eventus_before.effects VALUES ('mails', 'order', 'done', 3, '6b114e1a-b29e-44e3-88b8-5750a4a933a6');
INSERT INTO eventus_before.effects VALUES ('mails', 'order', 'poison', 5, '27e2e701-448d-4bae-b1b1-bde443740208');
INSERT INTO eventus_before.effects VALUES ('mails', 'order', 'new', 1, 'a256260f-687a-4f7b-afca-4bb3187811b8');
INSERT INTO eventus_before.effects VALUES ('mails', 'order', 'new', 2, 'e9552199-3d7c-4410-874f-cea42ec2e4d0');
INSERT INTO eventus_before.effects VALUES ('board', 'order', 'new', 1, 'a256260f-687a-4f7b-afca-4bb3187811b8');
INSERT INTO eventus_before.effects VALUES ('board', 'order', 'new', 2, 'e9552199-3d7c-4410-874f-cea42ec2e4d0');


--
-- Data for Name: event_store; Type: TABLE DATA; Schema: eventus_before; Owner: -
--

INSERT INTO eventus_before.event_store OVERRIDING SYSTEM VALUE VALUES (1, 'order', 'done', 1, 'ce92a533-5d57-4ab1-86bf-f3271f091d49', 'happened', 'application/json', '\x7b226e223a327d', '2026-11-28 06:32:10.20521+00', '', '', '', NULL);
INSERT INTO eventus_before.event_store OVERRIDING SYSTEM VALUE VALUES (2, 'order', 'done', 2, '98ef54ae-6b4d-4472-b74c-158c5195b0ef', 'happened', 'application/json', '\x7b226e223a327d', '2026-11-28 06:32:10.253223+00', '', '', '', NULL);
INSERT INTO eventus_before.event_store OVERRIDING SYSTEM VALUE VALUES (3, 'stock', 'done', 1, '35e363b8-f1d9-43d7-a7c5-1343d1e606f2', 'happened', 'application/json', '\x7b226e223a317d', '2026-11-28 06:32:10.30077+00', '', '', '', NULL);
INSERT INTO eventus_before.event_store OVERRIDING SYSTEM VALUE VALUES (4, 'other', 'done', 1, '88be7f30-70c2-4f60-8fb1-023b9dfc24c1', 'happened', 'application/json', '\x7b226e223a317d', '2026-11-28 06:32:10.331264+00', '', '', '', NULL);
INSERT INTO eventus_before.event_store OVERRIDING SYSTEM VALUE VALUES (5, 'order', 'poison', 1, 'c031ffb8-a1dd-4d14-804d-f7c37d99bd3f', 'happened', 'application/json', '\x7b226e223a347d', '2026-11-28 06:32:10.331922+00', '', '', '', NULL);
INSERT INTO eventus_before.event_store OVERRIDING SYSTEM VALUE VALUES (6, 'order', 'poison', 2, '29cb1088-add7-4705-9804-5afaa57020a9', 'happened', 'application/json', '\x7b226e223a347d', '2026-11-28 06:32:10.334725+00', '', '', '', NULL);
INSERT INTO eventus_before.event_store OVERRIDING SYSTEM VALUE VALUES (7, 'order', 'poison', 3, '5a7895c6-46f5-48f8-b5f1-6bc790fa22e5', 'happened', 'application/json', '\x7b226e223a347d', '2026-11-28 06:32:10.347023+00', '', '', '', NULL);
INSERT INTO eventus_before.event_store OVERRIDING SYSTEM VALUE VALUES (8, 'order', 'poison', 4, '62d45194-a02a-45fc-b193-fef6d4c5ef21', 'happened', 'application/json', '\x7b226e223a347d', '2026-11-28 06:32:10.352925+00', '', '', '', NULL);
INSERT INTO eventus_before.event_store OVERRIDING SYSTEM VALUE VALUES (9, 'stock', 'refused', 1, 'c12ed247-12b3-412b-a3f4-e2ccd22e6fd5', 'happened', 'application/json', '\x7b226e223a327d', '2026-11-28 06:32:10.356118+00', '', '', '', NULL);
INSERT INTO eventus_before.event_store OVERRIDING SYSTEM VALUE VALUES (10, 'stock', 'refused', 2, '7b26ea81-905c-4dd8-8051-e8cdffc98bfc', 'happened', 'application/json', '\x7b226e223a327d', '2026-11-28 06:32:10.357654+00', '', '', '', NULL);
INSERT INTO eventus_before.event_store OVERRIDING SYSTEM VALUE VALUES (11, 'order', 'żółw 🛒 ''x''', 1, 'b939b476-8c06-4a47-93f9-13c4f8d4e777', 'happened', 'application/json', '\x7b226e223a327d', '2026-11-28 06:32:10.375542+00', '', '', '', NULL);
INSERT INTO eventus_before.event_store OVERRIDING SYSTEM VALUE VALUES (12, 'order', 'żółw 🛒 ''x''', 2, '2f97a5e2-cce6-44f7-9aff-3087f734ea02', 'happened', 'application/json', '\x7b226e223a327d', '2026-11-28 06:32:10.376313+00', '', '', '', NULL);
INSERT INTO eventus_before.event_store OVERRIDING SYSTEM VALUE VALUES (13, 'order', 'waits', 1, '18b66d9f-334f-4dd7-b13f-a0f073c99e16', 'happened', 'application/json', '\x7b226e223a337d', '2026-11-28 06:32:13.377754+00', '', '', '', NULL);
INSERT INTO eventus_before.event_store OVERRIDING SYSTEM VALUE VALUES (14, 'order', 'waits', 2, '3a6ff07a-e170-472e-bad7-aaf918a15823', 'happened', 'application/json', '\x7b226e223a337d', '2026-11-28 06:32:13.378635+00', '', '', '', NULL);
INSERT INTO eventus_before.event_store OVERRIDING SYSTEM VALUE VALUES (15, 'order', 'waits', 3, 'e3091e12-a5ea-450f-925a-242099bb4eb9', 'happened', 'application/json', '\x7b226e223a337d', '2026-11-28 06:32:13.385924+00', '', '', '', NULL);
INSERT INTO eventus_before.event_store OVERRIDING SYSTEM VALUE VALUES (16, 'order', 'done', 3, '6b114e1a-b29e-44e3-88b8-5750a4a933a6', 'happened', 'application/json', '\x7b226e223a317d', '2026-11-28 06:32:13.386487+00', '', '', '', NULL);
INSERT INTO eventus_before.event_store OVERRIDING SYSTEM VALUE VALUES (17, 'stock', 'done', 2, '72d3a7fa-f6dc-4669-9f8e-45c3ee5217a4', 'happened', 'application/json', '\x7b226e223a317d', '2026-11-28 06:32:13.387212+00', '', '', '', NULL);
INSERT INTO eventus_before.event_store OVERRIDING SYSTEM VALUE VALUES (18, 'order', 'poison', 5, '27e2e701-448d-4bae-b1b1-bde443740208', 'happened', 'application/json', '\x7b226e223a317d', '2026-11-28 06:32:13.388206+00', '', '', '', NULL);
INSERT INTO eventus_before.event_store OVERRIDING SYSTEM VALUE VALUES (19, 'order', 'new', 1, 'a256260f-687a-4f7b-afca-4bb3187811b8', 'happened', 'application/json', '\x7b226e223a327d', '2026-11-28 06:32:13.388994+00', '', '', '', NULL);
INSERT INTO eventus_before.event_store OVERRIDING SYSTEM VALUE VALUES (20, 'order', 'new', 2, 'e9552199-3d7c-4410-874f-cea42ec2e4d0', 'happened', 'application/json', '\x7b226e223a327d', '2026-11-28 06:32:13.389861+00', '', '', '', NULL);
INSERT INTO eventus_before.event_store OVERRIDING SYSTEM VALUE VALUES (21, 'stock', 'new', 1, '87cd13c8-7b40-4320-88e0-199c0049c936', 'happened', 'application/json', '\x7b226e223a317d', '2026-11-28 06:32:13.391686+00', '', '', '', NULL);
INSERT INTO eventus_before.event_store OVERRIDING SYSTEM VALUE VALUES (22, 'order', 'done', 4, 'a8c3b1dd-c60f-4047-a31d-93059a9cba7b', 'happened', 'application/json', '\x7b226e223a317d', '2026-11-28 06:32:16.396759+00', '', '', '', NULL);
INSERT INTO eventus_before.event_store OVERRIDING SYSTEM VALUE VALUES (23, 'order', 'waits', 4, 'a6bb494e-b6d8-4a96-bb22-44829aa2c53e', 'happened', 'application/json', '\x7b226e223a317d', '2026-11-28 06:32:16.397403+00', '', '', '', NULL);
INSERT INTO eventus_before.event_store OVERRIDING SYSTEM VALUE VALUES (24, 'order', 'poison', 6, '537df9f5-1589-4986-87bc-69c2afbb785a', 'happened', 'application/json', '\x7b226e223a317d', '2026-11-28 06:32:16.397915+00', '', '', '', NULL);
INSERT INTO eventus_before.event_store OVERRIDING SYSTEM VALUE VALUES (25, 'stock', 'done', 3, '2e2c92b1-4130-4147-95e6-1163d4e011c4', 'happened', 'application/json', '\x7b226e223a317d', '2026-11-28 06:32:16.398214+00', '', '', '', NULL);
INSERT INTO eventus_before.event_store OVERRIDING SYSTEM VALUE VALUES (26, 'order', 'late', 1, 'd3c41c19-ef77-4477-be3c-c2f692794ff4', 'happened', 'application/json', '\x7b226e223a327d', '2026-11-28 06:32:16.398538+00', '', '', '', NULL);
INSERT INTO eventus_before.event_store OVERRIDING SYSTEM VALUE VALUES (27, 'order', 'late', 2, '7f62f0c5-d9af-4b51-b3e8-b7d4f1454e9e', 'happened', 'application/json', '\x7b226e223a327d', '2026-11-28 06:32:16.39882+00', '', '', '', NULL);


--
-- Data for Name: eventus_migrations; Type: TABLE DATA; Schema: eventus_before; Owner: -
--

INSERT INTO eventus_before.eventus_migrations VALUES (1, '2026-11-28 06:32:09.967039+00');
INSERT INTO eventus_before.eventus_migrations VALUES (2, '2026-11-28 06:32:10.163709+00');


--
-- Data for Name: inbox; Type: TABLE DATA; Schema: eventus_before; Owner: -
--

INSERT INTO eventus_before.inbox VALUES ('live', 'stock', 'refused', 0);
INSERT INTO eventus_before.inbox VALUES ('board', 'order', 'poison', 1);
INSERT INTO eventus_before.inbox VALUES ('mails', 'order', 'żółw 🛒 ''x''', 2);
INSERT INTO eventus_before.inbox VALUES ('board', 'stock', 'refused', 0);
INSERT INTO eventus_before.inbox VALUES ('board', 'order', 'żółw 🛒 ''x''', 2);
INSERT INTO eventus_before.inbox VALUES ('board', 'order', 'waits', 1);
INSERT INTO eventus_before.inbox VALUES ('live', 'stock', 'done', 2);
INSERT INTO eventus_before.inbox VALUES ('live', 'stock', 'new', 1);
INSERT INTO eventus_before.inbox VALUES ('board', 'order', 'done', 3);
INSERT INTO eventus_before.inbox VALUES ('board', 'stock', '', 21);
INSERT INTO eventus_before.inbox VALUES ('board', 'stock', 'done', 2);
INSERT INTO eventus_before.inbox VALUES ('board', 'stock', 'new', 1);
INSERT INTO eventus_before.inbox VALUES ('mails', 'order', 'new', 2);
INSERT INTO eventus_before.inbox VALUES ('mails', 'order', '', 21);
INSERT INTO eventus_before.inbox VALUES ('mails', 'order', 'waits', 3);
INSERT INTO eventus_before.inbox VALUES ('mails', 'order', 'done', 3);
INSERT INTO eventus_before.inbox VALUES ('mails', 'order', 'poison', 5);
INSERT INTO eventus_before.inbox VALUES ('board', 'order', '', 13);
INSERT INTO eventus_before.inbox VALUES ('board', 'order', 'new', 2);


--
-- Data for Name: leases; Type: TABLE DATA; Schema: eventus_before; Owner: -
--



--
-- Data for Name: outbox; Type: TABLE DATA; Schema: eventus_before; Owner: -
--

INSERT INTO eventus_before.outbox VALUES (22);
INSERT INTO eventus_before.outbox VALUES (23);
INSERT INTO eventus_before.outbox VALUES (24);
INSERT INTO eventus_before.outbox VALUES (25);
INSERT INTO eventus_before.outbox VALUES (26);
INSERT INTO eventus_before.outbox VALUES (27);


--
-- Data for Name: snapshots; Type: TABLE DATA; Schema: eventus_before; Owner: -
--



--
-- Name: event_store_position_seq; Type: SEQUENCE SET; Schema: eventus_before; Owner: -
--

SELECT pg_catalog.setval('eventus_before.event_store_position_seq', 27, true);


--
-- Name: dead_letters dead_letters_pkey; Type: CONSTRAINT; Schema: eventus_before; Owner: -
--

ALTER TABLE ONLY eventus_before.dead_letters
    ADD CONSTRAINT dead_letters_pkey PRIMARY KEY (consumer, category, stream_id, version);


--
-- Name: event_store event_store_pkey; Type: CONSTRAINT; Schema: eventus_before; Owner: -
--

ALTER TABLE ONLY eventus_before.event_store
    ADD CONSTRAINT event_store_pkey PRIMARY KEY ("position");


--
-- Name: event_store event_store_stream_version; Type: CONSTRAINT; Schema: eventus_before; Owner: -
--

ALTER TABLE ONLY eventus_before.event_store
    ADD CONSTRAINT event_store_stream_version UNIQUE (category, stream_id, version);


--
-- Name: eventus_migrations eventus_migrations_pkey; Type: CONSTRAINT; Schema: eventus_before; Owner: -
--

ALTER TABLE ONLY eventus_before.eventus_migrations
    ADD CONSTRAINT eventus_migrations_pkey PRIMARY KEY (version);


--
-- Name: inbox inbox_pkey; Type: CONSTRAINT; Schema: eventus_before; Owner: -
--

ALTER TABLE ONLY eventus_before.inbox
    ADD CONSTRAINT inbox_pkey PRIMARY KEY (consumer, category, stream_id);


--
-- Name: leases leases_pkey; Type: CONSTRAINT; Schema: eventus_before; Owner: -
--

ALTER TABLE ONLY eventus_before.leases
    ADD CONSTRAINT leases_pkey PRIMARY KEY (name);


--
-- Name: outbox outbox_pkey; Type: CONSTRAINT; Schema: eventus_before; Owner: -
--

ALTER TABLE ONLY eventus_before.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY ("position");


--
-- Name: snapshots snapshots_pkey; Type: CONSTRAINT; Schema: eventus_before; Owner: -
--

ALTER TABLE ONLY eventus_before.snapshots
    ADD CONSTRAINT snapshots_pkey PRIMARY KEY (category, stream_id, schema);


--
-- Name: event_store event_store_append_only; Type: TRIGGER; Schema: eventus_before; Owner: -
--

CREATE TRIGGER event_store_append_only BEFORE DELETE OR UPDATE ON eventus_before.event_store FOR EACH ROW EXECUTE FUNCTION eventus_before.refuse_change();


--
-- Name: event_store event_store_no_truncate; Type: TRIGGER; Schema: eventus_before; Owner: -
--

CREATE TRIGGER event_store_no_truncate BEFORE TRUNCATE ON eventus_before.event_store FOR EACH STATEMENT EXECUTE FUNCTION eventus_before.refuse_change();


--
-- PostgreSQL database dump complete
--


