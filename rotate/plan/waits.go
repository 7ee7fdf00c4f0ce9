package plan

import (
	"fmt"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// What steps say about what they wait for, and about who is asked.

// waitReason says why the standby can't be used before at.
func (v *draft) waitReason(s string, at time.Time) rotate.Reason {
	key, says := v.Have.Selector(s).Key, finding.KeptOld(s, calendar.Span(v.Want.Policy.Settle))
	kept := key != nil && at.After(v.Usable(s)) && !at.After(v.Returnable(s))
	if kept {
		says = v.Kept(s, at)
	}
	if kept || v.Settles(s) && (key == nil || v.Want.Policy.Settle >= key.CacheWait) {
		return rotate.Reason{Code: codes.Settle, Message: says}
	}
	return rotate.Reason{Code: codes.Cache,
		Message: fmt.Sprintf("resolvers may still answer from before the record of %s was published", s)}
}

// askedOf names who is asked about a selector, where it is not all authoritative servers.
func (v *draft) askedOf(selector string) string {
	if sight := v.Seen.Selectors[selector].Sight; sight.Unchecked || sight.Asked != "" {
		return sight.Whom()
	}
	return ""
}

// verifyReason says what a look at a record is for, and whom it asks.
func (v *draft) verifyReason(selector string, why rotate.Reason) rotate.Reason {
	sight := v.Seen.Selectors[selector].Sight
	switch {
	case sight.Unchecked:
		why.Message = "DNS is not to be asked (verify.mode none): " +
			"only the stored key is tested against the record, as it was published"
	case why.Code == codes.Verify:
		why.Message = "the record must show on " + sight.Whom() + " before anything relies on it"
	}
	return why
}
