package order

import (
	"fmt"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// repeatedFor is how long after an emergency a report that names no selector is taken for the same report once more:
// a script that repeats the command until it succeeds, or a second person.
const repeatedFor = 24 * time.Hour

// repeated refuses a report that names no selector, and would be of the good key at s, for which signers have just left
// one that was reported. When that was done is not seen from outside: the daemon may have done it.
func (p *order) repeated(s string) error {
	fled, key := p.Have.Fled, p.Have.Selector(s).Key
	if fled.KeyID == "" || key == nil || key.ID == fled.KeyID || !key.Leaked.IsZero() || p.Have.AlreadyReported(s) != nil {
		return nil
	}
	done := []time.Time{fled.At, p.Have.SwitchedAt}
	if sel := rotate.SelectorAt(p.Have, fled.Selector); sel != nil && sel.Key != nil {
		done = append(done, sel.Key.PublishedAt) // of the key in its place
	}
	if p.Now.After(slices.MaxFunc(done, time.Time.Compare).Add(repeatedFor)) {
		return nil
	}
	return fault.Refuse(codes.ReportedBefore, fmt.Sprintf("report a compromised key of %s: key %s at %s was reported at %s, and "+
		"signers have left it; without --selector, the report would now be of another one, key %s at %s",
		p.Want.Name, dkim.ShortID(fled.KeyID), fled.Selector, calendar.Utc(fled.At), dkim.ShortID(key.ID), s),
		"nothing more is to be done about the first key; to report the one at "+s+", too: 'dkimbot rotate --domain "+
			p.Want.Name+" --compromised --selector "+s+"'")
}
