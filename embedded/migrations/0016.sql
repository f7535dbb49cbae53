-- Blobs wait to be deleted. Meanwhile no list has them, and no count includes them.

ALTER TABLE blobs ADD COLUMN deletes_at INTEGER;
CREATE INDEX blobs_due ON blobs (deletes_at) WHERE deletes_at IS NOT NULL;
CREATE INDEX blobs_waiting ON blobs (owner, id) WHERE deletes_at IS NOT NULL;

DROP INDEX blobs_by_owner;
CREATE INDEX blobs_by_owner ON blobs (owner, id) WHERE deletes_at IS NULL;
DROP INDEX blobs_by_status;
CREATE INDEX blobs_by_status ON blobs (owner, status, id) WHERE deletes_at IS NULL;
DROP INDEX blobs_by_digest;
CREATE INDEX blobs_by_digest ON blobs (owner, digest, id)
    WHERE digest IS NOT NULL AND deletes_at IS NULL;
DROP INDEX blobs_by_name;
CREATE INDEX blobs_by_name ON blobs (owner, name, id)
    WHERE name IS NOT NULL AND deletes_at IS NULL;

DROP TRIGGER blob_created;
CREATE TRIGGER blob_created AFTER INSERT ON blobs WHEN NEW.deletes_at IS NULL BEGIN
    INSERT INTO blob_counts VALUES (NEW.owner, NEW.status, 1)
    ON CONFLICT DO UPDATE SET count = count + 1;
END;
DROP TRIGGER blob_deleted;
CREATE TRIGGER blob_deleted AFTER DELETE ON blobs WHEN OLD.deletes_at IS NULL BEGIN
    UPDATE blob_counts SET count = count - 1 WHERE owner = OLD.owner AND status = OLD.status;
END;
DROP TRIGGER blob_status_changed;
CREATE TRIGGER blob_hidden AFTER UPDATE OF status, deletes_at ON blobs
WHEN OLD.deletes_at IS NULL
    AND (NEW.deletes_at IS NOT NULL OR OLD.status <> NEW.status) BEGIN
    UPDATE blob_counts SET count = count - 1 WHERE owner = OLD.owner AND status = OLD.status;
END;
CREATE TRIGGER blob_shown AFTER UPDATE OF status, deletes_at ON blobs
WHEN NEW.deletes_at IS NULL
    AND (OLD.deletes_at IS NOT NULL OR OLD.status <> NEW.status) BEGIN
    INSERT INTO blob_counts VALUES (NEW.owner, NEW.status, 1)
    ON CONFLICT DO UPDATE SET count = count + 1;
END;
