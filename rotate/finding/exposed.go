package finding

import (
	"slices"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Exposure is that compromised keys stay in use.
func Exposure(selectors []string) Thing {
	return Thing{Kind: TheExposure, Selector: selectors[0]}
}

// ReportsExposed reports whether a plan's warning is one of those that Exposed says as errors.
func ReportsExposed(w Warning) bool { return w.About.Kind == TheExposure }

// SaidBefore reports whether err says nothing but that a compromised key stays in use, and earlier ones of the run do.
func SaidBefore(err, earlier error) bool {
	said, ok := err.(*ThingError)
	return ok && said.About.Kind == TheExposure && slices.Contains(Things(earlier), said.About)
}

// RevokedByOthers says what to do about a record that says that its key was revoked, at a name that dkimbot is to
// manage; kept is the short id of the key that the keystore holds for it, "" for none. That may be the revoked one, of a
// lost state: unless every signer says that it does not use it, it would be published again; used says that one may.
func RevokedByOthers(name, kept string, used bool) string {
	hint := "no mail verifies with it, since it says that its key was revoked: "
	if kept != "" && used {
		hint += "if that was key " + kept + ", which the keystore holds for " + name +
			", destroy it there, or it is published again; then "
	}
	return hint + "remove it, and dkimbot publishes its own; dkimbot never changes a record that is not its own"
}

// CauseOf returns the code of an error that stands behind several findings, "" for any other.
func CauseOf(err error) codes.Code {
	if code := fault.CodeOf(err); code == codes.StaleState || code == codes.OldKeystore {
		return code
	}
	return ""
}

// Troubled says that something could not be looked at.
func Troubled(code codes.Code, selector, signer string, err error, repair string) *Finding {
	f := &Finding{Code: code, Selector: selector, Signer: signer, Message: fault.Text(err), Repair: repair}
	if hint := fault.HintOf(err); hint != "" && fault.KindOf(err) != fault.Transient {
		f.Repair, f.Asks = hint, true
	}
	return f
}

// BogusHint leads out of a broken chain of signatures.
const BogusHint = "have the zone signed again, with the record in it, " +
	"and compare its keys with the DS record at the parent; " +
	"delv and dnsviz show where the chain breaks. Nothing relies on the record until then"

// StillUsed says why signers sign with a compromised key, and what that means. lost says that no name server shows a
// record at either selector.
func StillUsed(lost bool) string {
	if lost {
		return "no name server shows a record at either selector, so that no signer leaves it, and it is not revoked; " +
			"mail that somebody else signs with it verifies again when the zone is back"
	}
	return "no signer could be switched away from it yet, and revoking it now would make all mail fail; until it is revoked, " +
		"mail that somebody else signs with it verifies"
}

// PublishedThough says why the record of a compromised key is published again, and how it is revoked instead: by the
// command revokeNow. fails says that no mail verifies by it now.
func PublishedThough(revokeNow string, fails bool) string {
	why := ", though its key is compromised, because signers can't be given another one yet; '" + revokeNow +
		"' has it revoked instead"
	if fails {
		why += ", and no mail fails by that which does not fail already"
	}
	return why
}

// Needed says of a private key that is missing that signers need it to leave the compromised one at active, which is
// not revoked before they have. revokeNow is the command that ends that without it; drains is that its selector
// drains, and idle that no signer uses it: it is replaced in the end.
func Needed(domain, active, revokeNow string, drains, idle bool) Finding {
	f := Finding{Asks: true,
		Message: "; signers need it to leave the compromised key at " + active + ", which is not revoked until they have",
		Repair: "bring it back from a backup of the keystore, and run 'dkimbot repair --domain " + domain + "': signers leave " +
			active + " at once, and its key is revoked; or revoke it now, and all mail fails until signers have a fresh key: '" +
			revokeNow + "'"}
	switch {
	case drains:
		f.Repair += ". Else signers leave it for a fresh key when the drain is over"
	case idle:
		f.Repair += ". Else signers leave it for a fresh key as soon as no mail in flight can need the one that is missing"
	}
	return f
}
