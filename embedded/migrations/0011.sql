-- The numbers of each owner's blobs by status, which triggers keep.

CREATE TABLE blob_counts (
    owner TEXT NOT NULL, status TEXT NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (owner, status)
) WITHOUT ROWID, STRICT;
INSERT INTO blob_counts SELECT owner, status, count(*) FROM blobs GROUP BY owner, status;
CREATE TRIGGER blob_created AFTER INSERT ON blobs BEGIN
    INSERT INTO blob_counts VALUES (NEW.owner, NEW.status, 1)
    ON CONFLICT DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER blob_deleted AFTER DELETE ON blobs BEGIN
    UPDATE blob_counts SET count = count - 1 WHERE owner = OLD.owner AND status = OLD.status;
END;
CREATE TRIGGER blob_status_changed AFTER UPDATE OF status ON blobs
WHEN OLD.status <> NEW.status BEGIN
    UPDATE blob_counts SET count = count - 1 WHERE owner = OLD.owner AND status = OLD.status;
    INSERT INTO blob_counts VALUES (NEW.owner, NEW.status, 1)
    ON CONFLICT DO UPDATE SET count = count + 1;
END;
