-- Blobs with their label entries and label summaries, changes, deliveries, owners and queues.

CREATE TABLE blobs (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, status TEXT NOT NULL, version INTEGER NOT NULL,
    document TEXT NOT NULL
) WITHOUT ROWID, STRICT;
CREATE INDEX blobs_by_owner ON blobs (owner, id);
CREATE INDEX blobs_by_status ON blobs (owner, status, id);
CREATE INDEX blobs_awaiting ON blobs (id) WHERE status = 'AWAITING_UPLOAD';

CREATE TABLE label_entries (
    owner TEXT NOT NULL, label TEXT NOT NULL, blob_id TEXT NOT NULL, confidence REAL NOT NULL,
    PRIMARY KEY (owner, label, blob_id)
) WITHOUT ROWID, STRICT;
CREATE INDEX label_entries_by_confidence ON label_entries (owner, label, confidence, blob_id);

CREATE TABLE label_summaries (
    owner TEXT NOT NULL, label TEXT NOT NULL, name TEXT NOT NULL, blob_count INTEGER NOT NULL,
    PRIMARY KEY (owner, label)
) WITHOUT ROWID, STRICT;
CREATE TABLE counted_labels (
    blob_id TEXT PRIMARY KEY, version INTEGER NOT NULL, names TEXT NOT NULL
) WITHOUT ROWID, STRICT;

CREATE TABLE changes (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, blob_id TEXT NOT NULL, at INTEGER NOT NULL,
    old TEXT, new TEXT
) STRICT;
CREATE TABLE feeds (name TEXT PRIMARY KEY, sequence INTEGER NOT NULL) WITHOUT ROWID, STRICT;

CREATE TABLE deliveries (
    id TEXT PRIMARY KEY, blob_id TEXT NOT NULL, owner TEXT NOT NULL, url TEXT NOT NULL,
    body BLOB NOT NULL, created_at INTEGER NOT NULL, state TEXT NOT NULL, due_at INTEGER NOT NULL,
    lease TEXT, lease_until INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID, STRICT;
CREATE INDEX deliveries_by_blob ON deliveries (blob_id, created_at);
CREATE INDEX deliveries_due ON deliveries (due_at) WHERE state = 'pending';
CREATE TABLE attempts (
    delivery_id TEXT NOT NULL, number INTEGER NOT NULL, started INTEGER NOT NULL, ended INTEGER,
    status INTEGER, error TEXT, response BLOB NOT NULL DEFAULT x'',
    PRIMARY KEY (delivery_id, number)
) WITHOUT ROWID, STRICT;

CREATE TABLE owners (id TEXT PRIMARY KEY, webhook_secrets TEXT NOT NULL) WITHOUT ROWID, STRICT;
CREATE TABLE api_keys (
    hash TEXT PRIMARY KEY, owner TEXT NOT NULL, name TEXT NOT NULL, created_at INTEGER NOT NULL
) WITHOUT ROWID, STRICT;

CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, body TEXT NOT NULL,
    visible_at INTEGER NOT NULL, sent_at INTEGER NOT NULL,
    receives INTEGER NOT NULL DEFAULT 0, receipt TEXT
) STRICT;
CREATE INDEX messages_visible ON messages (queue, visible_at);
CREATE UNIQUE INDEX messages_by_receipt ON messages (receipt) WHERE receipt IS NOT NULL;

CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID, STRICT;
