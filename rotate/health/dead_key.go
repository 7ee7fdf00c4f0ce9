package health

import (
	"slices"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/shown"
)

// MailFails says that signers sign with a key that is dead: their mail fails until they leave it.
func MailFails(h *Check) *finding.Finding {
	dead := func(s string) bool { return Dead(&h.Judge, s) || hidden(h, s) && (h.GivenUp(s) || h.HandsOff(s)) }
	s := h.Have.Active
	if !dead(s) { // signers may wait for a fresh key at the other one
		if s = h.Have.Draining; !dead(s) {
			return nil
		}
	}
	on := slices.DeleteFunc(slices.Clone(h.Want.Signers), func(name string) bool { return !onPresent(&h.view, name, s) })
	f := finding.DeadKey(h.Want.Name, s, hidden(h, s), shown.Gone(h.Seen.Selectors[s]), on, len(on) == len(h.Want.Signers),
		func(name string) bool { return h.Seen.Signers[name].Err == nil })
	if still := shown.Still(h.Seen.Selectors[s].Sight, h.Have.Selector(s).Key); still != "" && f != nil {
		f.Message += ", except where receivers ask " + still + ", which shows the key as before"
	}
	return f
}

// hidden reports whether a selector's key is compromised, and every server answers without showing it.
func hidden(h *Check, s string) bool {
	return h.Have.Leaked(s) && h.Seen.Fate(s, h.Have.Selector(s).Key.ID) == rotate.Fails
}

// exposedAt says which servers show a selector's compromised key although it was revoked.
func exposedAt(j *Judge, s string) string {
	return shown.Exposed(j.Seen.Selectors[s].Sight, j.Have.Selector(s).Key)
}

// onPresent reports whether a signer signs with the key that stands at a selector: as it says, else as it confirmed.
func onPresent(v *view, name, s string) bool {
	c, key := v.Have.Signers[name], v.Have.Selector(s).Key
	at, id := c.Selector, c.KeyID
	if seen, looked := v.Seen.Signers[name]; looked && seen.Err == nil {
		ref := v.Have.Identify(seen.Ref)
		at, id = ref.Selector, ref.KeyID
	}
	return at == s && key != nil && id == key.ID
}
