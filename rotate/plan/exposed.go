package plan

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// A compromised key that is not revoked can be used by whoever has it. Where nothing more can be
// done about that, a person is told so, and how to revoke the key nevertheless.

// exposed returns the compromised keys' selectors at which mail still verifies because signers
// sign with the key and could not be switched away from it.
func (j *Judge) exposed() (out []string) {
	if j.have.Released != nil {
		return nil
	}
	for _, s := range j.want.Policy.Selectors {
		if j.have.Leaked(s) && !j.lostForGood(s) && !j.handsOff(s) && !j.replaced(s) && j.Standing(s) != absent &&
			!j.MayRevoke(s) {
			out = append(out, s)
		}
	}
	return out
}

// tellExposed says at the end of a plan that a compromised key stays in use: with what stops
// the plan, or as a warning where only waits are left.
func (p *planner) tellExposed() {
	out := slices.DeleteFunc(p.exposed(), func(s string) bool { return p.revoked[s] })
	switch {
	case len(out) == 0:
	case p.plan.Stop != nil:
		p.plan.Stop = p.cornered(out, p.plan.Stop)
	case len(p.plan.Runnable(p.now)) == 0:
		p.warnOf(exposure(out), fmt.Sprintf("%s; '%s' revokes it nevertheless", p.stillUsed(out), p.revokeNow(out)))
	}
}

// exposure is that compromised keys stay in use.
func exposure(selectors []string) rotate.Thing {
	return rotate.Thing{Kind: rotate.TheExposure, Selector: selectors[0]}
}

// Exposed returns the errors of a run, and says with them which compromised keys are still in use.
func (j *Judge) Exposed(failed error) error {
	out := j.exposed()
	if failed == nil || len(out) == 0 || rotate.TellsOf(rotate.TheExposure, failed) {
		return failed
	}
	said := &fault.Error{Kind: fault.KindOf(failed), What: j.stillUsed(out), Hint: "revoke it nevertheless: '" +
		j.revokeNow(out) + "'"}
	return errors.Join(failed, said)
}

// Cornered says of a step that failed while signers wait for its key, to leave a
// compromised one, what a person can do.
func (j *Judge) Cornered(s rotate.Step, err error) error {
	from := j.have.Active
	if s.Duty != rotate.Turn || s.Selector != j.haven() || !j.have.Leaked(from) || j.lostForGood(from) ||
		j.refuge() != "" || fault.CodeOf(err) == codes.LeaseLost {
		return err
	}
	return j.cornered([]string{from}, err)
}

// cornered says why nothing is done about compromised keys that sign, and what a person can do.
func (j *Judge) cornered(selectors []string, why error) error {
	hint := fault.HintOf(why)
	if hint != "" {
		hint += "; or "
	}
	return rotate.Tell(exposure(selectors), &fault.Error{Kind: fault.KindOf(why), Code: fault.CodeOf(why), Err: why,
		What: j.stillUsed(selectors), Hint: hint + "revoke it nevertheless: '" + j.revokeNow(selectors) + "'"})
}

// stillUsed says that signers sign with compromised keys, and what that means.
func (j *Judge) stillUsed(selectors []string) string {
	keys := "key at " + j.name(selectors[0]).String()
	if len(selectors) > 1 {
		keys = "keys at " + j.name(selectors[0]).String() + " and " + j.name(selectors[1]).String()
	}
	return "leave and revoke the compromised " + keys + ": no signer could be switched away from it yet, " +
		"so all mail would fail; until then, mail that somebody else signs with it verifies"
}

// TellsExposed reports whether a plan's warning is one of those that Exposed tells as errors.
func TellsExposed(w rotate.Warning) bool { return w.About.Kind == rotate.TheExposure }

// CantRevoke says why a compromised key that a signer was to leave is not revoked.
func (j *Judge) CantRevoke(s string) error {
	return rotate.Tell(exposure([]string{s}), fault.Temporary(j.stillUsed([]string{s}), nil,
		"repair a signer, then it is done at the next try; or revoke it nevertheless: '"+j.revokeNow([]string{s})+"'"))
}

// revokeNow returns the command that revokes the selectors' keys while signers sign with them.
func (j *Judge) revokeNow(selectors []string) string {
	command := "dkimbot rotate --domain " + j.want.Name + " --compromised"
	if len(selectors) > 1 || selectors[0] != j.have.Suspect() || leftBehind(j.have) != nil {
		command += " --selector " + strings.Join(selectors, " --selector ")
	}
	return command + " --revoke-now"
}
