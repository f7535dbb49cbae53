-- Scopes and an end for API keys. Keys from before may do everything.

ALTER TABLE api_keys ADD COLUMN scopes TEXT NOT NULL DEFAULT 'admin read upload';
ALTER TABLE api_keys ADD COLUMN expires_at INTEGER;
