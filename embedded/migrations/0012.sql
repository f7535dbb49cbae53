-- Embeddings of pictures, by which similar ones are found.

CREATE TABLE embeddings (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, blob_id TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL, network TEXT NOT NULL,
    features BLOB NOT NULL, outline BLOB NOT NULL
) STRICT;
CREATE INDEX embeddings_by_owner ON embeddings (owner, network, sequence);
