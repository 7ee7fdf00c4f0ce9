-- Times are nanoseconds since 1970; they are compared, the JSON is what is read.
PRAGMA application_id = 1684760941; -- "dkim"

CREATE TABLE meta (
	key   TEXT PRIMARY KEY,
	value TEXT NOT NULL
) STRICT;

CREATE TABLE domains (
	domain   TEXT PRIMARY KEY,
	revision INTEGER NOT NULL,
	phase    TEXT NOT NULL,
	next_at  INTEGER NOT NULL, -- when the domain is to be looked at again
	config   TEXT NOT NULL,    -- fingerprint of the configuration last acted upon
	body     TEXT NOT NULL     -- rotate.State as JSON
) STRICT;

-- Both cover their question, so that the bodies stay unread.
CREATE INDEX domains_due ON domains (next_at, domain);
CREATE INDEX domains_config ON domains (domain, config);

-- A lease that was given back keeps its row, without an owner: fences only grow.
CREATE TABLE leases (
	domain  TEXT PRIMARY KEY,
	owner   TEXT NOT NULL,
	fence   INTEGER NOT NULL,
	expires INTEGER NOT NULL
) STRICT;

CREATE TABLE history (
	id     INTEGER PRIMARY KEY,
	domain TEXT NOT NULL,
	at     INTEGER NOT NULL,
	body   TEXT NOT NULL -- rotate.Event as JSON
) STRICT;

CREATE INDEX history_domain ON history (domain, id);

CREATE TRIGGER history_keeps BEFORE UPDATE ON history BEGIN
	SELECT RAISE(ABORT, 'history is never changed');
END;

CREATE TRIGGER history_stays BEFORE DELETE ON history BEGIN
	SELECT RAISE(ABORT, 'history is never deleted');
END;

PRAGMA user_version = 1;
INSERT INTO meta VALUES ('lineage', '11111111-2222-4333-8444-555555555555'), ('created_at', '2026-01-01T00:00:00Z');
INSERT INTO domains VALUES ('example.com', 7, 'draining', 1769832000000000000, 'c0ffee',
'{"domain":"example.com","revision":7,"phase":"draining","active":"s2","draining":"s1","selectors":{"s1":{"key":{"key_id":"k1","version":1,"record":"v=DKIM1; k=rsa; p=MII"}}},"switched_at":"2026-01-31T04:00:00Z","next":{"action":"replace","selector":"s1","at":"2026-01-31T04:00:00Z","reason":{"code":"drain","message":"mail in flight"}},"config":"c0ffee"}');
INSERT INTO leases VALUES ('example.com', 'a', 3, 1769835600000000000);
INSERT INTO history (domain, at, body) VALUES
('example.com', 1769832000000000000, '{"domain":"example.com","at":"2026-01-31T04:00:00Z","by":"a","kind":"activate","outcome":"begun","phase":"switching"}'),
('example.com', 1769832000000000000, '{"domain":"example.com","at":"2026-01-31T04:00:00Z","by":"a","kind":"activate","outcome":"done","phase":"draining"}');
