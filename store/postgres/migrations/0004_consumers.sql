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
