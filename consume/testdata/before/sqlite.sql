PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE event_store (
	position       INTEGER PRIMARY KEY AUTOINCREMENT,
	category       TEXT    NOT NULL,
	stream_id      TEXT    NOT NULL,
	version        INTEGER NOT NULL CHECK (version > 0),
	event_id       TEXT    NOT NULL,
	type           TEXT    NOT NULL,
	content_type   TEXT    NOT NULL,
	data           BLOB    NOT NULL,
	time           INTEGER NOT NULL, -- microseconds since 1970, UTC
	correlation_id TEXT    NOT NULL,
	causation_id   TEXT    NOT NULL,
	actor          TEXT    NOT NULL,
	metadata       TEXT,             -- the free fields as a JSON object, NULL when there are none
	UNIQUE (category, stream_id, version)
) STRICT;
INSERT INTO event_store VALUES(1,'order','done',1,'992fbb61-0427-4d7a-80e2-c2f1db18904d','happened','application/json',X'7b226e223a327d',1795847518642317,'','','',NULL);
INSERT INTO event_store VALUES(2,'order','done',2,'871dc11e-c223-433d-bfde-8bdeba0957ab','happened','application/json',X'7b226e223a327d',1795847518651228,'','','',NULL);
INSERT INTO event_store VALUES(3,'stock','done',1,'2a2f22d2-141b-419a-a334-a3baaf908c84','happened','application/json',X'7b226e223a317d',1795847518658995,'','','',NULL);
INSERT INTO event_store VALUES(4,'other','done',1,'a73b7494-e416-41d9-8fb9-365df411fd97','happened','application/json',X'7b226e223a317d',1795847518664665,'','','',NULL);
INSERT INTO event_store VALUES(5,'order','poison',1,'95ddae37-c513-4080-9123-8ef4042d2c00','happened','application/json',X'7b226e223a347d',1795847518668154,'','','',NULL);
INSERT INTO event_store VALUES(6,'order','poison',2,'f6e7f02f-aa24-4666-b801-0479a7e62f0a','happened','application/json',X'7b226e223a347d',1795847518671822,'','','',NULL);
INSERT INTO event_store VALUES(7,'order','poison',3,'07d98a0a-0b77-46d3-9c98-7493e3b2e93b','happened','application/json',X'7b226e223a347d',1795847518682674,'','','',NULL);
INSERT INTO event_store VALUES(8,'order','poison',4,'fe16a411-4f3a-4fb2-b375-8583a1dd9fc8','happened','application/json',X'7b226e223a347d',1795847518686507,'','','',NULL);
INSERT INTO event_store VALUES(9,'stock','refused',1,'8374060d-343e-4c19-b838-a38ed8e56476','happened','application/json',X'7b226e223a327d',1795847518695594,'','','',NULL);
INSERT INTO event_store VALUES(10,'stock','refused',2,'dd548856-0d7d-47c5-9757-9b1aff58ec92','happened','application/json',X'7b226e223a327d',1795847518701966,'','','',NULL);
INSERT INTO event_store VALUES(11,'order','żółw 🛒 ''x''',1,'7df85ded-c152-4d40-9b2b-109e3a7dcc51','happened','application/json',X'7b226e223a327d',1795847518706912,'','','',NULL);
INSERT INTO event_store VALUES(12,'order','żółw 🛒 ''x''',2,'9b42e64a-595f-45e5-bedf-fe3fc1a89e2d','happened','application/json',X'7b226e223a327d',1795847518710892,'','','',NULL);
INSERT INTO event_store VALUES(13,'order','waits',1,'0067ea35-4752-4bc3-bc8a-f253afdfe424','happened','application/json',X'7b226e223a337d',1795847521726592,'','','',NULL);
INSERT INTO event_store VALUES(14,'order','waits',2,'45c6419f-bcbe-4274-bed7-cdfa32db4a08','happened','application/json',X'7b226e223a337d',1795847521728108,'','','',NULL);
INSERT INTO event_store VALUES(15,'order','waits',3,'276d8833-3af2-49d3-b9dc-90a8b5b66107','happened','application/json',X'7b226e223a337d',1795847521732714,'','','',NULL);
INSERT INTO event_store VALUES(16,'order','done',3,'d806c201-d2a9-443a-ba09-5d900211f868','happened','application/json',X'7b226e223a317d',1795847521740206,'','','',NULL);
INSERT INTO event_store VALUES(17,'stock','done',2,'7b2f2b4d-42e2-4c46-a4ed-cde6a2f2338c','happened','application/json',X'7b226e223a317d',1795847521744337,'','','',NULL);
INSERT INTO event_store VALUES(18,'order','poison',5,'06052c10-bd24-447e-972d-74b3f097df68','happened','application/json',X'7b226e223a317d',1795847521746961,'','','',NULL);
INSERT INTO event_store VALUES(19,'order','new',1,'406fc990-44f2-4d98-9150-2b1a464817aa','happened','application/json',X'7b226e223a327d',1795847521750660,'','','',NULL);
INSERT INTO event_store VALUES(20,'order','new',2,'842daa7d-8dee-41cf-b692-5933e10577d3','happened','application/json',X'7b226e223a327d',1795847521753815,'','','',NULL);
INSERT INTO event_store VALUES(21,'stock','new',1,'fa41cb89-a393-4bb7-904d-bac79a3008ee','happened','application/json',X'7b226e223a317d',1795847521756430,'','','',NULL);
INSERT INTO event_store VALUES(22,'order','done',4,'8aa5d096-ce11-40ee-a7d7-a61ca3ec0887','happened','application/json',X'7b226e223a317d',1795847524766124,'','','',NULL);
INSERT INTO event_store VALUES(23,'order','waits',4,'8e3d043b-22b5-4464-bfa5-2e6934e1189b','happened','application/json',X'7b226e223a317d',1795847524777254,'','','',NULL);
INSERT INTO event_store VALUES(24,'order','poison',6,'212b5a6b-baeb-4e16-9b46-33e670d60a34','happened','application/json',X'7b226e223a317d',1795847524787204,'','','',NULL);
INSERT INTO event_store VALUES(25,'stock','done',3,'49b553f5-7c7a-4e07-b7e3-3614f405d7cb','happened','application/json',X'7b226e223a317d',1795847524798283,'','','',NULL);
INSERT INTO event_store VALUES(26,'order','late',1,'1f3bb2ca-29d8-4f69-ba7b-b97859d18fc5','happened','application/json',X'7b226e223a327d',1795847524807349,'','','',NULL);
INSERT INTO event_store VALUES(27,'order','late',2,'63ea3f5d-f271-4114-9b73-9572d73ac378','happened','application/json',X'7b226e223a327d',1795847524808764,'','','',NULL);
CREATE TABLE outbox (
	position INTEGER PRIMARY KEY
) STRICT;
INSERT INTO outbox VALUES(22);
INSERT INTO outbox VALUES(23);
INSERT INTO outbox VALUES(24);
INSERT INTO outbox VALUES(25);
INSERT INTO outbox VALUES(26);
INSERT INTO outbox VALUES(27);
CREATE TABLE snapshots (
	category     TEXT    NOT NULL,
	stream_id    TEXT    NOT NULL,
	schema       INTEGER NOT NULL,
	version      INTEGER NOT NULL,
	event_id     TEXT    NOT NULL, -- of the event at version
	content_type TEXT    NOT NULL,
	data         BLOB    NOT NULL,
	UNIQUE (category, stream_id, schema)
) STRICT;
CREATE TABLE inbox (
	consumer  TEXT    NOT NULL,
	category  TEXT    NOT NULL,
	stream_id TEXT    NOT NULL,
	version   INTEGER NOT NULL,
	PRIMARY KEY (consumer, category, stream_id)
) STRICT, WITHOUT ROWID;
INSERT INTO inbox VALUES('board','order','',12);
INSERT INTO inbox VALUES('board','order','done',3);
INSERT INTO inbox VALUES('board','order','new',2);
INSERT INTO inbox VALUES('board','order','poison',1);
INSERT INTO inbox VALUES('board','order','waits',1);
INSERT INTO inbox VALUES('board','order','żółw 🛒 ''x''',2);
INSERT INTO inbox VALUES('board','stock','',21);
INSERT INTO inbox VALUES('board','stock','done',2);
INSERT INTO inbox VALUES('board','stock','new',1);
INSERT INTO inbox VALUES('live','stock','done',2);
INSERT INTO inbox VALUES('live','stock','new',1);
INSERT INTO inbox VALUES('mails','order','',21);
INSERT INTO inbox VALUES('mails','order','done',3);
INSERT INTO inbox VALUES('mails','order','new',2);
INSERT INTO inbox VALUES('mails','order','poison',5);
INSERT INTO inbox VALUES('mails','order','waits',3);
INSERT INTO inbox VALUES('mails','order','żółw 🛒 ''x''',2);
CREATE TABLE dead_letters (
	consumer       TEXT    NOT NULL,
	position       INTEGER NOT NULL,
	category       TEXT    NOT NULL,
	stream_id      TEXT    NOT NULL,
	version        INTEGER NOT NULL,
	event_id       TEXT    NOT NULL,
	type           TEXT    NOT NULL,
	content_type   TEXT    NOT NULL,
	data           BLOB    NOT NULL,
	time           INTEGER NOT NULL,
	correlation_id TEXT    NOT NULL,
	causation_id   TEXT    NOT NULL,
	actor          TEXT    NOT NULL,
	metadata       TEXT,
	error          TEXT    NOT NULL,
	attempts       INTEGER NOT NULL,
	parked_at      INTEGER NOT NULL,
	UNIQUE (consumer, category, stream_id, version)
) STRICT;
INSERT INTO dead_letters VALUES('board',6,'order','poison',2,'f6e7f02f-aa24-4666-b801-0479a7e62f0a','happened','application/json',X'7b226e223a347d',1795847518671822,'','','',NULL,'this will never do',1,1795847518702145);
INSERT INTO dead_letters VALUES('board',7,'order','poison',3,'07d98a0a-0b77-46d3-9c98-7493e3b2e93b','happened','application/json',X'7b226e223a347d',1795847518682674,'','','',NULL,'',0,1795847518711027);
INSERT INTO dead_letters VALUES('board',8,'order','poison',4,'fe16a411-4f3a-4fb2-b375-8583a1dd9fc8','happened','application/json',X'7b226e223a347d',1795847518686507,'','','',NULL,'',0,1795847518711185);
INSERT INTO dead_letters VALUES('live',9,'stock','refused',1,'8374060d-343e-4c19-b838-a38ed8e56476','happened','application/json',X'7b226e223a327d',1795847518695594,'','','',NULL,'this will never do',1,1795847518712861);
INSERT INTO dead_letters VALUES('board',9,'stock','refused',1,'8374060d-343e-4c19-b838-a38ed8e56476','happened','application/json',X'7b226e223a327d',1795847518695594,'','','',NULL,'this will never do',1,1795847518729575);
INSERT INTO dead_letters VALUES('live',10,'stock','refused',2,'dd548856-0d7d-47c5-9757-9b1aff58ec92','happened','application/json',X'7b226e223a327d',1795847518701966,'','','',NULL,'',0,1795847518738294);
INSERT INTO dead_letters VALUES('board',10,'stock','refused',2,'dd548856-0d7d-47c5-9757-9b1aff58ec92','happened','application/json',X'7b226e223a327d',1795847518701966,'','','',NULL,'',0,1795847518752319);
INSERT INTO dead_letters VALUES('board',18,'order','poison',5,'06052c10-bd24-447e-972d-74b3f097df68','happened','application/json',X'7b226e223a317d',1795847521746961,'','','',NULL,'',0,1795847521754742);
CREATE TABLE effects (consumer text NOT NULL, category text NOT NULL, stream_id text NOT NULL, version bigint NOT NULL, event_id text NOT NULL);
INSERT INTO effects VALUES('board','order','done',1,'992fbb61-0427-4d7a-80e2-c2f1db18904d');
INSERT INTO effects VALUES('mails','order','done',1,'992fbb61-0427-4d7a-80e2-c2f1db18904d');
INSERT INTO effects VALUES('board','order','done',2,'871dc11e-c223-433d-bfde-8bdeba0957ab');
INSERT INTO effects VALUES('mails','order','done',2,'871dc11e-c223-433d-bfde-8bdeba0957ab');
INSERT INTO effects VALUES('live','stock','done',1,'2a2f22d2-141b-419a-a334-a3baaf908c84');
INSERT INTO effects VALUES('board','stock','done',1,'2a2f22d2-141b-419a-a334-a3baaf908c84');
INSERT INTO effects VALUES('board','order','poison',1,'95ddae37-c513-4080-9123-8ef4042d2c00');
INSERT INTO effects VALUES('mails','order','poison',1,'95ddae37-c513-4080-9123-8ef4042d2c00');
INSERT INTO effects VALUES('mails','order','poison',2,'f6e7f02f-aa24-4666-b801-0479a7e62f0a');
INSERT INTO effects VALUES('mails','order','poison',3,'07d98a0a-0b77-46d3-9c98-7493e3b2e93b');
INSERT INTO effects VALUES('mails','order','poison',4,'fe16a411-4f3a-4fb2-b375-8583a1dd9fc8');
INSERT INTO effects VALUES('board','order','żółw 🛒 ''x''',1,'7df85ded-c152-4d40-9b2b-109e3a7dcc51');
INSERT INTO effects VALUES('mails','order','żółw 🛒 ''x''',1,'7df85ded-c152-4d40-9b2b-109e3a7dcc51');
INSERT INTO effects VALUES('board','order','żółw 🛒 ''x''',2,'9b42e64a-595f-45e5-bedf-fe3fc1a89e2d');
INSERT INTO effects VALUES('mails','order','żółw 🛒 ''x''',2,'9b42e64a-595f-45e5-bedf-fe3fc1a89e2d');
INSERT INTO effects VALUES('board','order','waits',1,'0067ea35-4752-4bc3-bc8a-f253afdfe424');
INSERT INTO effects VALUES('mails','order','waits',1,'0067ea35-4752-4bc3-bc8a-f253afdfe424');
INSERT INTO effects VALUES('mails','order','waits',2,'45c6419f-bcbe-4274-bed7-cdfa32db4a08');
INSERT INTO effects VALUES('mails','order','waits',3,'276d8833-3af2-49d3-b9dc-90a8b5b66107');
INSERT INTO effects VALUES('board','order','done',3,'d806c201-d2a9-443a-ba09-5d900211f868');
INSERT INTO effects VALUES('mails','order','done',3,'d806c201-d2a9-443a-ba09-5d900211f868');
INSERT INTO effects VALUES('live','stock','done',2,'7b2f2b4d-42e2-4c46-a4ed-cde6a2f2338c');
INSERT INTO effects VALUES('board','stock','done',2,'7b2f2b4d-42e2-4c46-a4ed-cde6a2f2338c');
INSERT INTO effects VALUES('mails','order','poison',5,'06052c10-bd24-447e-972d-74b3f097df68');
INSERT INTO effects VALUES('mails','order','new',1,'406fc990-44f2-4d98-9150-2b1a464817aa');
INSERT INTO effects VALUES('mails','order','new',2,'842daa7d-8dee-41cf-b692-5933e10577d3');
INSERT INTO effects VALUES('board','order','new',1,'406fc990-44f2-4d98-9150-2b1a464817aa');
INSERT INTO effects VALUES('board','order','new',2,'842daa7d-8dee-41cf-b692-5933e10577d3');
INSERT INTO effects VALUES('live','stock','new',1,'fa41cb89-a393-4bb7-904d-bac79a3008ee');
INSERT INTO effects VALUES('board','stock','new',1,'fa41cb89-a393-4bb7-904d-bac79a3008ee');
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('event_store',27);
CREATE TRIGGER event_store_no_update BEFORE UPDATE ON event_store
BEGIN
	SELECT raise(ABORT, 'event_store is append-only');
END;
CREATE TRIGGER event_store_no_delete BEFORE DELETE ON event_store
BEGIN
	SELECT raise(ABORT, 'event_store is append-only');
END;
COMMIT;
PRAGMA user_version = 1;
