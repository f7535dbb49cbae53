-- Labels in use are listed by the number of their blobs.

CREATE INDEX label_summaries_by_count ON label_summaries (owner, blob_count DESC, label);
