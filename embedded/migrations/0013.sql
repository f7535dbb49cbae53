-- Owners' label policies, and how far each has been applied to the stored blobs.

CREATE TABLE label_policies (
    owner TEXT PRIMARY KEY, version INTEGER NOT NULL, document TEXT NOT NULL,
    set_at INTEGER NOT NULL, after TEXT, examined INTEGER NOT NULL DEFAULT 0, finished_at INTEGER
) WITHOUT ROWID, STRICT;
CREATE INDEX label_policies_unfinished ON label_policies (owner) WHERE finished_at IS NULL;
