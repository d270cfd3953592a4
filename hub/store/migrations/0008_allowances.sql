-- What the hubs of one database take together from a vendor's allowance: calls
-- of a day, and places on a line of time.
CREATE TABLE allowances (
    tenant_id INTEGER NOT NULL, -- the customer of the hub
    budget TEXT NOT NULL, -- connection/3 or app/… and a class of requests
    day INTEGER NOT NULL, -- the day in UTC whose calls are counted, from 1970
    used INTEGER NOT NULL, -- calls of that day that hubs took
    most INTEGER NOT NULL, -- calls that may be taken of it
    free_at INTEGER NOT NULL, -- where the line begins that nobody took yet
    PRIMARY KEY (tenant_id, budget)
) STRICT, WITHOUT ROWID;
