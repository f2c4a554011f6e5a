-- The latest time of the events that a snapshot has. NULL, as in all rows of
-- before, is not known. A program of before would leave the time of another state
-- there, so that data gets another name: to such a program, the snapshots fail.
ALTER TABLE snapshots RENAME COLUMN data TO state;
ALTER TABLE snapshots ADD COLUMN latest timestamptz;
