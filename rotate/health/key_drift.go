package health

import (
	"fmt"
	"slices"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// KeyDrift says how what the keystore holds differs from what it should hold.
func (h *Check) KeyDrift(s string) *finding.Finding {
	seen := h.Seen.Selectors[s]
	switch h.Keeping(s) {
	case KeyGone:
		f := h.lostKey(s)
		f.Code, f.Selector = codes.KeyMissing, s
		f.Message = fmt.Sprintf("the private key for %s is missing from the keystore%s", h.Name(s), f.Message)
		return &f
	case KeyDifferent:
		err := h.ForeignKey(s)
		return &finding.Finding{Code: codes.KeyDifferent, Selector: s, Message: fault.Text(err),
			Repair: fault.HintOf(err), Asks: true, Cause: finding.CauseOf(err)}
	case keyUnread:
		f := finding.Troubled(codes.KeyUnread, s, "", seen.KeyErr,
			"the keystore is asked again; until it answers, no key is made or given to a signer")
		if fault.CodeOf(seen.KeyErr) == codes.DeletedSecret {
			f.Code = codes.KeyMissing
		}
		return f
	}
	return nil
}

// lostKey says what it means that a private key is gone, and what can be done.
func (h *Check) lostKey(s string) finding.Finding {
	other := h.Want.Policy.Other(s)
	switch {
	case h.Keeping(other) == KeyGone:
		return finding.Finding{Message: finding.BothMissing, Asks: true,
			Repair: "check that the configuration names the right keystore, or restore the keystore from a backup; " +
				"dkimbot makes no new key while both are missing" + beginAgain(h.Want.Name)}
	case (s == h.Haven() || s == h.Have.Target) && !FreshLost(&h.Judge, s) && slices.Contains(h.ExposedKeys(), other):
		idle := h.Renewable(s) || s == h.Have.Target && !h.AnySilent()
		return finding.Needed(h.Want.Name, other, h.RevokeNow([]string{other}), s == h.Have.Draining, idle)
	case s == h.Have.Target:
		return finding.Finding{Message: ", and signers are being switched to it", Asks: true,
			Repair: "restore it from a backup of the keystore" + h.orGoBack(other)}
	case s == h.Have.Active && h.Refuge() != "":
		return finding.Finding{Message: "; it is compromised, and signers leave it for " + other,
			Repair: "a fresh key takes its place by itself"}
	case s == h.Have.Active && h.goesElsewhere(s) != "":
		return finding.Finding{Message: "; a signer needs one, and is given the one of " + other,
			Repair: "all signers are given the key of " + other + " by themselves"}
	case s == h.Have.Active:
		return finding.Finding{Message: "; the signers continue with their copies, but none can be given it again", Asks: true,
			Repair: "restore it from a backup of the keystore" + h.orGoBack(other)}
	case s == h.Have.Draining && h.Have.Selector(s).Next == nil:
		return finding.Finding{Message: "; it is only needed for a rollback",
			Repair: "it is replaced by itself when the drain is over"}
	case FreshLost(&h.Judge, s):
		return finding.Finding{Message: "; no signer has used it", Repair: "another fresh key takes its place by itself"}
	case h.Renewable(s):
		return finding.Finding{Message: "; no signer uses it",
			Repair: "a fresh key takes its place by itself as soon as no mail in flight can need the old one"}
	}
	return finding.Finding{Asks: true,
		Repair: "restore it from a backup of the keystore; until then no signer can be switched to it"}
}

// orGoBack says how signers come to the selector other by a person's word, "" where they can't.
func (h *Check) orGoBack(other string) string {
	switch {
	case h.Have.Leaked(other) || h.Have.Leaked(h.Have.Active):
		return ""
	case h.HandsOff(other) && other == h.Have.Active: // a rollback to it is refused
		return ""
	case h.HandsOff(other):
		return "; or have " + other + " free for dkimbot again. If it is lost for good and a host has no copy: '" +
			h.RevokeNow([]string{h.Have.Active}) + "' makes another one, and mail in flight fails"
	case h.Have.Phase == rotate.Ready:
		return h.orSwitch(other)
	case h.Have.Phase == rotate.Switching, h.Have.Phase == rotate.Draining:
		return ", or go back: 'dkimbot rollback --domain " + h.Want.Name + "'"
	}
	return ""
}
