-- The read model of the product service. Ids compare byte by byte, and changes
-- counts the events that were applied to the row: it is equal to version as
-- long as every effect has happened exactly once.
CREATE TABLE product_views (
	id           text    NOT NULL COLLATE "C" PRIMARY KEY,
	name         text    NOT NULL,
	amount       bigint  NOT NULL, -- minor units of the currency
	currency     text    NOT NULL,
	discontinued boolean NOT NULL,
	version      bigint  NOT NULL,
	changes      bigint  NOT NULL
);
