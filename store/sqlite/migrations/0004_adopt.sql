-- Consumers that read the log kept their progress in inbox and dead_letters. They
-- become consumers of 0003_consumers.sql here, without losing or repeating a
-- message. A consumer of the log is one with a position: a row of inbox without a
-- stream_id, whose version is the position up to which all messages of the
-- category were done. All others stay as they are: a broker alone feeds them.
--
-- The segment of an adopted consumer starts at the smallest of its positions. A
-- stream whose mark does not fit that place is parked and caught up from the log.

-- The consumers to adopt. The log is here if it has the event of any mark. It can
-- be in another database than the inbox.
CREATE TABLE adopt_consumers AS
SELECT p.consumer, p.low, p.high, EXISTS (
	SELECT 1 FROM inbox AS i JOIN event_store AS e USING (category, stream_id, version)
	WHERE i.consumer = p.consumer
		AND EXISTS (SELECT 1 FROM inbox AS c WHERE c.consumer = i.consumer AND c.category = i.category AND c.stream_id = '')
) AS here
FROM (SELECT consumer, min(version) AS low, max(version) AS high FROM inbox WHERE stream_id = '' GROUP BY consumer) AS p
WHERE NOT EXISTS (SELECT 1 FROM consumers AS c WHERE c.name = p.consumer);

CREATE TABLE adopt_categories AS
SELECT i.consumer, i.category FROM inbox AS i JOIN adopt_consumers AS a USING (consumer) WHERE i.stream_id = '';

INSERT INTO consumers (name, generation, categories, start, created_at, paused, renamed_to, meet_at, next_segments, rebuild)
SELECT a.consumer, 0, (
	SELECT json_group_array(category) FROM (SELECT c.category FROM adopt_categories AS c WHERE c.consumer = a.consumer ORDER BY c.category)
), 'beginning', unixepoch() * 1000000, 0, '', 0, 0, 0
FROM adopt_consumers AS a;

-- The place is that of the last event that the consumer is done with. Its id lets
-- the consumer notice a log that is another one. Where the log is in another
-- database, the id is not known.
INSERT INTO consumer_segments (name, generation, segment, position, event_id, trying, tries, forked, owner, epoch, lease_until)
SELECT a.consumer, 0, 0,
	CASE WHEN a.here THEN coalesce(last.position, 0) ELSE a.low END,
	CASE WHEN a.here THEN coalesce(last.event_id, '') ELSE '' END,
	0, 0,
	CASE WHEN a.here AND a.high > (SELECT max(position) FROM event_store)
		THEN format('the consumer has come to position %d, and the log ends before it', a.high) ELSE '' END,
	'', 0, 0
FROM adopt_consumers AS a
LEFT JOIN event_store AS last ON last.position = (SELECT max(position) FROM event_store WHERE position <= a.low);

-- The streams whose marks do not fit the consumer's place:
--   - one with dead letters,
--   - one that was handled beyond the place, whose messages up to the mark would
--     take effect again,
--   - one that lacks a message up to the place, which would be lost,
--   - one whose mark has no event in the log: it is forked,
--   - where the log is in another database, each with a mark.
-- The consumer passes them by and catches them up from the message after the mark.
--
-- SQLite takes error and attempts from the row that has the smallest version.
CREATE TABLE adopt_letters AS
SELECT consumer, category, stream_id, min(version) AS version, error, attempts, parked_at
FROM dead_letters GROUP BY consumer, category, stream_id;

CREATE TABLE adopt_marks AS
SELECT consumer, category, stream_id, max(version) AS version
FROM (
	SELECT consumer, category, stream_id, version FROM inbox WHERE stream_id <> ''
	UNION ALL
	SELECT consumer, category, stream_id, 0 FROM adopt_letters
)
GROUP BY consumer, category, stream_id;

