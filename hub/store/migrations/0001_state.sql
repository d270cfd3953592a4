-- The whole state of a hub.  The same tables stand on every database: whole
-- numbers, text and nothing else; truth values are 0 and 1; times are
-- microseconds since 1970-01-01 UTC and come from the hub's clock; documents
-- are compact JSON that the database never looks into.  What is searched has a
-- column of its own.  tenant_id leads every key.
--
-- There are no foreign keys: one changeset is one transaction, and its parts
-- may be written in any order.  Narrow tables live in the tree of their key
-- (WITHOUT ROWID); those with documents do not, because such a tree gives every
-- row of more than a quarter of a page a page of its own.

-- Canonical records.
CREATE TABLE entities (
    tenant_id INTEGER NOT NULL, -- the customer of the hub
    kind TEXT NOT NULL, -- person, organization, …
    number INTEGER NOT NULL, -- number within the kind, from the table sequences
    state TEXT NOT NULL, -- unmatched, live, merged or deleted
    merged_into INTEGER, -- the number it lives on as, where merged
    dirty INTEGER NOT NULL, -- 1: some system may owe or be owed a write
    cells TEXT NOT NULL, -- document: provenance with the fields that have it
    PRIMARY KEY (tenant_id, kind, number)
) STRICT;

-- What emit has to look at.
CREATE INDEX entities_dirty ON entities (tenant_id, kind, number)
    WHERE state = 'live' AND dirty = 1;
-- What has still to be matched.
CREATE INDEX entities_unmatched ON entities (tenant_id, kind, number)
    WHERE state = 'unmatched';

-- Values by which entities are found when a record is matched.
CREATE TABLE match_keys (
    tenant_id INTEGER NOT NULL, -- the customer of the hub
    kind TEXT NOT NULL, -- kind of the entity
    match_key TEXT NOT NULL, -- role and normalised value, email:ann@example.com
    entity INTEGER NOT NULL, -- number of the entity that holds it
    PRIMARY KEY (tenant_id, kind, match_key, entity)
) STRICT, WITHOUT ROWID;

-- Ties between remote records and entities, with their two bases.
CREATE TABLE links (
    tenant_id INTEGER NOT NULL, -- the customer of the hub
    connection INTEGER NOT NULL, -- connection that holds the record
    stream TEXT NOT NULL, -- stream of the record
    remote_id TEXT NOT NULL, -- the system's own id of the record
    kind TEXT NOT NULL, -- kind of the linked entity
    entity INTEGER NOT NULL, -- number of the linked entity
    state TEXT NOT NULL, -- live, hidden, gone, merged or out-of-scope
    walk INTEGER NOT NULL, -- the last full walk that listed it
    again_at INTEGER, -- read it again, not before this moment
    missing_since INTEGER, -- when it was first found missing
    version TEXT, -- the system's version of the record
    modified_at INTEGER, -- the system's own time of the last change
    read_at INTEGER NOT NULL, -- when the read that set raw was started
    written_at INTEGER, -- when the last answer to a write came in
    mapping TEXT NOT NULL, -- hash of the lenses and normalisers of the bases
    first_contact TEXT NOT NULL, -- document: fields that wait for the first plan
    refused TEXT NOT NULL, -- document: canonical values that the system refused
    raw TEXT NOT NULL, -- document: remote fields as the system gave them
    sent TEXT NOT NULL, -- document: canonical values last in agreement
    PRIMARY KEY (tenant_id, connection, stream, remote_id)
) STRICT;

-- All links of an entity.
CREATE INDEX links_entity ON links (tenant_id, kind, entity);
-- Links to be read again.
CREATE INDEX links_again ON links (tenant_id, connection, stream, again_at)
    WHERE again_at IS NOT NULL;

-- Planned writes; an open one is new, sent or in doubt.
CREATE TABLE intents (
    tenant_id INTEGER NOT NULL, -- the customer of the hub
    id INTEGER NOT NULL, -- number of the intent, also its idempotency key
    run INTEGER NOT NULL, -- run that planned it
    connection INTEGER NOT NULL, -- connection that is written to
    stream TEXT NOT NULL, -- stream that is written to
    kind TEXT NOT NULL, -- kind of the entity
    entity INTEGER NOT NULL, -- number of the entity
    remote_id TEXT, -- record that is written; none while a create has no answer
    action TEXT NOT NULL, -- create, update or delete
    state TEXT NOT NULL, -- new, sent, in-doubt, done, dropped or failed
    is_open INTEGER NOT NULL, -- 1: its state is new, sent or in-doubt
    planned TEXT NOT NULL, -- document: canonical values to bring over
    before TEXT NOT NULL, -- document: sent of those fields when it was planned
    payload TEXT NOT NULL, -- document: remote fields put on the wire
    seen TEXT NOT NULL, -- document: third values read while it was in doubt
    base_version TEXT, -- version that the write is conditional on
    answer_version TEXT, -- version that the answer named
    created_at INTEGER NOT NULL, -- when it was planned
    sent_at INTEGER, -- when its last request left
    deadline INTEGER, -- its request cannot arrive after this moment
    not_before INTEGER, -- not to be sent or looked for before this moment
    attempts INTEGER NOT NULL, -- how often it was tried or looked for
    reason TEXT NOT NULL, -- why it was planned, dropped or refused
    PRIMARY KEY (tenant_id, id)
) STRICT;

