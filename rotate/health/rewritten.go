package health

import (
	"fmt"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// A DNS panel, or a person, may write the record of dkimbot's key again with other tags. Where mail verifies by it, it
// is left as it is as long as its key stands there: the tags are that person's. When the key is replaced or revoked the
// record goes with it, since it is of no use without. Where mail fails by it, or counts as unsigned, somebody else has
// to correct it (I6).

// rewritten reports that the record of the key that should stand at a selector has other tags than dkimbot gave it, and
// that mail verifies by it.
func (h *Check) rewritten(s string) *finding.Finding {
	differs := h.otherTags(s)
	switch at := h.Standing(s); {
	case differs != "" && at == Earlier && h.Have.Leaked(s):
		err := h.ForeignRecord(s, h.Seen.Selectors[s].Sight)
		return &finding.Finding{Code: codes.RecordForeign, Selector: s, Message: fault.Text(err),
			Repair: "its key is compromised: it goes when that is revoked"}
	case differs == "" || at != Current || h.Have.Selectors[s] == nil: // or it is none of the domain's any more
		return nil
	}
	verifies := "mail that is signed with it verifies"
	if r, err := dkim.ParseRecord(h.Seen.Selectors[s].Sight.Values[0]); err == nil && r.Strict() {
		verifies += ", unless its i= names a subdomain (t=s)"
	}
	return &finding.Finding{Code: codes.RecordRewritten, Selector: s,
		Message: fmt.Sprintf("the record of dkimbot's key at %s was rewritten (%s); %s", h.Name(s), differs, verifies),
		Repair: fmt.Sprintf("it is left as it is until its key is replaced, and the record after it has dkimbot's tags again; "+
			"to have them back before, write there what 'dkimbot status --domain %s --json' shows", h.Want.Name)}
}

// otherTags says how the only record at a selector differs from that of dkimbot's key there, "" where it does not, or
// holds another key.
func (j *Judge) otherTags(s string) string {
	sight, sel := At(j.Seen, s).Sight, selectorOf(j.Have, s)
	if len(sight.Values) != 1 || sight.Unchecked {
		return ""
	}
	for _, key := range []*rotate.Key{sel.Next, sel.Key} {
		if key == nil {
			continue
		}
		if differs := dkim.Rewritten(sight.Values[0], key.Record); differs != "" {
			return differs
		}
	}
	return ""
}

// InTestMode reports whether somebody has put the record of dkimbot's key at a selector in test mode: mail that is
// signed with it counts as unsigned, and is no worse than unsigned (RFC 6376 section 3.6.1).
func (j *Judge) InTestMode(s string) bool {
	own := j.Standing(s) == Earlier && j.Have.Leaked(s)
	if !own && j.Standing(s) != Foreign || j.otherTags(s) == "" {
		return false
	}
	r, err := dkim.ParseRecord(At(j.Seen, s).Sight.Values[0])
	return err == nil && r.Testing()
}

// Barred reports whether no signer may flee to a selector, because a record that is not dkimbot's stands there. One in
// test mode bars no signer whose mail counts as unsigned anyway, or fails: to go makes nothing worse. Nor does one that
// only some servers show, where the key that signers leave was revoked, or is to be at once, or these don't show it.
func Barred(j *Judge, to string) bool {
	from := j.Want.Policy.Other(to)
	worse := !j.InTestMode(to) || j.Shared || !(j.InTestMode(from) || Dead(j, from))
	goes := j.Have.Selector(from).Key != nil && Partly(j, to) && (j.LostForGood(from) || Enough(j, to))
	return j.HandsOff(to) && worse && !goes
}

// useless returns the refusal for a record of dkimbot's key that somebody has rewritten so that mail does not verify by
// it; differs says how.
func useless(j *Judge, s, differs string, sight rotate.Sight) error {
	means, until := "mail that is signed with it fails", fails(j, s)
	if _, err := dkim.ParseRecord(sight.Values[0]); err != nil {
		means += " (" + err.Error() + ")"
	} else {
		means, until = "receivers treat mail that is signed with it as unsigned (t=y)", "counts as unsigned"
	}
	correct, hint := fmt.Sprintf("write there again what 'dkimbot status --domain %s --json' shows", j.Want.Name), ""
	if j.Have.Selectors[s] == nil {
		correct = "write this record there again: " + selectorOf(j.Have, s).Key.Record
	}
	switch {
	case j.Have.Leaked(s):
		hint = "remove it: " + j.onceAlone(s)
	case j.InTestMode(s) && j.mayBeUsed(s): // without it mail would fail until resolvers know dkimbot's own
		hint = correct + "; dkimbot"
	default:
		hint = correct + ", or remove it: " + j.onceAlone(s)
	}
	return fault.Refuse(codes.ForeignRecord,
		fmt.Sprintf("the record of dkimbot's key at %s was rewritten (%s): %s", j.Name(s), differs, means),
		hint+" never changes a record that somebody else wrote"+orLeave(j, s, until))
}

// orLeave says how signers leave an active selector whose record is not dkimbot's, "" where they can't.
func orLeave(j *Judge, s, until string) string {
	other := j.Want.Policy.Other(s)
	if s != j.Have.Active || !j.Heals(other) {
		return ""
	}
	until = fmt.Sprintf(". Mail signed with %s %s until then", s, until)
	switch to, at := Better(&Check{*j}); {
	case to != "" && BetterHeld(j, to):
		return fmt.Sprintf("%s: 'dkimbot unhold --domain %s' has all signers leave it for %s", until, j.Want.Name, to)
	case to != "":
		return fmt.Sprintf("%s; signers leave it for %s by themselves%s", until, to, notBefore(&Check{*j}, to, at))
	}
	command, to := rotation(j, other)
	return fmt.Sprintf("%s: '%s' has all signers leave it for %s", until, command, to)
}
