-- Keys show when they were last used, to the hour.

ALTER TABLE api_keys ADD COLUMN last_used_at INTEGER;
