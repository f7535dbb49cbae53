BEGIN TRANSACTION;
CREATE TABLE api_keys (
    hash TEXT PRIMARY KEY, owner TEXT NOT NULL, name TEXT NOT NULL, created_at INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
INSERT INTO "api_keys" VALUES('d142b2a330c37c58975509976c95d7f957f216e5e25a1f29a40511d9c3b85188','anna','camera',1796075295560);
CREATE TABLE attempts (
    delivery_id TEXT NOT NULL, number INTEGER NOT NULL, started INTEGER NOT NULL, ended INTEGER,
    status INTEGER, error TEXT, response BLOB NOT NULL DEFAULT x'',
    PRIMARY KEY (delivery_id, number)
) WITHOUT ROWID, STRICT;
INSERT INTO "attempts" VALUES('msg_01M8Q6W20QFZJGEE20CE1HA1XK_3',1,1796075292943,1796075292946,NULL,'connect',X'636F6E6E6563743A205B4572726E6F203131315D20436F6E6E656374696F6E2072656675736564');
CREATE TABLE blobs (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, status TEXT NOT NULL, version INTEGER NOT NULL,
    document TEXT NOT NULL
) WITHOUT ROWID, STRICT;
INSERT INTO "blobs" VALUES('01M8Q6W20QFZJGEE20CE1HA1XK','local','LABELLED',3,'{"id":"01M8Q6W20QFZJGEE20CE1HA1XK","owner":"local","max_labels":10,"min_confidence":55.0,"callback_url":"http://127.0.0.1:9/hook","size":47152,"sha256":"/W/Nh+zBzaSds0tzZuPGumQcZESeFSvrP/8edWPZ6Jo=","width":451,"height":300,"detector":"efficientnet-lite0/1","version":3,"status":"LABELLED","content_type":"image/jpeg","created_at":"2026-11-30T21:48:12.695Z","uploaded_at":"2026-11-30T21:48:12.753Z","finished_at":"2026-11-30T21:48:12.942Z","labels":[{"name":"Animal","confidence":94.786},{"name":"Mammal","confidence":93.954,"parents":["Animal"]},{"name":"Feline","confidence":93.036,"parents":["Mammal","Animal"]},{"name":"Pet","confidence":91.856,"parents":["Animal"]},{"name":"Cat","confidence":91.419,"parents":["Feline","Pet","Mammal","Animal"]}]}');
INSERT INTO "blobs" VALUES('01M8Q6W2382KXVSVYE61GCPNFQ','local','AWAITING_UPLOAD',1,'{"id":"01M8Q6W2382KXVSVYE61GCPNFQ","owner":"local","max_labels":10,"min_confidence":55.0,"callback_url":"http://127.0.0.1:9/hook","version":1,"status":"AWAITING_UPLOAD","content_type":"image/jpeg","created_at":"2026-11-30T21:48:12.776Z"}');
CREATE TABLE changes (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, blob_id TEXT NOT NULL, at INTEGER NOT NULL,
    old TEXT, new TEXT
) STRICT;
INSERT INTO "changes" VALUES(1,'01M8Q6W20QFZJGEE20CE1HA1XK',1796075292729,NULL,'{"id":"01M8Q6W20QFZJGEE20CE1HA1XK","owner":"local","max_labels":10,"min_confidence":55.0,"callback_url":"http://127.0.0.1:9/hook","version":1,"status":"AWAITING_UPLOAD","content_type":"image/jpeg","created_at":"2026-11-30T21:48:12.695Z"}');
INSERT INTO "changes" VALUES(2,'01M8Q6W20QFZJGEE20CE1HA1XK',1796075292754,'{"id":"01M8Q6W20QFZJGEE20CE1HA1XK","owner":"local","max_labels":10,"min_confidence":55.0,"callback_url":"http://127.0.0.1:9/hook","version":1,"status":"AWAITING_UPLOAD","content_type":"image/jpeg","created_at":"2026-11-30T21:48:12.695Z"}','{"id":"01M8Q6W20QFZJGEE20CE1HA1XK","owner":"local","max_labels":10,"min_confidence":55.0,"callback_url":"http://127.0.0.1:9/hook","size":47152,"sha256":"/W/Nh+zBzaSds0tzZuPGumQcZESeFSvrP/8edWPZ6Jo=","version":2,"status":"LABELLING","content_type":"image/jpeg","created_at":"2026-11-30T21:48:12.695Z","uploaded_at":"2026-11-30T21:48:12.753Z"}');
INSERT INTO "changes" VALUES(3,'01M8Q6W2382KXVSVYE61GCPNFQ',1796075292776,NULL,'{"id":"01M8Q6W2382KXVSVYE61GCPNFQ","owner":"local","max_labels":10,"min_confidence":55.0,"callback_url":"http://127.0.0.1:9/hook","version":1,"status":"AWAITING_UPLOAD","content_type":"image/jpeg","created_at":"2026-11-30T21:48:12.776Z"}');
INSERT INTO "changes" VALUES(4,'01M8Q6W20QFZJGEE20CE1HA1XK',1796075292942,'{"id":"01M8Q6W20QFZJGEE20CE1HA1XK","owner":"local","max_labels":10,"min_confidence":55.0,"callback_url":"http://127.0.0.1:9/hook","size":47152,"sha256":"/W/Nh+zBzaSds0tzZuPGumQcZESeFSvrP/8edWPZ6Jo=","version":2,"status":"LABELLING","content_type":"image/jpeg","created_at":"2026-11-30T21:48:12.695Z","uploaded_at":"2026-11-30T21:48:12.753Z"}','{"id":"01M8Q6W20QFZJGEE20CE1HA1XK","owner":"local","max_labels":10,"min_confidence":55.0,"callback_url":"http://127.0.0.1:9/hook","size":47152,"sha256":"/W/Nh+zBzaSds0tzZuPGumQcZESeFSvrP/8edWPZ6Jo=","width":451,"height":300,"detector":"efficientnet-lite0/1","version":3,"status":"LABELLED","content_type":"image/jpeg","created_at":"2026-11-30T21:48:12.695Z","uploaded_at":"2026-11-30T21:48:12.753Z","finished_at":"2026-11-30T21:48:12.942Z","labels":[{"name":"Animal","confidence":94.786},{"name":"Mammal","confidence":93.954,"parents":["Animal"]},{"name":"Feline","confidence":93.036,"parents":["Mammal","Animal"]},{"name":"Pet","confidence":91.856,"parents":["Animal"]},{"name":"Cat","confidence":91.419,"parents":["Feline","Pet","Mammal","Animal"]}]}');
CREATE TABLE counted_labels (
    blob_id TEXT PRIMARY KEY, version INTEGER NOT NULL, names TEXT NOT NULL
) WITHOUT ROWID, STRICT;
INSERT INTO "counted_labels" VALUES('01M8Q6W20QFZJGEE20CE1HA1XK',3,'["Animal", "Cat", "Feline", "Mammal", "Pet"]');
CREATE TABLE deliveries (
    id TEXT PRIMARY KEY, blob_id TEXT NOT NULL, owner TEXT NOT NULL, url TEXT NOT NULL,
    body BLOB NOT NULL, created_at INTEGER NOT NULL, state TEXT NOT NULL, due_at INTEGER NOT NULL,
    lease TEXT, lease_until INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID, STRICT;
INSERT INTO "deliveries" VALUES('msg_01M8Q6W20QFZJGEE20CE1HA1XK_3','01M8Q6W20QFZJGEE20CE1HA1XK','local','http://127.0.0.1:9/hook',X'7B2274797065223A22626C6F622E6C6162656C6C6564222C2274696D657374616D70223A22323032362D31312D33305432313A34383A31322E3934325A222C2264617461223A7B22626C6F62223A7B226964223A2230314D38513657323051465A4A4745453230434531484131584B222C22737461747573223A224C4142454C4C4544222C22636F6E74656E7454797065223A224A504547222C2273697A654279746573223A34373135322C227769647468223A3435312C22686569676874223A3330302C22637265617465644174223A22323032362D31312D33305432313A34383A31322E3639355A222C226C6162656C6C65644174223A22323032362D31312D33305432313A34383A31322E3934325A222C226C6162656C73223A5B7B226E616D65223A22416E696D616C222C22636F6E666964656E6365223A39342E3738362C22706172656E7473223A5B5D7D2C7B226E616D65223A224D616D6D616C222C22636F6E666964656E6365223A39332E3935342C22706172656E7473223A5B22416E696D616C225D7D2C7B226E616D65223A2246656C696E65222C22636F6E666964656E6365223A39332E3033362C22706172656E7473223A5B224D616D6D616C222C22416E696D616C225D7D2C7B226E616D65223A22506574222C22636F6E666964656E6365223A39312E3835362C22706172656E7473223A5B22416E696D616C225D7D2C7B226E616D65223A22436174222C22636F6E666964656E6365223A39312E3431392C22706172656E7473223A5B2246656C696E65222C22506574222C224D616D6D616C222C22416E696D616C225D7D5D2C226661696C757265223A6E756C6C7D7D7D',1796075292942,'pending',1796075298235,NULL,0);
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID, STRICT;
INSERT INTO "facts" VALUES('url_secret','03b3dc44c0349e82b01eb3b7988cb06b14f03452f14362f050e8444c70b64662');
CREATE TABLE feeds (name TEXT PRIMARY KEY, sequence INTEGER NOT NULL) WITHOUT ROWID, STRICT;
INSERT INTO "feeds" VALUES('notifier',4);
CREATE TABLE label_entries (
    owner TEXT NOT NULL, label TEXT NOT NULL, blob_id TEXT NOT NULL, confidence REAL NOT NULL,
    PRIMARY KEY (owner, label, blob_id)
) WITHOUT ROWID, STRICT;
INSERT INTO "label_entries" VALUES('local','animal','01M8Q6W20QFZJGEE20CE1HA1XK',94.786);
INSERT INTO "label_entries" VALUES('local','cat','01M8Q6W20QFZJGEE20CE1HA1XK',91.419);
INSERT INTO "label_entries" VALUES('local','feline','01M8Q6W20QFZJGEE20CE1HA1XK',93.036);
INSERT INTO "label_entries" VALUES('local','mammal','01M8Q6W20QFZJGEE20CE1HA1XK',93.954);
INSERT INTO "label_entries" VALUES('local','pet','01M8Q6W20QFZJGEE20CE1HA1XK',91.856);
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
INSERT INTO "messages" VALUES(3,'hints','{"delivery_id": "msg_01M8Q6W20QFZJGEE20CE1HA1XK_3"}',1796075298235,1796075292946,0,NULL);
CREATE TABLE owners (id TEXT PRIMARY KEY, webhook_secrets TEXT NOT NULL) WITHOUT ROWID, STRICT;
INSERT INTO "owners" VALUES('local','["whsec_f3YIuLGLSjG2sY+fd+XWQ+GEKP6QiZeZGQb5OYvl+yE="]');
CREATE INDEX blobs_by_owner ON blobs (owner, id);
CREATE INDEX blobs_by_status ON blobs (owner, status, id);
CREATE INDEX blobs_awaiting ON blobs (id) WHERE status = 'AWAITING_UPLOAD';
CREATE INDEX label_entries_by_confidence ON label_entries (owner, label, confidence, blob_id);
CREATE INDEX deliveries_by_blob ON deliveries (blob_id, created_at);
CREATE INDEX deliveries_due ON deliveries (due_at) WHERE state = 'pending';
CREATE INDEX messages_visible ON messages (queue, visible_at);
CREATE UNIQUE INDEX messages_by_receipt ON messages (receipt) WHERE receipt IS NOT NULL;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('changes',4);
INSERT INTO "sqlite_sequence" VALUES('messages',3);
COMMIT;
PRAGMA user_version = 1;
