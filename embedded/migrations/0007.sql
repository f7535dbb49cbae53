-- Deliveries are limited per owner too: in_line is 2 for those in their owner's line.

CREATE INDEX deliveries_of_owner ON deliveries (owner, in_line, look_at) WHERE state = 'pending';
