-- Blobs are found by their clients' facts: file names, external ids and metadata.

ALTER TABLE blobs ADD COLUMN name TEXT;
ALTER TABLE blobs ADD COLUMN external_id TEXT;
CREATE INDEX blobs_by_name ON blobs (owner, name, id) WHERE name IS NOT NULL;
CREATE UNIQUE INDEX blobs_by_external_id ON blobs (owner, external_id)
    WHERE external_id IS NOT NULL;
CREATE TABLE metadata_entries (
    owner TEXT NOT NULL, pair TEXT NOT NULL, blob_id TEXT NOT NULL,
    PRIMARY KEY (owner, pair, blob_id)
) WITHOUT ROWID, STRICT;
