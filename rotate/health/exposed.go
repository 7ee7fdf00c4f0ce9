package health

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/follow"
)

// ExposedKeys returns the compromised keys' selectors at which mail still verifies, or will when a lost zone is back,
// because signers sign with the key and could not be switched away from it.
func (j *Judge) ExposedKeys() (out []string) {
	for _, s := range j.Want.Policy.Selectors {
		if j.Have.Leaked(s) && !j.LostForGood(s) && !j.Bound(s) && !j.Replaced(s) &&
			(j.Standing(s) != Absent || zoneLost(j)) && !j.MayRevoke(s) {
			out = append(out, s)
		}
	}
	return out
}

// zoneLost reports whether no server shows a record at either selector, so that no signer can leave one for the other.
func zoneLost(j *Judge) bool {
	return j.Standing(j.Want.Policy.Selectors[0]) == Absent && j.Standing(j.Want.Policy.Selectors[1]) == Absent
}

// Exposed returns the errors of a run, and says with them which compromised keys are still in use.
func (j *Judge) Exposed(failed error) error {
	out := slices.DeleteFunc(j.ExposedKeys(), func(s string) bool {
		return slices.Contains(finding.Things(failed), finding.Exposure([]string{s}))
	})
	if failed == nil || len(out) == 0 {
		return failed
	}
	return errors.Join(failed, &fault.Error{Kind: fault.KindOf(failed), What: j.StillUsed(out),
		Hint: "revoke it now anyway: '" + j.RevokeNow(out) + "'"})
}

// Cornered says of a step that failed while signers wait for its key, to leave a compromised one, what a person can do.
func (j *Judge) Cornered(s rotate.Step, err error) error {
	from := j.Have.Active
	if s.Duty != rotate.Turn || s.Selector != j.Haven() || !j.Have.Leaked(from) || j.LostForGood(from) ||
		j.Refuge() != "" || fault.CodeOf(err) == codes.LeaseLost || finding.Concerns(finding.TheExposure, err) {
		return err
	}
	return j.StayInUse([]string{from}, err)
}

// StayInUse says why nothing is done about compromised keys that sign, and what a person can do.
func (j *Judge) StayInUse(selectors []string, why error) error {
	hint, now := fault.HintOf(why), "'"+j.RevokeNow(selectors)+"'"
	if !strings.Contains(hint, now) {
		hint = strings.TrimPrefix(hint+"; or revoke it now anyway: "+now, "; or ")
	}
	return finding.WithThing(finding.Exposure(selectors), &fault.Error{Kind: fault.KindOf(why), Code: fault.CodeOf(why),
		Err: why, What: j.StillUsed(selectors), Hint: hint})
}

// StillUsed says that signers sign with compromised keys, and what that means.
func (j *Judge) StillUsed(selectors []string) string {
	return "leave and revoke the compromised " + j.keysAt(selectors) + ": " + finding.StillUsed(zoneLost(j))
}

// LeftAt says when signers leave compromised keys by themselves.
func (j *Judge) LeftAt(selectors []string, flight rotate.Step) string {
	return fmt.Sprintf("signers leave the compromised %s at %s by themselves, when resolvers know the record of %s; until then, "+
		"mail that somebody else signs with it verifies", j.keysAt(selectors), calendar.Until(flight.NotBefore), flight.Selector)
}

// keysAt names the keys at one selector or both.
func (j *Judge) keysAt(selectors []string) string {
	if len(selectors) > 1 {
		return "keys at " + j.Name(selectors[0]).String() + " and " + j.Name(selectors[1]).String()
	}
	return "key at " + j.Name(selectors[0]).String()
}

// CantRevoke says why compromised keys that a signer was to leave are not revoked.
func (j *Judge) CantRevoke(selectors ...string) error {
	first, to := "repair a signer", j.Want.Policy.Other(selectors[0])
	if zoneLost(j) || j.Opposed(to) && !j.AnySilent() { // the signers are well
		first = "have every name server show the record of " + to
	}
	return finding.WithThing(finding.Exposure(selectors), fault.Temporary(j.StillUsed(selectors), nil,
		first+"; dkimbot then does it at the next try; or revoke it now anyway: '"+j.RevokeNow(selectors)+"'"))
}

// RevokeNow returns the command that revokes the selectors' keys while signers sign with them.
func (j *Judge) RevokeNow(selectors []string) string {
	command := "dkimbot rotate --domain " + j.Want.Name + " --compromised"
	if len(selectors) > 1 || selectors[0] != j.Have.Suspect() || follow.LeftBehind(j.Have) != nil {
		command += " --selector " + strings.Join(selectors, " --selector ")
	}
	return command + " --revoke-now"
}

// Again says what publishing a selector's record again means where its key is compromised, and how it is revoked
// instead; "" where it is not.
func (j *Judge) Again(s string) string {
	if !j.Have.Leaked(s) {
		return ""
	}
	return finding.PublishedThough(j.RevokeNow([]string{s}), j.Seen.Fate(s, j.Have.Selector(s).Key.ID) >= rotate.Fails)
}
