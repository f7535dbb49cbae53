BEGIN TRANSACTION;
CREATE TABLE api_keys (
    hash TEXT PRIMARY KEY, owner TEXT NOT NULL, name TEXT NOT NULL, created_at INTEGER NOT NULL
, scopes TEXT NOT NULL DEFAULT 'admin read upload', expires_at INTEGER, last_used_at INTEGER) WITHOUT ROWID, STRICT;
INSERT INTO "api_keys" VALUES('657ab318f108befe32cdf0b91d52e46eebf357100c5fd64db07cdff80dd13389','anna','camera',1796075409426,'admin delete edit read upload',NULL,NULL);
CREATE TABLE attempts (
    delivery_id TEXT NOT NULL, number INTEGER NOT NULL, started INTEGER NOT NULL, ended INTEGER,
    status INTEGER, error TEXT, response BLOB NOT NULL DEFAULT x'', address TEXT,
    PRIMARY KEY (delivery_id, number)
) WITHOUT ROWID, STRICT;
INSERT INTO "attempts" VALUES('msg_01M8Q6ZG096FX27NKC7G3SB58M_3',1,1796075406312,1796075406313,NULL,'connect',X'636F6E6E6563743A205B4572726E6F203131315D20436F6E6E656374696F6E2072656675736564','127.0.0.1');
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, action TEXT NOT NULL,
    owner TEXT NOT NULL, actor TEXT NOT NULL, origin TEXT NOT NULL, subject TEXT NOT NULL
) STRICT;
INSERT INTO "audit" VALUES(1,1796075409429,'key.created','anna','user:root','vm','657ab318f108');
CREATE TABLE blob_counts (
    owner TEXT NOT NULL, status TEXT NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (owner, status)
) WITHOUT ROWID, STRICT;
INSERT INTO "blob_counts" VALUES('local','AWAITING_UPLOAD',1);
INSERT INTO "blob_counts" VALUES('local','LABELLED',1);
INSERT INTO "blob_counts" VALUES('local','LABELLING',0);
CREATE TABLE blobs (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, status TEXT NOT NULL, version INTEGER NOT NULL,
    document TEXT NOT NULL
, digest TEXT) WITHOUT ROWID, STRICT;
INSERT INTO "blobs" VALUES('01M8Q6ZG096FX27NKC7G3SB58M','local','LABELLED',3,'{"id":"01M8Q6ZG096FX27NKC7G3SB58M","owner":"local","max_labels":10,"min_confidence":55.0,"callback_url":"http://127.0.0.1:9/hook","size":47152,"sha256":"/W/Nh+zBzaSds0tzZuPGumQcZESeFSvrP/8edWPZ6Jo=","width":451,"height":300,"detector":"efficientnet-lite0/2.3+ssdlite+mtcnn","version":3,"status":"LABELLED","content_type":"image/jpeg","created_at":"2026-11-30T21:50:05.321Z","uploaded_at":"2026-11-30T21:50:05.536Z","finished_at":"2026-11-30T21:50:06.304Z","labels":[{"name":"Animal","confidence":99.128,"aliases":["Creature","Fauna"],"categories":["Animals and Pets"]},{"name":"Mammal","confidence":99.018,"parents":["Animal"],"categories":["Animals and Pets"]},{"name":"Feline","confidence":98.871,"parents":["Mammal","Animal"],"categories":["Animals and Pets"]},{"name":"Pet","confidence":98.146,"parents":["Animal"],"categories":["Animals and Pets"]},{"name":"Cat","confidence":98.086,"parents":["Feline","Pet","Mammal","Animal"],"aliases":["Kitten","Domestic Cat","House Cat"],"categories":["Animals and Pets"]}]}','/W/Nh+zBzaSds0tzZuPGumQcZESeFSvrP/8edWPZ6Jo=');
INSERT INTO "blobs" VALUES('01M8Q6ZG85WFFJJ26C10C7R7N9','local','AWAITING_UPLOAD',1,'{"id":"01M8Q6ZG85WFFJJ26C10C7R7N9","owner":"local","max_labels":10,"min_confidence":55.0,"callback_url":"http://127.0.0.1:9/hook","version":1,"status":"AWAITING_UPLOAD","content_type":"image/jpeg","created_at":"2026-11-30T21:50:05.573Z"}',NULL);
CREATE TABLE changes (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, blob_id TEXT NOT NULL, at INTEGER NOT NULL,
    old TEXT, new TEXT
) STRICT;
INSERT INTO "changes" VALUES(1,'01M8Q6ZG096FX27NKC7G3SB58M',1796075405322,NULL,'{"id":"01M8Q6ZG096FX27NKC7G3SB58M","owner":"local","max_labels":10,"min_confidence":55.0,"callback_url":"http://127.0.0.1:9/hook","version":1,"status":"AWAITING_UPLOAD","content_type":"image/jpeg","created_at":"2026-11-30T21:50:05.321Z"}');
INSERT INTO "changes" VALUES(2,'01M8Q6ZG096FX27NKC7G3SB58M',1796075405536,'{"id":"01M8Q6ZG096FX27NKC7G3SB58M","owner":"local","max_labels":10,"min_confidence":55.0,"callback_url":"http://127.0.0.1:9/hook","version":1,"status":"AWAITING_UPLOAD","content_type":"image/jpeg","created_at":"2026-11-30T21:50:05.321Z"}','{"id":"01M8Q6ZG096FX27NKC7G3SB58M","owner":"local","max_labels":10,"min_confidence":55.0,"callback_url":"http://127.0.0.1:9/hook","size":47152,"sha256":"/W/Nh+zBzaSds0tzZuPGumQcZESeFSvrP/8edWPZ6Jo=","version":2,"status":"LABELLING","content_type":"image/jpeg","created_at":"2026-11-30T21:50:05.321Z","uploaded_at":"2026-11-30T21:50:05.536Z"}');
INSERT INTO "changes" VALUES(3,'01M8Q6ZG85WFFJJ26C10C7R7N9',1796075405582,NULL,'{"id":"01M8Q6ZG85WFFJJ26C10C7R7N9","owner":"local","max_labels":10,"min_confidence":55.0,"callback_url":"http://127.0.0.1:9/hook","version":1,"status":"AWAITING_UPLOAD","content_type":"image/jpeg","created_at":"2026-11-30T21:50:05.573Z"}');
INSERT INTO "changes" VALUES(4,'01M8Q6ZG096FX27NKC7G3SB58M',1796075406304,'{"id":"01M8Q6ZG096FX27NKC7G3SB58M","owner":"local","max_labels":10,"min_confidence":55.0,"callback_url":"http://127.0.0.1:9/hook","size":47152,"sha256":"/W/Nh+zBzaSds0tzZuPGumQcZESeFSvrP/8edWPZ6Jo=","version":2,"status":"LABELLING","content_type":"image/jpeg","created_at":"2026-11-30T21:50:05.321Z","uploaded_at":"2026-11-30T21:50:05.536Z"}','{"id":"01M8Q6ZG096FX27NKC7G3SB58M","owner":"local","max_labels":10,"min_confidence":55.0,"callback_url":"http://127.0.0.1:9/hook","size":47152,"sha256":"/W/Nh+zBzaSds0tzZuPGumQcZESeFSvrP/8edWPZ6Jo=","width":451,"height":300,"detector":"efficientnet-lite0/2.3+ssdlite+mtcnn","version":3,"status":"LABELLED","content_type":"image/jpeg","created_at":"2026-11-30T21:50:05.321Z","uploaded_at":"2026-11-30T21:50:05.536Z","finished_at":"2026-11-30T21:50:06.304Z","labels":[{"name":"Animal","confidence":99.128,"aliases":["Creature","Fauna"],"categories":["Animals and Pets"]},{"name":"Mammal","confidence":99.018,"parents":["Animal"],"categories":["Animals and Pets"]},{"name":"Feline","confidence":98.871,"parents":["Mammal","Animal"],"categories":["Animals and Pets"]},{"name":"Pet","confidence":98.146,"parents":["Animal"],"categories":["Animals and Pets"]},{"name":"Cat","confidence":98.086,"parents":["Feline","Pet","Mammal","Animal"],"aliases":["Kitten","Domestic Cat","House Cat"],"categories":["Animals and Pets"]}]}');
CREATE TABLE counted_labels (
    blob_id TEXT PRIMARY KEY, version INTEGER NOT NULL, names TEXT NOT NULL
) WITHOUT ROWID, STRICT;
INSERT INTO "counted_labels" VALUES('01M8Q6ZG096FX27NKC7G3SB58M',3,'["Animal", "Cat", "Feline", "Mammal", "Pet"]');
CREATE TABLE deleted_blobs (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, at INTEGER NOT NULL,
    settled INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID, STRICT;
CREATE TABLE deliveries (
    id TEXT PRIMARY KEY, blob_id TEXT NOT NULL, owner TEXT NOT NULL, url TEXT NOT NULL,
    body BLOB NOT NULL, created_at INTEGER NOT NULL, state TEXT NOT NULL, due_at INTEGER NOT NULL,
    lease TEXT, lease_until INTEGER NOT NULL DEFAULT 0
, endpoint TEXT NOT NULL DEFAULT '', earlier INTEGER NOT NULL DEFAULT 0, ended_at INTEGER, in_line INTEGER NOT NULL DEFAULT 0, look_at INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID, STRICT;
INSERT INTO "deliveries" VALUES('msg_01M8Q6ZG096FX27NKC7G3SB58M_3','01M8Q6ZG096FX27NKC7G3SB58M','local','http://127.0.0.1:9/hook',X'7B2274797065223A22626C6F622E6C6162656C6C6564222C2274696D657374616D70223A22323032362D31312D33305432313A35303A30362E3330345A222C2264617461223A7B22626C6F62223A7B226964223A2230314D3851365A47303936465832374E4B43374733534235384D222C22636F6E74656E7454797065223A224A504547222C2273697A654279746573223A34373135322C227769647468223A3435312C22686569676874223A3330302C22637265617465644174223A22323032362D31312D33305432313A35303A30352E3332315A222C226C6162656C734F6D6974746564223A302C22706172656E74734F6D6974746564223A302C22696E7374616E6365734F6D6974746564223A302C22737461747573223A224C4142454C4C4544222C226C6162656C6C65644174223A22323032362D31312D33305432313A35303A30362E3330345A222C226C6162656C73223A5B7B226E616D65223A22416E696D616C222C22636F6E666964656E6365223A39392E3132382C22706172656E7473223A5B5D2C22696E7374616E636573223A5B5D7D2C7B226E616D65223A224D616D6D616C222C22636F6E666964656E6365223A39392E3031382C22706172656E7473223A5B22416E696D616C225D2C22696E7374616E636573223A5B5D7D2C7B226E616D65223A2246656C696E65222C22636F6E666964656E6365223A39382E3837312C22706172656E7473223A5B224D616D6D616C222C22416E696D616C225D2C22696E7374616E636573223A5B5D7D2C7B226E616D65223A22506574222C22636F6E666964656E6365223A39382E3134362C22706172656E7473223A5B22416E696D616C225D2C22696E7374616E636573223A5B5D7D2C7B226E616D65223A22436174222C22636F6E666964656E6365223A39382E3038362C22706172656E7473223A5B2246656C696E65222C22506574222C224D616D6D616C222C22416E696D616C225D2C22696E7374616E636573223A5B5D7D5D2C226661696C757265223A6E756C6C7D7D7D',1796075406309,'pending',1796075411154,NULL,0,'http://127.0.0.1:9/hook',0,NULL,0,1796075411154);
CREATE TABLE disabled_endpoints (
    owner TEXT NOT NULL, endpoint TEXT NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (owner, endpoint)
) WITHOUT ROWID, STRICT;
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID, STRICT;
INSERT INTO "facts" VALUES('heartbeat','8491619163500086997');
INSERT INTO "facts" VALUES('url_secret','7c50a5192bf99f2b0cf2052f2a5df9ce2210476ce37244e0d64895a27b29511f');
CREATE TABLE feeds (name TEXT PRIMARY KEY, sequence INTEGER NOT NULL) WITHOUT ROWID, STRICT;
INSERT INTO "feeds" VALUES('notifier',4);
CREATE TABLE label_entries (
    owner TEXT NOT NULL, label TEXT NOT NULL, blob_id TEXT NOT NULL, confidence REAL NOT NULL,
    PRIMARY KEY (owner, label, blob_id)
) WITHOUT ROWID, STRICT;
INSERT INTO "label_entries" VALUES('local','animal','01M8Q6ZG096FX27NKC7G3SB58M',99.128);
INSERT INTO "label_entries" VALUES('local','cat','01M8Q6ZG096FX27NKC7G3SB58M',98.086);
INSERT INTO "label_entries" VALUES('local','feline','01M8Q6ZG096FX27NKC7G3SB58M',98.871);
INSERT INTO "label_entries" VALUES('local','mammal','01M8Q6ZG096FX27NKC7G3SB58M',99.018);
INSERT INTO "label_entries" VALUES('local','pet','01M8Q6ZG096FX27NKC7G3SB58M',98.146);
CREATE TABLE label_summaries (
    owner TEXT NOT NULL, label TEXT NOT NULL, name TEXT NOT NULL, blob_count INTEGER NOT NULL,
    PRIMARY KEY (owner, label)
) WITHOUT ROWID, STRICT;
INSERT INTO "label_summaries" VALUES('local','animal','Animal',1);
INSERT INTO "label_summaries" VALUES('local','cat','Cat',1);
INSERT INTO "label_summaries" VALUES('local','feline','Feline',1);
INSERT INTO "label_summaries" VALUES('local','mammal','Mammal',1);
INSERT INTO "label_summaries" VALUES('local','pet','Pet',1);
CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, body TEXT NOT NULL,
    visible_at INTEGER NOT NULL, sent_at INTEGER NOT NULL,
    receives INTEGER NOT NULL DEFAULT 0, receipt TEXT
) STRICT;
INSERT INTO "messages" VALUES(3,'hints','{"delivery_id": "msg_01M8Q6ZG096FX27NKC7G3SB58M_3"}',1796075411155,1796075406315,0,NULL);
CREATE TABLE owners (id TEXT PRIMARY KEY, document TEXT NOT NULL) WITHOUT ROWID, STRICT;
INSERT INTO "owners" VALUES('local','{"webhook_secrets": [{"value": "whsec_oRlDB1FxjnNImAg/vQIZxe8C6gcGepoiJiN0nIMBJQE="}], "webhook_keys": []}');
CREATE TABLE upload_counts (
    minute INTEGER NOT NULL, owner TEXT NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (minute, owner)
) WITHOUT ROWID, STRICT;
INSERT INTO "upload_counts" VALUES(29934590,'local',2);
CREATE TABLE upload_keys (
    owner TEXT NOT NULL, key TEXT NOT NULL, digest TEXT NOT NULL, blob_id TEXT NOT NULL,
    expires_at INTEGER NOT NULL, PRIMARY KEY (owner, key)
) WITHOUT ROWID, STRICT;
CREATE INDEX blobs_by_owner ON blobs (owner, id);
CREATE INDEX blobs_by_status ON blobs (owner, status, id);
CREATE INDEX blobs_awaiting ON blobs (id) WHERE status = 'AWAITING_UPLOAD';
CREATE INDEX label_entries_by_confidence ON label_entries (owner, label, confidence, blob_id);
CREATE INDEX deliveries_by_blob ON deliveries (blob_id, created_at);
CREATE INDEX messages_visible ON messages (queue, visible_at);
CREATE UNIQUE INDEX messages_by_receipt ON messages (receipt) WHERE receipt IS NOT NULL;
CREATE INDEX deliveries_due ON deliveries (look_at) WHERE state = 'pending';
CREATE INDEX deliveries_in_line ON deliveries (owner, endpoint, in_line, due_at)
    WHERE state = 'pending';
CREATE INDEX deliveries_leased ON deliveries (owner, endpoint, lease_until)
    WHERE lease IS NOT NULL;
CREATE INDEX deliveries_ended ON deliveries (state, ended_at) WHERE state <> 'pending';
CREATE INDEX deleted_blobs_by_time ON deleted_blobs (at);
CREATE INDEX deleted_blobs_unsettled ON deleted_blobs (at) WHERE settled = 0;
CREATE INDEX upload_keys_expiring ON upload_keys (expires_at);
CREATE INDEX blobs_by_digest ON blobs (owner, digest, id) WHERE digest IS NOT NULL;
CREATE INDEX audit_by_time ON audit (at, id);
CREATE TRIGGER audit_unchanged BEFORE UPDATE ON audit BEGIN
    SELECT RAISE(ABORT, 'audit records are never changed');
END;
CREATE TRIGGER audit_kept BEFORE DELETE ON audit
WHEN OLD.at > (strftime('%s', 'now') - 400 * 86400) * 1000 BEGIN
    SELECT RAISE(ABORT, 'audit records are kept for 400 days');
END;
CREATE INDEX deliveries_of_owner ON deliveries (owner, in_line, look_at) WHERE state = 'pending';
CREATE INDEX label_summaries_by_count ON label_summaries (owner, blob_count DESC, label);
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
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('changes',4);
INSERT INTO "sqlite_sequence" VALUES('messages',3);
INSERT INTO "sqlite_sequence" VALUES('audit',1);
COMMIT;
PRAGMA user_version = 11;
