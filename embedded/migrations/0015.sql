-- Owners' own vocabularies.

CREATE TABLE vocabularies (
    owner TEXT PRIMARY KEY, version INTEGER NOT NULL, document TEXT NOT NULL,
    set_at INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
