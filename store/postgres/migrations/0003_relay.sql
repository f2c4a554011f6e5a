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
