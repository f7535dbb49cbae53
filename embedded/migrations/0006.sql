-- An audit log, append-only: records can be added, and deleted 400 days later.

CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, action TEXT NOT NULL,
    owner TEXT NOT NULL, actor TEXT NOT NULL, origin TEXT NOT NULL, subject TEXT NOT NULL
) STRICT;
CREATE INDEX audit_by_time ON audit (at, id);
CREATE TRIGGER audit_unchanged BEFORE UPDATE ON audit BEGIN
    SELECT RAISE(ABORT, 'audit records are never changed');
END;
CREATE TRIGGER audit_kept BEFORE DELETE ON audit
WHEN OLD.at > (strftime('%s', 'now') - 400 * 86400) * 1000 BEGIN
    SELECT RAISE(ABORT, 'audit records are kept for 400 days');
END;
