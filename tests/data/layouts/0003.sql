BEGIN TRANSACTION;
CREATE TABLE api_keys (
    hash TEXT PRIMARY KEY, owner TEXT NOT NULL, name TEXT NOT NULL, created_at INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
INSERT INTO "api_keys" VALUES('750dc41b60d564aace16ed666a60c7951f2a8374dba0848a9a881b53e3c256d8','anna','camera',1796075310972);
CREATE TABLE attempts (
    delivery_id TEXT NOT NULL, number INTEGER NOT NULL, started INTEGER NOT NULL, ended INTEGER,
    status INTEGER, error TEXT, response BLOB NOT NULL DEFAULT x'', address TEXT,
    PRIMARY KEY (delivery_id, number)
) WITHOUT ROWID, STRICT;
INSERT INTO "attempts" VALUES('msg_01M8Q6WG936P2AP92PW4Y7MAEP_3',1,1796075307756,1796075307761,NULL,'connect',X'636F6E6E6563743A205B4572726E6F203131315D20436F6E6E656374696F6E2072656675736564','127.0.0.1');
CREATE TABLE blobs (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, status TEXT NOT NULL, version INTEGER NOT NULL,
    document TEXT NOT NULL
) WITHOUT ROWID, STRICT;
INSERT INTO "blobs" VALUES('01M8Q6WG936P2AP92PW4Y7MAEP','local','LABELLED',3,'{"id":"01M8Q6WG936P2AP92PW4Y7MAEP","owner":"local","max_labels":10,"min_confidence":55.0,"callback_url":"http://127.0.0.1:9/hook","size":47152,"sha256":"/W/Nh+zBzaSds0tzZuPGumQcZESeFSvrP/8edWPZ6Jo=","width":451,"height":300,"detector":"efficientnet-lite0/1","version":3,"status":"LABELLED","content_type":"image/jpeg","created_at":"2026-11-30T21:48:27.299Z","uploaded_at":"2026-11-30T21:48:27.683Z","finished_at":"2026-11-30T21:48:27.743Z","labels":[{"name":"Animal","confidence":94.786},{"name":"Mammal","confidence":93.954,"parents":["Animal"]},{"name":"Feline","confidence":93.036,"parents":["Mammal","Animal"]},{"name":"Pet","confidence":91.856,"parents":["Animal"]},{"name":"Cat","confidence":91.419,"parents":["Feline","Pet","Mammal","Animal"]}]}');
INSERT INTO "blobs" VALUES('01M8Q6WGPDSMK9CDRDZT2KX0ZC','local','AWAITING_UPLOAD',1,'{"id":"01M8Q6WGPDSMK9CDRDZT2KX0ZC","owner":"local","max_labels":10,"min_confidence":55.0,"callback_url":"http://127.0.0.1:9/hook","version":1,"status":"AWAITING_UPLOAD","content_type":"image/jpeg","created_at":"2026-11-30T21:48:27.725Z"}');
CREATE TABLE changes (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, blob_id TEXT NOT NULL, at INTEGER NOT NULL,
    old TEXT, new TEXT
) STRICT;
INSERT INTO "changes" VALUES(1,'01M8Q6WG936P2AP92PW4Y7MAEP',1796075307651,NULL,'{"id":"01M8Q6WG936P2AP92PW4Y7MAEP","owner":"local","max_labels":10,"min_confidence":55.0,"callback_url":"http://127.0.0.1:9/hook","version":1,"status":"AWAITING_UPLOAD","content_type":"image/jpeg","created_at":"2026-11-30T21:48:27.299Z"}');
INSERT INTO "changes" VALUES(2,'01M8Q6WG936P2AP92PW4Y7MAEP',1796075307683,'{"id":"01M8Q6WG936P2AP92PW4Y7MAEP","owner":"local","max_labels":10,"min_confidence":55.0,"callback_url":"http://127.0.0.1:9/hook","version":1,"status":"AWAITING_UPLOAD","content_type":"image/jpeg","created_at":"2026-11-30T21:48:27.299Z"}','{"id":"01M8Q6WG936P2AP92PW4Y7MAEP","owner":"local","max_labels":10,"min_confidence":55.0,"callback_url":"http://127.0.0.1:9/hook","size":47152,"sha256":"/W/Nh+zBzaSds0tzZuPGumQcZESeFSvrP/8edWPZ6Jo=","version":2,"status":"LABELLING","content_type":"image/jpeg","created_at":"2026-11-30T21:48:27.299Z","uploaded_at":"2026-11-30T21:48:27.683Z"}');
INSERT INTO "changes" VALUES(3,'01M8Q6WGPDSMK9CDRDZT2KX0ZC',1796075307728,NULL,'{"id":"01M8Q6WGPDSMK9CDRDZT2KX0ZC","owner":"local","max_labels":10,"min_confidence":55.0,"callback_url":"http://127.0.0.1:9/hook","version":1,"status":"AWAITING_UPLOAD","content_type":"image/jpeg","created_at":"2026-11-30T21:48:27.725Z"}');
INSERT INTO "changes" VALUES(4,'01M8Q6WG936P2AP92PW4Y7MAEP',1796075307743,'{"id":"01M8Q6WG936P2AP92PW4Y7MAEP","owner":"local","max_labels":10,"min_confidence":55.0,"callback_url":"http://127.0.0.1:9/hook","size":47152,"sha256":"/W/Nh+zBzaSds0tzZuPGumQcZESeFSvrP/8edWPZ6Jo=","version":2,"status":"LABELLING","content_type":"image/jpeg","created_at":"2026-11-30T21:48:27.299Z","uploaded_at":"2026-11-30T21:48:27.683Z"}','{"id":"01M8Q6WG936P2AP92PW4Y7MAEP","owner":"local","max_labels":10,"min_confidence":55.0,"callback_url":"http://127.0.0.1:9/hook","size":47152,"sha256":"/W/Nh+zBzaSds0tzZuPGumQcZESeFSvrP/8edWPZ6Jo=","width":451,"height":300,"detector":"efficientnet-lite0/1","version":3,"status":"LABELLED","content_type":"image/jpeg","created_at":"2026-11-30T21:48:27.299Z","uploaded_at":"2026-11-30T21:48:27.683Z","finished_at":"2026-11-30T21:48:27.743Z","labels":[{"name":"Animal","confidence":94.786},{"name":"Mammal","confidence":93.954,"parents":["Animal"]},{"name":"Feline","confidence":93.036,"parents":["Mammal","Animal"]},{"name":"Pet","confidence":91.856,"parents":["Animal"]},{"name":"Cat","confidence":91.419,"parents":["Feline","Pet","Mammal","Animal"]}]}');
CREATE TABLE counted_labels (
    blob_id TEXT PRIMARY KEY, version INTEGER NOT NULL, names TEXT NOT NULL
) WITHOUT ROWID, STRICT;
INSERT INTO "counted_labels" VALUES('01M8Q6WG936P2AP92PW4Y7MAEP',3,'["Animal", "Cat", "Feline", "Mammal", "Pet"]');
CREATE TABLE deleted_blobs (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, at INTEGER NOT NULL,
    settled INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID, STRICT;
CREATE TABLE deliveries (
    id TEXT PRIMARY KEY, blob_id TEXT NOT NULL, owner TEXT NOT NULL, url TEXT NOT NULL,
    body BLOB NOT NULL, created_at INTEGER NOT NULL, state TEXT NOT NULL, due_at INTEGER NOT NULL,
    lease TEXT, lease_until INTEGER NOT NULL DEFAULT 0
, endpoint TEXT NOT NULL DEFAULT '', earlier INTEGER NOT NULL DEFAULT 0, ended_at INTEGER, in_line INTEGER NOT NULL DEFAULT 0, look_at INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID, STRICT;
INSERT INTO "deliveries" VALUES('msg_01M8Q6WG936P2AP92PW4Y7MAEP_3','01M8Q6WG936P2AP92PW4Y7MAEP','local','http://127.0.0.1:9/hook',X'7B2274797065223A22626C6F622E6C6162656C6C6564222C2274696D657374616D70223A22323032362D31312D33305432313A34383A32372E3734335A222C2264617461223A7B22626C6F62223A7B226964223A2230314D385136574739333650324150393250573459374D414550222C22636F6E74656E7454797065223A224A504547222C2273697A654279746573223A34373135322C227769647468223A3435312C22686569676874223A3330302C22637265617465644174223A22323032362D31312D33305432313A34383A32372E3239395A222C226C6162656C734F6D6974746564223A302C22706172656E74734F6D6974746564223A302C22737461747573223A224C4142454C4C4544222C226C6162656C6C65644174223A22323032362D31312D33305432313A34383A32372E3734335A222C226C6162656C73223A5B7B226E616D65223A22416E696D616C222C22636F6E666964656E6365223A39342E3738362C22706172656E7473223A5B5D7D2C7B226E616D65223A224D616D6D616C222C22636F6E666964656E6365223A39332E3935342C22706172656E7473223A5B22416E696D616C225D7D2C7B226E616D65223A2246656C696E65222C22636F6E666964656E6365223A39332E3033362C22706172656E7473223A5B224D616D6D616C222C22416E696D616C225D7D2C7B226E616D65223A22506574222C22636F6E666964656E6365223A39312E3835362C22706172656E7473223A5B22416E696D616C225D7D2C7B226E616D65223A22436174222C22636F6E666964656E6365223A39312E3431392C22706172656E7473223A5B2246656C696E65222C22506574222C224D616D6D616C222C22416E696D616C225D7D5D2C226661696C757265223A6E756C6C7D7D7D',1796075307755,'pending',1796075312593,NULL,0,'http://127.0.0.1:9/hook',0,NULL,0,1796075312593);
CREATE TABLE disabled_endpoints (
    owner TEXT NOT NULL, endpoint TEXT NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (owner, endpoint)
) WITHOUT ROWID, STRICT;
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID, STRICT;
INSERT INTO "facts" VALUES('url_secret','75b0ca0ebd0bd2c7bcfdadc6b6a20aef25091cb0b82ca15c7ceeb381f29c4d21');
CREATE TABLE feeds (name TEXT PRIMARY KEY, sequence INTEGER NOT NULL) WITHOUT ROWID, STRICT;
INSERT INTO "feeds" VALUES('notifier',4);
CREATE TABLE label_entries (
    owner TEXT NOT NULL, label TEXT NOT NULL, blob_id TEXT NOT NULL, confidence REAL NOT NULL,
    PRIMARY KEY (owner, label, blob_id)
) WITHOUT ROWID, STRICT;
INSERT INTO "label_entries" VALUES('local','animal','01M8Q6WG936P2AP92PW4Y7MAEP',94.786);
INSERT INTO "label_entries" VALUES('local','cat','01M8Q6WG936P2AP92PW4Y7MAEP',91.419);
INSERT INTO "label_entries" VALUES('local','feline','01M8Q6WG936P2AP92PW4Y7MAEP',93.036);
INSERT INTO "label_entries" VALUES('local','mammal','01M8Q6WG936P2AP92PW4Y7MAEP',93.954);
INSERT INTO "label_entries" VALUES('local','pet','01M8Q6WG936P2AP92PW4Y7MAEP',91.856);
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
INSERT INTO "messages" VALUES(3,'hints','{"delivery_id": "msg_01M8Q6WG936P2AP92PW4Y7MAEP_3"}',1796075312593,1796075307761,0,NULL);
CREATE TABLE owners (id TEXT PRIMARY KEY, document TEXT NOT NULL) WITHOUT ROWID, STRICT;
INSERT INTO "owners" VALUES('local','{"webhook_secrets": [{"value": "whsec_jPYuLlOwhCW/sPbToX+DbhbRHCvAURIp8dCOKtlq5dI="}], "webhook_keys": []}');
CREATE TABLE upload_counts (
    minute INTEGER NOT NULL, owner TEXT NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (minute, owner)
) WITHOUT ROWID, STRICT;
INSERT INTO "upload_counts" VALUES(29934588,'local',2);
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
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('changes',4);
INSERT INTO "sqlite_sequence" VALUES('messages',3);
COMMIT;
PRAGMA user_version = 3;
