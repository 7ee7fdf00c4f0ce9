-- A lease goes by no clock: whoever wants one that another holds watches whether it is
-- renewed, for as long as ttl. Those of an older version have none; expires, at
-- which they ended, goes on to be written for programs of that version.
ALTER TABLE leases ADD COLUMN renewals INTEGER NOT NULL DEFAULT 0;
ALTER TABLE leases ADD COLUMN ttl INTEGER NOT NULL DEFAULT 0;
ALTER TABLE leases ADD COLUMN since INTEGER NOT NULL DEFAULT 0;

-- Until when a domain is looked after every minute.
ALTER TABLE looks ADD COLUMN closely INTEGER NOT NULL DEFAULT 0;