INSERT INTO parked_streams (name, generation, category, stream_id, hash, version, position, event_id, reason, error, attempts, next_try, since)
SELECT m.consumer, 0, m.category, m.stream_id, 0, m.version + 1,
	CASE WHEN a.here THEN coalesce(next.position, 0) ELSE 0 END,
	CASE WHEN a.here THEN coalesce(next.event_id, '') ELSE '' END,
	CASE WHEN a.here AND m.version > 0 AND last.position IS NULL THEN 'forked' WHEN letter.version IS NOT NULL THEN 'poison' ELSE 'waiting' END,
	CASE
		WHEN a.here AND m.version > 0 AND last.position IS NULL
			THEN format('the consumer has handled version %d of the stream, and the log does not have it', m.version)
		WHEN letter.version IS NOT NULL THEN letter.error
		ELSE 'the consumer was adopted from an inbox; the stream is caught up from the log'
	END,
	coalesce(letter.attempts, 0), unixepoch() * 1000000, coalesce(letter.parked_at, unixepoch() * 1000000)
FROM adopt_marks AS m
JOIN adopt_categories AS c ON c.consumer = m.consumer AND c.category = m.category
JOIN adopt_consumers AS a ON a.consumer = m.consumer
JOIN consumer_segments AS s ON s.name = m.consumer AND s.generation = 0
LEFT JOIN event_store AS last ON last.category = m.category AND last.stream_id = m.stream_id AND last.version = m.version
LEFT JOIN event_store AS next ON next.category = m.category AND next.stream_id = m.stream_id AND next.version = m.version + 1
LEFT JOIN adopt_letters AS letter ON letter.consumer = m.consumer AND letter.category = m.category AND letter.stream_id = m.stream_id
WHERE letter.version IS NOT NULL
	OR a.here AND (m.version > 0 AND last.position IS NULL OR last.position > s.position OR next.position <= s.position)
	OR NOT a.here AND m.version > 0;

-- The hash of package consume: FNV-1a, 32 bits, of category, a zero byte and id.
-- SQLite has no XOR; (a | b) - (a & b) is the same.
CREATE TABLE adopt_bytes (digits TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
WITH RECURSIVE bytes (value) AS (SELECT 0 UNION ALL SELECT value + 1 FROM bytes WHERE value < 255)
INSERT INTO adopt_bytes (digits, value) SELECT format('%02X', value), value FROM bytes;

WITH RECURSIVE steps (parked, digits, place, hash) AS (
	SELECT p.rowid, hex(CAST(p.category AS BLOB)) || '00' || hex(CAST(p.stream_id AS BLOB)), 1, 2166136261
	FROM parked_streams AS p JOIN adopt_consumers AS a ON a.consumer = p.name
	UNION ALL
	SELECT s.parked, s.digits, s.place + 2, (((s.hash | b.value) - (s.hash & b.value)) * 16777619) & 4294967295
	FROM steps AS s JOIN adopt_bytes AS b ON b.digits = substr(s.digits, s.place, 2)
)
UPDATE parked_streams SET hash = steps.hash
FROM steps WHERE steps.parked = parked_streams.rowid AND steps.place > length(steps.digits);

DELETE FROM dead_letters WHERE (consumer, category) IN (SELECT consumer, category FROM adopt_categories);

-- From here on a mark names its event. Existing marks do not know it. There is no
-- default, so that a program of the version before fails when it writes a mark: it
-- would miss the marks that are left out here, and repeat their effects.
ALTER TABLE inbox RENAME TO adopt_inbox;
CREATE TABLE inbox (
	consumer  TEXT    NOT NULL,
	category  TEXT    NOT NULL,
	stream_id TEXT    NOT NULL,
	version   INTEGER NOT NULL,
	event_id  TEXT    NOT NULL, -- of the event at version
	PRIMARY KEY (consumer, category, stream_id)
) STRICT, WITHOUT ROWID;
INSERT INTO inbox (consumer, category, stream_id, version, event_id)
SELECT consumer, category, stream_id, version, '' FROM adopt_inbox
WHERE (consumer, category) NOT IN (SELECT consumer, category FROM adopt_categories);

DROP TABLE adopt_inbox;
DROP TABLE adopt_bytes;
DROP TABLE adopt_marks;
DROP TABLE adopt_letters;
DROP TABLE adopt_categories;
DROP TABLE adopt_consumers;
