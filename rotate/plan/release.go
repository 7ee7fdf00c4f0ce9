package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/wayout"
)

// released plans for a domain that was released: nothing, or the purge.
func (p *planner) released() verdict {
	if p.Have.Released == nil {
		return free
	}
	p.Have.Heed(p.Want, p.Seen, nil, p.Now)
	r := p.Have.Released
	switch {
	case p.req.Asked:
		p.stop(fault.Refuse(codes.Released,
			fmt.Sprintf("%s was released on %s: dkimbot does nothing for it", p.Want.Name, r.At.UTC().Format(time.DateOnly)),
			"'dkimbot release --domain "+p.Want.Name+
				" --undo' takes it back under management; otherwise take it out of the configuration"))
	case !r.Purged.IsZero():
		p.plan.Reason = rotate.Reason{Code: codes.Released,
			Message: "the domain was released, and what dkimbot made was purged; take it out of the configuration"}
	case !r.Purge:
		p.plan.Reason = rotate.Reason{Code: codes.Released,
			Message: "the domain was released; records, keys and signers stay as they are"}
	default:
		p.purge(*r)
	}
	return ended
}

// purge purges both selectors once no mail needs them (I1, I2). A private key is
// destroyed only when its record was revoked, so that what fails is tried again.
func (p *planner) purge(r rotate.ReleaseState) {
	if err := p.SelectorsChanged(); err != nil {
		p.stop(err)
		return
	}
	why := rotate.Reason{Code: codes.Purge,
		Message: fmt.Sprintf("the domain was released; what dkimbot made is purged "+
			"when no signer has signed with it for %s", calendar.Span(rotate.LongestDrain(p.Have.Selectors, p.Want.Policy)))}
	p.plan.Reason = why
	until := r.LastUsed.Add(rotate.LongestDrain(p.Have.Selectors, p.Want.Policy))
	if users := p.usersOfOurs(); len(users) > 0 {
		if !until.After(p.Now) { // the drain is 0, as in tests
			until = p.Now.Add(time.Minute)
		}
		p.warn(codes.PurgeWaits, finding.Thing{}, "%s; nothing is purged before no signer has signed with it for %s: let them sign with something else",
			strings.Join(users, ", "), calendar.Span(rotate.LongestDrain(p.Have.Selectors, p.Want.Policy)))
	}
	p.warnDismissed()
	for _, s := range p.Keyed() {
		p.revoke(rotate.Turn, s, until)
	}
	for _, s := range wayout.LostFirst(&p.Judge) {
		key := p.Have.Selector(s).Key
		if err := cmp.Or(p.WrongKeystore(s), p.standsBeside(s)); err != nil {
			p.stop(err)
		} else if !key.Gone {
			p.destroy(rotate.Turn, s, rotate.Retired{KeyID: key.ID, Version: key.Version}, until, why)
		}
	}
}

// standsBeside says why a selector's key is not destroyed: DNS shows it beside a record of
// somebody else, so that it can't be revoked (I5, I6).
func (p *planner) standsBeside(s string) error {
	sight := p.Seen.Selectors[s].Sight
	ours := slices.ContainsFunc(sight.Values,
		func(v string) bool { return dkim.RecordKeyID(v) == p.Have.Selector(s).Key.ID })
	if !ours || !p.HandsOff(s) {
		return nil
	}
	return fault.Refuse(codes.ForeignRecord,
		fmt.Sprintf("purge the key record at %s: DNS shows something there that dkimbot did not make (%s)", p.Name(s),
			dkim.Brief(sight.Values)),
		"find out who made it, and remove it if nothing signs with it; dkimbot then purges its own record "+
			"and destroys the private key")
}

// usersOfOurs says which signers sign with a key of ours, or don't say.
func (j *draft) usersOfOurs() (users []string) {
	for _, name := range j.Want.Signers {
		seen := j.Seen.Signers[name]
		switch {
		case seen.Err != nil:
			users = append(users, "signer "+name+" did not answer which key it uses")
		case j.Have.MayUse(seen):
			users = append(users, "signer "+name+" signs with "+seen.Ours(j.Have).Selector)
		case seen.Unheard != nil:
			users = append(users, fmt.Sprintf("signer %s: %s (%s)", name, fault.Text(seen.Unheard), fault.HintOf(seen.Unheard)))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(j.Seen.Dismissed)) {
		seen := j.Seen.Dismissed[name]
		switch ours := seen.Ours(j.Have); {
		case seen.Err != nil || seen.Unheard != nil:
			users = append(users, fmt.Sprintf("signer %s, no longer listed, did not answer which key it uses", name))
		case ours.Selector != "":
			users = append(users, fmt.Sprintf("signer %s, no longer listed, signs with %s", name, ours.Selector))
		}
	}
	return users
}

// warnDismissed reports signers that can't be asked any more, and that may continue to
// sign with what is to be purged.
func (p *planner) warnDismissed() {
	for _, name := range slices.Sorted(maps.Keys(p.Have.Signers)) {
		if _, asked := p.Seen.Dismissed[name]; !asked && p.LeftOver(name) != nil {
			p.warn(codes.SignerLeftOver, finding.Thing{Signer: name}, "signer %s signed with %s and is no longer listed; "+
				"dkimbot does not ask it any more: make sure that it no longer signs with it, or list it again", name,
				p.Have.Signers[name].Selector)
		}
	}
}
