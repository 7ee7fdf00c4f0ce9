package providers

import (
	"context"

	"github.com/miekg/dns"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Check asks the server to remove from the name a TXT record of a value that was made up just now. There is none, so
// the server changes nothing and its serial stays; but like any update, this one needs the key and the right to
// change the name. Prerequisites alone would not say: servers look at the rights in the update section
// only, and some look at prerequisites first. It does not show that the server can write its zone.
func (u *updater) Check(ctx context.Context, rec dkim.TXT) error {
	m := new(dns.Msg).SetUpdate(rec.Zone + ".")
	m.Remove([]dns.RR{textRecord(rec, rec.Value)})
	answer, err := u.ask.exchange(ctx, m)
	if err == nil && answer.Rcode != dns.RcodeSuccess {
		err = &rcodeError{answer.Rcode}
	}
	if err == nil {
		return nil
	}
	return u.explain(ctx, rec, err)
}
