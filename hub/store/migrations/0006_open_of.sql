-- The open intents of an entity.  Of two indexes that would do, PostgreSQL takes
-- the one that was made last where it knows nothing of a table.
CREATE INDEX intents_open_of ON intents (tenant_id, kind, entity) WHERE is_open = 1;
