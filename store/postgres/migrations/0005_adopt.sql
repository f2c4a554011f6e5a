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
