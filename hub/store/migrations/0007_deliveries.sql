-- Webhooks that systems sent and whose records were not read yet.  A row is gone
-- once they were.
CREATE TABLE deliveries (
    tenant_id INTEGER NOT NULL, -- the customer of the hub
    connection INTEGER NOT NULL, -- connection whose system sent it
    digest TEXT NOT NULL, -- names what was sent, so that the same waits once
    times INTEGER NOT NULL, -- how often it came since it was last worked off
    arrived_at INTEGER NOT NULL, -- when it came first
    method TEXT NOT NULL, -- of the request
    url TEXT NOT NULL, -- that was asked for
    headers TEXT NOT NULL, -- how the body is to be read: pairs in JSON
    body TEXT NOT NULL, -- t and the text, or b and the bytes in base64
    PRIMARY KEY (tenant_id, connection, digest)
) STRICT, WITHOUT ROWID;
