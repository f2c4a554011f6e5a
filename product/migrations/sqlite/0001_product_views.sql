-- The read model of the product service. Ids compare byte by byte, and changes
-- counts the events that were applied to the row: it is equal to version as
-- long as every effect has happened exactly once.
CREATE TABLE product_views (
	id           TEXT    NOT NULL PRIMARY KEY,
	name         TEXT    NOT NULL,
	amount       INTEGER NOT NULL, -- minor units of the currency
	currency     TEXT    NOT NULL,
	discontinued INTEGER NOT NULL,
	version      INTEGER NOT NULL,
	changes      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
