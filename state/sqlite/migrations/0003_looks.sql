-- When each domain has its turn to be looked after. Apart from the domains, so that a
-- look that finds all well touches no state. Turns are spread over an hour; those of
-- the domains that are there already begin somewhere in the next one.
CREATE TABLE looks (
	domain TEXT PRIMARY KEY,
	at     INTEGER NOT NULL
) STRICT;

CREATE INDEX looks_due ON looks (at, domain);

INSERT INTO looks SELECT domain, unixepoch() * 1000000000 + abs(random() % 3600000000000) FROM domains;

-- Which domains' last attempts failed is asked for often, and seldom are there any.
ALTER TABLE domains ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;

UPDATE domains SET failures = body ->> '$.failures' WHERE json_valid(body) AND body ->> '$.failures' > 0;

CREATE INDEX domains_failing ON domains (domain) WHERE failures > 0;
