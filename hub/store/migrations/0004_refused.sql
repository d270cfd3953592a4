-- Creates that a system refused, so that none is sent again as it was.
CREATE INDEX intents_refused ON intents (tenant_id, kind, entity)
    WHERE state = 'failed' AND action = 'create';
