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