-- The intents of an entity, the open ones together.
CREATE INDEX intents_entity ON intents (tenant_id, kind, entity, is_open);
-- The intents of a run.
CREATE INDEX intents_run ON intents (tenant_id, run, id);
-- The outbox of a connection.
CREATE INDEX intents_open ON intents (tenant_id, connection, id) WHERE is_open = 1;

-- Both sides changed since the base, to different values.
CREATE TABLE conflicts (
    tenant_id INTEGER NOT NULL, -- the customer of the hub
    id INTEGER NOT NULL, -- number of the conflict
    conflict_key TEXT NOT NULL, -- digest of entity, field, link and the three values
    kind TEXT NOT NULL, -- kind of the entity
    entity INTEGER NOT NULL, -- number of the entity
    field TEXT NOT NULL, -- canonical field
    connection INTEGER NOT NULL, -- connection of the record
    stream TEXT NOT NULL, -- stream of the record
    remote_id TEXT NOT NULL, -- id of the record
    reason TEXT NOT NULL, -- edit, first-contact, delete or lost
    base TEXT NOT NULL, -- document: the value both sides started from
    canonical TEXT NOT NULL, -- document: the canonical value
    remote TEXT NOT NULL, -- document: the system's value
    rule TEXT NOT NULL, -- rule that chose the winner
    winner TEXT NOT NULL, -- canonical, remote or held
    seen_at INTEGER NOT NULL, -- when it was seen
    decision TEXT, -- document: who decided a held one, when and for what
    PRIMARY KEY (tenant_id, id)
) STRICT;

-- The same conflict is recorded once.
CREATE UNIQUE INDEX conflicts_once ON conflicts (tenant_id, conflict_key);
-- The conflicts of an entity.
CREATE INDEX conflicts_entity ON conflicts (tenant_id, kind, entity, id);
-- Conflicts that wait for a person.
CREATE INDEX conflicts_held ON conflicts (tenant_id, id)
    WHERE winner = 'held' AND decision IS NULL;

-- Fields and entities that wait for a person.
CREATE TABLE holds (
    tenant_id INTEGER NOT NULL, -- the customer of the hub
    kind TEXT NOT NULL, -- kind of the entity
    entity INTEGER NOT NULL, -- number of the entity
    field TEXT NOT NULL, -- canonical field; empty: the whole entity
    reason TEXT NOT NULL, -- why it waits
    held_at INTEGER NOT NULL, -- since when it waits
    PRIMARY KEY (tenant_id, kind, entity, field)
) STRICT, WITHOUT ROWID;

-- Records that could be one of several entities, or none.
CREATE TABLE reviews (
    tenant_id INTEGER NOT NULL, -- the customer of the hub
    connection INTEGER NOT NULL, -- connection of the record
    stream TEXT NOT NULL, -- stream of the record
    remote_id TEXT NOT NULL, -- id of the record
    id INTEGER NOT NULL, -- number of the review
    kind TEXT NOT NULL, -- kind of entity that the record would be
    candidates TEXT NOT NULL, -- document: the entities it could be
    reason TEXT NOT NULL, -- why nobody but a person can say
    canonical TEXT NOT NULL, -- document: the record's canonical values
    asked_at INTEGER NOT NULL, -- when the question came up
    verdict TEXT, -- document: what a person said; none while it is open
    PRIMARY KEY (tenant_id, connection, stream, remote_id)
) STRICT;

-- A review by its number.
CREATE UNIQUE INDEX reviews_id ON reviews (tenant_id, id);
-- Reviews that wait for a person.
CREATE INDEX reviews_open ON reviews (tenant_id, id) WHERE verdict IS NULL;

-- What happened to an entity, and through whom.
CREATE TABLE events (
    tenant_id INTEGER NOT NULL, -- the customer of the hub
    kind TEXT NOT NULL, -- kind of the entity
    entity INTEGER NOT NULL, -- number of the entity
    id INTEGER NOT NULL, -- number of the event
    happened_at INTEGER NOT NULL, -- when it happened
    run INTEGER NOT NULL, -- run that it happened in
    origin TEXT NOT NULL, -- document: the connection or person behind it
    what TEXT NOT NULL, -- linked, changed, written, decided, …
    changes TEXT NOT NULL, -- document: field, old value, new value
    link TEXT, -- document: the record it came from or went to
    PRIMARY KEY (tenant_id, kind, entity, id)
) STRICT;

