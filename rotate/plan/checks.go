package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// What is checked here is what dkimbot must not act against. Each obstacle is noted
// for what it concerns, so that it stops that and nothing else.

// checked notes the obstacles; where the state makes too little sense to plan at all, it
// says so, and that ends the plan.
func (p *planner) checked() verdict {
	if !p.sensible() {
		return ended
	}
	p.have.Heed(p.want, p.seen, nil, p.now)
	p.warn()
	return free
}

// sensible notes the obstacles, and reports whether the state makes enough sense to
// plan at all.
func (p *planner) sensible() bool {
	p.obstacles = map[string]error{}
	if p.have.Phase != rotate.New && !p.knowsSelectors() {
		if !p.underManagement() {
			p.stop(p.selectorsChanged())
			return false
		}
		p.note("", p.selectorsChanged())
		p.want.Policy.Selectors = selectorPair(p.have)
	}
	if len(p.want.Signers) == 0 {
		p.note("", fault.Refuse(codes.NoSigners, "no signer is named for "+p.want.Name,
			"name at least one signer in the domain's configuration"))
	}
	if !p.consistent() {
		p.stop(fault.Refuse(codes.DamagedState,
			fmt.Sprintf("the state of %s does not fit together: it is %s, active %q, target %q, draining %q, with keys at %s",
				p.want.Name, p.have.Phase, p.have.Active, p.have.Target, p.have.Draining,
				rotate.OrNone(strings.Join(p.keyed(), " and "))),
			"restore the state database from a backup"))
		return false
	}
	if !slices.Contains(rotate.Phases(), p.have.Phase) {
		p.stop(fault.Refuse(codes.UnknownPhase,
			fmt.Sprintf("state says that %s is %q, which this version does not know", p.want.Name, p.have.Phase),
			"run the version of dkimbot that wrote the state"))
		return false
	}
	for _, s := range p.want.Policy.Selectors {
		p.ownKeystore(s)
		p.ownDNS(s)
	}
	p.ownNames()
	return true
}

// ownNames refuses two selectors whose names lead to one record, by a wildcard or
// twin CNAMEs: publishing for one would overwrite the other (I2, I3).
func (p *planner) ownNames() {
	first, second := p.want.Policy.Selectors[0], p.want.Policy.Selectors[1]
	owner := p.seen.Selectors[first].Sight.Owner
	if owner != "" && owner == p.seen.Selectors[second].Sight.Owner {
		err := fault.Refuse(codes.SharedName,
			fmt.Sprintf("%s and %s both lead to %s, which can hold only one key record", p.name(first), p.name(second), owner),
			"give each selector a name or a CNAME target of its own")
		p.shared = true
		p.note(first, err)
		p.note(second, err)
	}
}

// selectorsChanged refuses a policy that names other selectors than those under
// management; nil when it names the same.
func (v *view) selectorsChanged() error {
	if v.knowsSelectors() {
		return nil
	}
	known := v.underRoles()
	return fault.Refuse(codes.SelectorsChanged,
		fmt.Sprintf("%s is under management with the selectors %s, but its policy names %s", v.want.Name,
			strings.Join(known, " and "), strings.Join(v.want.Policy.Selectors[:], " and ")),
		fmt.Sprintf("put the selectors back into the policy under which it is managed: selectors: [%s]; "+
			"the selectors of a domain can't be changed while it is managed", strings.Join(known, ", ")))
}

