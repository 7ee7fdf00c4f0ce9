package health

import (
	"slices"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/shown"
)

// Signers that leave a compromised key do not always wait until every server shows the record of the other one. What is
// here says when mail can only become better by going.

// Enough reports whether signers may leave a compromised key for the selector's although servers that answer do not all
// show its record: the key that they leave was revoked, so that mail fails wherever it is verified; or each server that
// lacks the record, or shows somebody else's, lacks that of the key which they leave as well, so that nothing becomes
// worse there. Of a new domain the first key may be waited for: mostly no signer has come to one yet.
func Enough(j *Judge, s string) bool {
	key, from, standing := j.Have.Selector(s).Wanted(), j.Want.Policy.Other(s), j.Standing(s)
	if key == nil || j.Have.Phase == rotate.Bootstrapping || !j.Flight(s) || ShownOf(j, s) == "" {
		return false
	}
	if standing != Changing && !Partly(j, s) {
		return false
	}
	if Dead(j, from) {
		return true
	}
	sight := j.Seen.Selectors[s].Sight
	return len(sight.Bogus) == 0 && shown.NoneLoses(sight, key, j.Seen.Selectors[from], j.Have.Selector(from).Key)
}

// ShownOf returns the record at a selector as a server shows it, "" where none does.
func ShownOf(j *Judge, s string) string {
	return shown.Of(j.Seen.Selectors[s].Sight, j.Have.Selector(s).Wanted())
}

// Somewhere reports whether a server shows the record of the selector's key though others lack it, or are silent, and
// none shows what is not dkimbot's: whoever signs with nothing can only gain by the key.
func Somewhere(j *Judge, s string) bool {
	return j.Standing(s) == Changing && len(j.Seen.Selectors[s].Sight.Bogus) == 0 && ShownOf(j, s) != ""
}

// Partly reports whether a server shows the record of the selector's key alone though others show a record of somebody
// else's: mail that is signed with it verifies where receivers ask that one.
func Partly(j *Judge, s string) bool {
	return j.Standing(s) == Foreign && !j.Shared && !j.Stale(s) &&
		shown.Alone(j.Seen.Selectors[s].Sight, j.Have.Selector(s).Wanted())
}

// Dead reports whether mail that is signed with a selector's compromised key fails for good: the key was revoked, or is
// being revoked as was ordered, and a server shows it; or somebody has emptied its record.
func Dead(j *Judge, s string) bool {
	key, seen := j.Have.Selector(s).Key, j.Seen.Selectors[s]
	begun := key != nil && key.GivenUp() && key.RevokeNow && seen.SightErr == nil &&
		slices.ContainsFunc(seen.Sight.Values, dkim.RevokedValue)
	return begun || key != nil && !key.Leaked.IsZero() && !key.RevokedAt.IsZero() || j.emptied(s)
}