-- Records that could not be understood or absorbed.
CREATE TABLE quarantined (
    tenant_id INTEGER NOT NULL, -- the customer of the hub
    connection INTEGER NOT NULL, -- connection of the record
    stream TEXT NOT NULL, -- stream of the record
    remote_id TEXT NOT NULL, -- id of the record; empty where it has none
    digest TEXT NOT NULL, -- tells records without an id apart; else empty
    reason TEXT NOT NULL, -- what is wrong with it
    raw TEXT NOT NULL, -- the record as it came
    seen_at INTEGER NOT NULL, -- when it was last seen
    PRIMARY KEY (tenant_id, connection, stream, remote_id, digest)
) STRICT;

-- References to records that are not linked yet.
CREATE TABLE waiting (
    tenant_id INTEGER NOT NULL, -- the customer of the hub
    connection INTEGER NOT NULL, -- connection of both records
    stream TEXT NOT NULL, -- stream of the record that refers
    remote_id TEXT NOT NULL, -- id of the record that refers
    field TEXT NOT NULL, -- canonical field that waits
    wants_stream TEXT NOT NULL, -- stream of the record it waits for
    wants_id TEXT NOT NULL, -- id of the record it waits for
    PRIMARY KEY (tenant_id, connection, stream, remote_id, field, wants_stream, wants_id)
) STRICT, WITHOUT ROWID;

-- Who waits for a record.
CREATE INDEX waiting_wanted ON waiting (tenant_id, connection, wants_stream, wants_id);

-- Where a connection stands in each of its streams.
CREATE TABLE streams (
    tenant_id INTEGER NOT NULL, -- the customer of the hub
    connection INTEGER NOT NULL, -- number of the connection
    stream TEXT NOT NULL, -- name of the stream
    cursor TEXT, -- the connector's place, committed with the page it follows
    walk INTEGER NOT NULL, -- full walk under way or last finished
    walking INTEGER NOT NULL, -- 1: a full walk is under way
    first_complete_at INTEGER, -- when a complete pull first finished
    last_full_at INTEGER, -- when the last full walk finished
    PRIMARY KEY (tenant_id, connection, stream)
) STRICT, WITHOUT ROWID;

-- Configured accounts.  Secrets are named in the configuration, never held.
CREATE TABLE connections (
    tenant_id INTEGER NOT NULL, -- the customer of the hub
    id INTEGER NOT NULL, -- number of the connection
    name TEXT NOT NULL, -- the admin's name for it
    connector TEXT NOT NULL, -- id of its connector
    config TEXT NOT NULL, -- document: what the admin applied
    approved_at INTEGER, -- when its first plan was approved
    held TEXT, -- why it does not run
    removed INTEGER NOT NULL, -- 1: removed by an admin
    PRIMARY KEY (tenant_id, id)
) STRICT;

-- Runs of a sync.
CREATE TABLE runs (
    tenant_id INTEGER NOT NULL, -- the customer of the hub
    id INTEGER NOT NULL, -- number of the run
    started_at INTEGER NOT NULL, -- when it started
    ended_at INTEGER, -- when it ended
    summary TEXT NOT NULL, -- document: counts per connection and how it ended
    PRIMARY KEY (tenant_id, id)
) STRICT;

-- Documents by name: the applied configuration, schemas, mappings by hash.
CREATE TABLE documents (
    tenant_id INTEGER NOT NULL, -- the customer of the hub
    name TEXT NOT NULL, -- name of the document
    body TEXT NOT NULL, -- its text
    PRIMARY KEY (tenant_id, name)
) STRICT;

-- Numbers that are handed out in blocks.
CREATE TABLE sequences (
    tenant_id INTEGER NOT NULL, -- the customer of the hub
    name TEXT NOT NULL, -- name of the sequence
    next INTEGER NOT NULL, -- the first number that is still free
    PRIMARY KEY (tenant_id, name)
) STRICT, WITHOUT ROWID;

-- The right to write.
CREATE TABLE leases (
    tenant_id INTEGER NOT NULL, -- the customer of the hub
    name TEXT NOT NULL, -- what the lease is for
    owner TEXT, -- who holds it; none after a release
    fence INTEGER NOT NULL, -- grows with each new holder
    lease_until INTEGER, -- when it ends unless it is extended
    PRIMARY KEY (tenant_id, name)
) STRICT, WITHOUT ROWID;
