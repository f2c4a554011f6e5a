-- A checksum for each event, by which a reader finds out about damage
-- (store.Checksum). NULL, as in all rows of before, is not compared.
ALTER TABLE event_store ADD COLUMN checksum INTEGER;
