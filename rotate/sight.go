package rotate

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Sight is what DNS shows at a selector's name.
type Sight struct {
	Zone      string              // the zone that holds Owner
	Owner     string              // the name after following CNAMEs
	DNAME     string              // the name of a DNAME on the way; "" for none
	Values    []string            // the distinct TXT values seen, joined strings, sorted
	Wildcard  []string            // what a wildcard shows where nothing stands; resolvers may keep it for TTL
	Complete  bool                // every server shows the same set
	Silent    bool                // it is not complete only because servers did not answer: all that did show the same set
	Shown     map[string][]string // where it is not complete: what each that answers shows, by its name in Lagging
	Lagging   []string            // servers that answer otherwise than most, or not at all, for people
	Bogus     []string            // servers whose answers validating resolvers reject, and why; then it is not complete
	Chain     string              // why it was not checked that the zone above leads to its signatures; "": it was, or none
	TTL       time.Duration       // the largest TTL seen at the name; 0 when nothing is there
	Asked     string              // who was asked, for people, where it was not all authoritative servers: "every resolver"
	Unchecked bool                // DNS is not to be asked (mode none): what was published is taken to be there
	Vacated   bool                // what stands there is left of a domain that dkimbot has purged: it may be replaced
	Negative  time.Duration       // how long resolvers may cache that nothing is there: min(SOA TTL, SOA minimum)
}

// Whom says who was asked for what a sight shows, for people.
func (s Sight) Whom() string {
	if s.Unchecked {
		return Nobody
	}
	return cmp.Or(s.Asked, "every authoritative server")
}

// Nobody stands for whom a look asked where DNS is not to be asked (verify.mode none).
const Nobody = "nobody"

// CacheWait returns how long resolvers may continue answering what sight shows after
// it has changed: the old record's TTL, or the negative answer's (RFC 2308 section
// 5). Where only resolvers were asked, they say what is left of the TTL; ttl is the policy's.
func CacheWait(sight Sight, ttl time.Duration) time.Duration {
	switch {
	case sight.Unchecked:
		return max(time.Hour, ttl) // nothing is known of the zone's times
	case len(sight.Values)+len(sight.Wildcard) > 0:
		return max(sight.TTL, sight.Negative, ttl)
	}
	return max(sight.TTL, sight.Negative)
}

// MayBeKey reports whether what a wildcard shows may be a key record, which some receivers
// keep for days under the name that they asked for.
func MayBeKey(wildcard []string) bool {
	return slices.ContainsFunc(wildcard, func(v string) bool {
		_, err := dkim.ParseRecord(v)
		return err == nil || strings.HasPrefix(v, "CNAME ")
	})
}

// Fate is what becomes of mail, as far as DNS shows the key that it is signed with.
type Fate int

// The fates of mail.
const (
	Uncertain Fate = iota // DNS could not be asked, or not every server shows the same
	Verifies              // DNS shows the key, and nothing else
	Fails                 // DNS shows something else, or nothing
	Disowned              // DNS shows that the key was revoked
)

// Fate returns what becomes of mail that is signed with a selector and key; a signer that does
// not name its key is taken to use the one that stands there.
func (o Observation) Fate(selector, keyID string) Fate {
	seen, looked := o.Selectors[selector]
	if !looked { // one that the domain had, or that somebody else made
		at, asked := o.Left[selector]
		seen.Sight, seen.SightErr, looked = at.Sight, at.Err, asked
	}
	values := seen.Sight.Values
	is := func(v string) bool { id := dkim.RecordKeyID(v); return id != "" && (keyID == "" || id == keyID) }
	switch {
	case !looked || seen.SightErr != nil && fault.KindOf(seen.SightErr) == fault.Transient || seen.Sight.Unchecked:
		return Uncertain // else it was seen to what the name leads, though that is refused
	case len(values) > 0 && !slices.ContainsFunc(values, func(v string) bool { return !dkim.RevokedValue(v) }):
		return Disowned
	case seen.Sight.Complete && !slices.ContainsFunc(values, is):
		return Fails
	case seen.Sight.Complete && len(values) == 1:
		return Verifies
	}
	return Uncertain
}
