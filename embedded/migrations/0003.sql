-- Deleted blobs, idempotency keys and counts of uploads.

CREATE TABLE deleted_blobs (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, at INTEGER NOT NULL,
    settled INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID, STRICT;
CREATE INDEX deleted_blobs_by_time ON deleted_blobs (at);
CREATE INDEX deleted_blobs_unsettled ON deleted_blobs (at) WHERE settled = 0;

CREATE TABLE upload_keys (
    owner TEXT NOT NULL, key TEXT NOT NULL, digest TEXT NOT NULL, blob_id TEXT NOT NULL,
    expires_at INTEGER NOT NULL, PRIMARY KEY (owner, key)
) WITHOUT ROWID, STRICT;
CREATE INDEX upload_keys_expiring ON upload_keys (expires_at);
CREATE TABLE upload_counts (
    minute INTEGER NOT NULL, owner TEXT NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (minute, owner)
) WITHOUT ROWID, STRICT;
