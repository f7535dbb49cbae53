-- Endpoints: a line of waiting deliveries, disabled ones, and redelivery.
-- Owners become JSON documents.

ALTER TABLE deliveries ADD COLUMN endpoint TEXT NOT NULL DEFAULT '';
ALTER TABLE deliveries ADD COLUMN earlier INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN ended_at INTEGER;
ALTER TABLE deliveries ADD COLUMN in_line INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN look_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempts ADD COLUMN address TEXT;
UPDATE deliveries SET endpoint = substr(url, 1, instr(url || '?', '?') - 1), look_at = due_at;
UPDATE deliveries SET ended_at = coalesce(
    (SELECT max(ended) FROM attempts WHERE delivery_id = deliveries.id), due_at
) WHERE state <> 'pending';
DROP INDEX deliveries_due;
CREATE INDEX deliveries_due ON deliveries (look_at) WHERE state = 'pending';
CREATE INDEX deliveries_in_line ON deliveries (owner, endpoint, in_line, due_at)
    WHERE state = 'pending';
CREATE INDEX deliveries_leased ON deliveries (owner, endpoint, lease_until)
    WHERE lease IS NOT NULL;
CREATE INDEX deliveries_ended ON deliveries (state, ended_at) WHERE state <> 'pending';

ALTER TABLE owners RENAME COLUMN webhook_secrets TO document;
UPDATE owners SET document = json_object('webhook_secrets', json(document));

CREATE TABLE disabled_endpoints (
    owner TEXT NOT NULL, endpoint TEXT NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (owner, endpoint)
) WITHOUT ROWID, STRICT;
