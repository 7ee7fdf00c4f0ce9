package order

import (
	"fmt"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// twoSign refuses a report that names no selector while a switch is not in effect yet, so that mail is signed with
// either key: the one that has just come would be given up, and signers would go back to the one that is known to
// others (I5). Where one of the two was reported already, that one is meant. While some signers are yet to be switched,
// the key that they leave is meant, as status says.
func (p *order) twoSign() error {
	if p.Have.Phase != rotate.Draining || !p.Now.Before(p.Have.SwitchedAt) {
		return nil
	}
	s, old := p.Have.Active, p.Have.Draining
	key, before := p.Have.Selector(s).Key, p.Have.Selector(old).Key
	if key == nil || before == nil || !key.Leaked.IsZero() || !before.Leaked.IsZero() {
		return nil
	}
	report := "'dkimbot rotate --domain " + p.Want.Name + " --compromised --selector "
	return fault.Refuse(codes.WhichKey, fmt.Sprintf("report a compromised key of %s: signers were switched from %s to %s, and until "+
		"%s mail may be signed with either key: %s at %s, or %s at %s", p.Want.Name, old, s,
		calendar.Until(p.Have.SwitchedAt), dkim.ShortID(before.ID), old, dkim.ShortID(key.ID), s),
		fmt.Sprintf("say which one is meant: %s%s', or %s%s'; if both may be known to somebody: --every-key", report, old, report, s))
}
