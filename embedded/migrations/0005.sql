-- Blobs are found by the SHA-256 of their bytes.

ALTER TABLE blobs ADD COLUMN digest TEXT;
UPDATE blobs SET digest = coalesce(
    json_extract(document, '$.sha256'), json_extract(document, '$.declared_sha256')
) WHERE json_valid(document);
CREATE INDEX blobs_by_digest ON blobs (owner, digest, id) WHERE digest IS NOT NULL;
