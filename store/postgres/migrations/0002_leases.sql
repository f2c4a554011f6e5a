-- Who does what only one process should do at a time, and until when.
CREATE TABLE leases (
	name   text COLLATE "C" PRIMARY KEY,
	holder text COLLATE "C" NOT NULL,
	until  timestamptz      NOT NULL
);
