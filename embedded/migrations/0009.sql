-- Two more scopes. Reading and uploading together allowed what they allow.

UPDATE api_keys SET scopes = 'delete edit read upload' WHERE scopes = 'read upload';
UPDATE api_keys SET scopes = 'admin delete edit read upload' WHERE scopes = 'admin read upload';
