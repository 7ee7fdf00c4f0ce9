-- Which selector's record each name in DNS holds, where a CNAME leads there. A name that is a
-- selector's own belongs to it without an entry.
CREATE TABLE names (
	owner    TEXT PRIMARY KEY,
	domain   TEXT NOT NULL,
	selector TEXT NOT NULL
) STRICT;

CREATE INDEX names_held ON names (domain, selector);
