package dkim

import (
	"cmp"
	"slices"
	"strings"
)

// A DNS panel, or a person, may write a record of dkimbot's again with the same key and other tags.

// Serves reports whether mail that verifies by o verifies by r as well: both mean the same, or r holds the same key,
// whatever other tags somebody gave it. A record in test mode does not serve, unless o is in test mode itself: mail is
// then treated as unsigned (RFC 6376 section 3.6.1).
func (r Record) Serves(o Record) bool {
	return r.Equal(o) || !r.Revoked() && r.Key == o.Key && (!r.Testing() || o.Testing())
}

// Serves reports whether mail verifies by what DNS shows as well as by record.
func Serves(shown, record string) bool {
	if shown == record {
		return true
	}
	s, errS := ParseRecord(shown)
	r, errR := ParseRecord(record)
	return errS == nil && errR == nil && s.Serves(r)
}

// Rewritten says in which tags shown differs from record, for people, where it holds the key of record: "v= missing,
// t=s added". It reads also what no verifier can use. It returns "" where another key stands there, or none, and where
// both mean the same to verifiers.
func Rewritten(shown, record string) string {
	if shown == record {
		return ""
	}
	is, was := looseTags(shown), looseTags(record)
	if was["p"] == "" || is["p"] != was["p"] || SameRecord(shown, record) {
		return ""
	}
	var differs []string
	for _, name := range tagNames(was, is) {
		now, stands := is[name]
		before, stood := was[name]
		switch {
		case !stands:
			differs = append(differs, name+"= missing")
		case !stood:
			differs = append(differs, brief(name+"="+now)+" added")
		case now != before:
			differs = append(differs, brief(name+"="+now)+" in place of "+brief(name+"="+before))
		}
	}
	if len(differs) == 0 {
		return "its tags stand in another order, or twice"
	}
	return strings.Join(differs, ", ")
}

// Holds reports whether a record holds the key with that id, also where no verifier can use the record.
func Holds(shown, keyID string) bool {
	tags := looseTags(shown)
	key, err := parseP(cmp.Or(tags["k"], "rsa"), tags["p"])
	return err == nil && !key.IsZero() && key.ID() == keyID
}

// looseTags reads tags as they stand, also where no verifier would. Blanks in p= don't count.
func looseTags(record string) map[string]string {
	tags := map[string]string{}
	for part := range strings.SplitSeq(record, ";") {
		name, value, found := strings.Cut(part, "=")
		if name = strings.Trim(name, fws); found {
			tags[name] = strings.Trim(value, fws)
		}
	}
	tags["p"] = stripSpace(tags["p"])
	return tags
}

// tagNames returns the names of tags that stand in either record, in a constant order.
func tagNames(was, is map[string]string) (names []string) {
	for _, tags := range []map[string]string{was, is} {
		for name := range tags {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// brief renders a tag for a sentence: as it stands where that is harmless, else quoted and cut short.
func brief(tag string) string {
	if q := quote(tag); q != `"`+tag+`"` {
		return q
	}
	return tag
}
