-- Which domains have begun to switch, and when they last did; those of the last hour are kept.
CREATE TABLE switches (
	domain TEXT PRIMARY KEY,
	at     INTEGER NOT NULL
) STRICT;

CREATE INDEX switches_at ON switches (at, domain);
