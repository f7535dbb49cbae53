-- Messages say why the last attempt to process them failed, where that is known.

ALTER TABLE messages ADD COLUMN error TEXT;