// underRoles returns the selectors under management: those with a role, and where that
// is not all, those that have a key.
func (v *view) underRoles() []string {
	names := map[string]bool{}
	for _, role := range []string{v.have.Active, v.have.Target, v.have.Draining} {
		if v.have.Selectors[role] != nil {
			names[role] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(v.have.Selectors)) {
		sel := v.have.Selectors[name]
		if len(names) < 2 && (sel.Key != nil || len(v.have.Selectors) == 2) {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// knowsSelectors reports whether the policy's selectors are those under management.
func (v *view) knowsSelectors() bool {
	both := v.want.Policy.Selectors[:]
	for _, role := range []string{v.have.Active, v.have.Target, v.have.Draining} {
		if v.have.Selectors[role] != nil && !slices.Contains(both, role) {
			return false
		}
	}
	return v.have.Selectors[both[0]] != nil && v.have.Selectors[both[1]] != nil
}

// underManagement reports whether the state says which two selectors it manages: of
// a domain that was moved to others it knows more.
func (v *view) underManagement() bool { return len(v.have.Selectors) == 2 }

// managing returns d with the selectors that are under management, which may be
// others than those that the configuration names by now: what stands in DNS under
// the old names has to be looked after until they are put back.
func Managing(d rotate.Domain, have rotate.State) rotate.Domain {
	p := NewJudge(time.Time{}, d, have, rotate.Observation{})
	if have.Phase != rotate.New && have.Phase != "" && have.Released == nil && !p.knowsSelectors() && p.underManagement() {
		d.Policy.Selectors = selectorPair(have)
	}
	return d
}

// consistent reports whether the state has what its phase relies on.
func (v *view) consistent() bool {
	have, both := v.have, v.want.Policy.Selectors[:]
	complete := len(v.keyed()) == 2 && slices.Contains(both, have.Active)
	for _, s := range both {
		if sel := have.Selector(s); sel.Next != nil && sel.Key == nil {
			return false // a fresh key takes the place of one
		}
	}
	switch have.Phase {
	case rotate.New:
		return len(v.keyed()) == 0 && have.Draining == ""
	case rotate.Bootstrapping:
		return slices.Contains(both, have.Target) && have.Draining == ""
	case rotate.Ready:
		return complete && have.Draining == ""
	case rotate.Switching:
		return complete && have.Target == v.want.Policy.Other(have.Active) && have.Draining == ""
	case rotate.Draining, rotate.Replacing:
		return complete && have.Draining == v.want.Policy.Other(have.Active)
	}
	return true
}

// keyed returns the selectors that have a key.
func (v *view) keyed() []string {
	var out []string
	for _, s := range v.want.Policy.Selectors {
		if v.have.Selector(s).Key != nil {
			out = append(out, s)
		}
	}
	return out
}

// ownDNS notes when DNS shows something that is not ours (I6), or can't be asked.
func (p *planner) ownDNS(s string) {
	seen := p.seen.Selectors[s]
	switch p.Standing(s) {
	case unseen:
		if p.hurried() {
			p.warnOf(recordAt(s), seen.SightErr.Error())
			return
		}
		p.note(s, seen.SightErr)
	case Foreign:
		if p.adopting(s) {
			return
		}
		if p.leaving(s) {
			p.warnOf(recordAt(s), p.ForeignRecord(s, seen.Sight).Error())
			return
		}
		p.note(s, p.ForeignRecord(s, seen.Sight))
	}
}

// handsOff reports whether something that is not ours stands at the selector's name,
// so that nothing may be written there, nor signed with what should stand there (I6).
func (v *view) handsOff(s string) bool {
	return v.Standing(s) == Foreign && !v.adopting(s) || v.shared || v.taken(s) != nil
}

// taken returns the refusal to use the selector's name, which leads to the record of another
// domain; nil when it does not.
func (v *view) taken(s string) error {
	if err := v.seen.Selectors[s].SightErr; fault.CodeOf(err) == codes.SharedName {
		return err
	}
	return nil
}

func (j *Judge) ForeignRecord(s string, sight rotate.Sight) error {
	if j.stale(s) {
		return rotate.Tell(recordAt(s), j.staleState(s))
	}
	what := fmt.Sprintf("%s holds a record that dkimbot did not make (%s)", j.name(s), rotate.Brief(sight.Values))
	switch {
	case !sight.Complete && len(sight.Lagging) > 0:
		what = fmt.Sprintf("%s holds a record that dkimbot did not make, and not the same on every server: %s", j.name(s),
			strings.Join(sight.Lagging, "; "))
	case len(sight.Values) > 1:
		what = fmt.Sprintf("%s holds %d records, of which dkimbot made at most one (%s)", j.name(s), len(sight.Values),
			rotate.Brief(sight.Values))
	}
	return rotate.Tell(recordAt(s), fault.Refuse(codes.ForeignRecord, what,
		j.foreignHint(s, len(sight.Values) == 1 && rotate.RevokedValue(sight.Values[0]))))
}

// foreignHint says what a person can do about a record that dkimbot did not make; revoked:
// one whose key was revoked, and nothing else.
func (j *Judge) foreignHint(s string, revoked bool) string {
	key := j.have.Selector(s).Key
	switch fresh := j.have.Phase == rotate.Bootstrapping && (key == nil || key.PublishedAt.IsZero()); {
	case revoked && (fresh || j.have.Phase == rotate.New):
		return "no mail verifies with it, since it says that its key was revoked: " +
			"remove it, and dkimbot publishes its own; dkimbot never changes a record that is not its own"
	case fresh && key == nil:
		return fmt.Sprintf("if it is in use, adopt its key: 'dkimbot adopt --domain %s --selector %s --key-file FILE'; "+
			"if nothing signs with it, remove it, "+
			"and dkimbot publishes its own; dkimbot never changes a record that is not its own", j.want.Name, s)
	case fresh:
		return "find out whose it is; if nothing signs with it, remove it, and dkimbot publishes its own; " +
			"dkimbot never changes a record that is not its own"
	case j.have.Phase == rotate.New:
		return fmt.Sprintf("if it is in use, adopt its key: 'dkimbot adopt --domain %s --selector %s --key-file FILE'; "+
			"if nothing signs with it, remove it; "+
			"or name two other selectors in the domain's policy. dkimbot never changes a record that is not its own",
			j.want.Name, s)
	case revoked:
		return "find out why the key was revoked; if somebody else may have it, say so: 'dkimbot rotate --domain " +
			j.want.Name + " --compromised --selector " + s +
			"'. A state database that was restored from an older copy does not know of a revocation"
	}
	return fmt.Sprintf("find out who changed the record, and remove it: %s never changes a record that is not its own",
		j.onceAlone(s))
}

// onceAlone says what follows when a record that is not dkimbot's is removed from a selector.
func (j *Judge) onceAlone(s string) string {
	switch key := j.have.Selector(s).Key; {
	case !j.have.Leaked(s) || !j.givenUp(s) && j.have.Selector(s).Next == nil:
		return "dkimbot then publishes its own again; it"
	case key.RevokedAt.IsZero():
		return "its own key there is compromised, and is to be revoked when the other record is removed; dkimbot"
	default:
		return "its own key there is compromised and revoked, and a fresh one can take its place then; dkimbot"
	}
}

// ownKeystore notes keys that state does not know: then state was lost (I12), or
// someone else writes there (I6).
func (p *planner) ownKeystore(s string) {
	switch {
	case p.keeping(s) != keyDifferent:
	case p.have.Phase == rotate.New && p.seen.Selectors[s].KeyErr == nil:
		p.note(s, p.lostState())
	default:
		p.note(s, p.foreignKey(s))
	}
}

// lostState refuses to act for a domain of which the keystore holds a key and the state knows
// nothing (I12); nil where that is not so.
func (v *view) lostState() error {
	for _, s := range v.want.Policy.Selectors {
		if v.have.Phase == rotate.New && v.seen.Selectors[s].KeyErr == nil && v.keeping(s) == keyDifferent {
			return fault.Refuse(codes.LostState,
				fmt.Sprintf("the keystore holds a key for %s, but the state knows nothing of %s: "+
					"the state was lost, or another dkimbot manages the domain", v.name(s), v.want.Name),
				"restore the state database from a backup; or adopt what the keystore holds: 'dkimbot adopt --domain "+v.want.Name+
					" --from-keystore'; or name two new selectors in the domain's policy to start afresh beside the old ones, "+
					"and remove the old records by hand eight days after the switch")
		}
	}
	return nil
}

// resumable reports whether the newest key in the keystore is one whose storing
// was begun by us and never confirmed: a crash or a lost answer (I7).
func (v *view) resumable(s string) bool {
	seen, sel := v.seen.Selectors[s], v.have.Selector(s)
	return seen.KeyID != "" && slices.Contains(sel.Tried, seen.KeyID)
}

// warn tells what is no obstacle, is not repaired by the plan, and is worth a look.
func (p *planner) warn() {
	p.warnFormer()
	p.warnChain()
	for _, s := range p.want.Policy.Selectors {
		p.warnTesting(s)
	}
	for _, f := range p.plan.Drift {
		if f.Vague() || f.Code == codes.KeyMissing || f.Code == codes.SignerLeftOver {
			p.warnOf(f.Thing(), f.Message)
		}
	}
}

// warnChain tells once that validating resolvers may reject records for what stands above their zone.
func (p *planner) warnChain() {
	for _, s := range p.want.Policy.Selectors {
		if sight := p.seen.Selectors[s].Sight; sight.Chain != "" {
			p.warning("%s is signed, but the chain above it could not be checked: %s", sight.Zone, sight.Chain)
			return
		}
	}
}

// inUse reports whether what a signer confirmed is a key that still stands.
func (v *view) inUse(c rotate.Confirmed) bool {
	key := v.have.Selector(c.Selector).Key
	return key != nil && key.ID == c.KeyID
}

// selectorPair returns the two selectors of the state, in the order of their names.
func selectorPair(st rotate.State) (pair [2]string) {
	copy(pair[:], slices.Sorted(maps.Keys(st.Selectors)))
	return pair
}
