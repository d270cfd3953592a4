-- Secrets of connections.  Each is sealed, so that neither the database nor a
-- backup of it tells anybody anything without the key.
CREATE TABLE secrets (
    tenant_id INTEGER NOT NULL, -- the customer of the hub
    connection INTEGER NOT NULL, -- connection that needs it
    name TEXT NOT NULL, -- what its connector calls it
    key_id TEXT NOT NULL, -- names the key that it is sealed with
    sealed TEXT NOT NULL, -- nonce, sealed text and tag, in base64
    changed_at INTEGER NOT NULL, -- when it was changed last
    revision INTEGER NOT NULL, -- counts its changes, so that none is written over unseen
    PRIMARY KEY (tenant_id, connection, name)
) STRICT, WITHOUT ROWID;
