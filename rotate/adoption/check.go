package adoption

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/follow"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/plan"
)

// What is checked here must hold before a key is adopted.

// toAdopt returns those keys of an adoption that are not adopted yet, or refuses.
func (p *Adopter) toAdopt(a rotate.Adoption) (keys []dkim.SigningKey) {
	if err := p.adoptable(a); err != nil {
		p.stop(err)
		return nil
	}
	given := map[string]bool{}
	for _, k := range a.Keys {
		given[k.Selector] = true
		if p.Have.Selector(k.Selector).Key != nil {
			continue
		}
		if err := cmp.Or(p.shownInDNS(k), p.freeInKeystore(k, a.Stored[k.Selector])); err != nil {
			p.stop(err)
			return nil
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil
	}
	if err := p.signersKnown(a); err != nil {
		p.stop(err)
		return nil
	}
	if p.rescues() { // what stands at the other selector keeps none of them from going to this one
		given[p.Want.Policy.Other(p.signs(a))] = true
	}
	p.plan = plan.BeforeAdoption(p.Check, p.req, p.plan, given)
	return keys
}

// rescues reports whether mail of a signer fails, which comes to a good key by the adoption.
func (p *Adopter) rescues() bool {
	return slices.ContainsFunc(p.Want.Signers, func(name string) bool {
		return p.Seen.Signers[name].Ref.Selector != "" && health.Stranded(&p.Judge, name)
	})
}

// adoptable refuses keys for other selectors than the policy's, and domains that dkimbot signs
// for with keys of its own. While a domain is brought up, a key that is in use at one selector can be
// adopted although dkimbot has one at the other: nothing else leads on from there.
func (p *Adopter) adoptable(a rotate.Adoption) error {
	if p.Have.Released != nil {
		return fault.Refuse(codes.Released,
			fmt.Sprintf("adopt a key of %s: the domain was released, and dkimbot does nothing for it", p.Want.Name),
			"'dkimbot release --domain "+p.Want.Name+" --undo' takes it back under management")
	}
	both, known := p.Want.Policy.Selectors[:], map[string]bool{}
	open := 0
	for _, k := range a.Keys {
		switch own := p.Have.Selector(k.Selector).Key; {
		case k.Domain != p.Want.Name || !slices.Contains(both, k.Selector):
			return fault.Refuse(codes.SelectorNotInPolicy,
				fmt.Sprintf("adopt %s: the policy of %s names the selectors %s", k.Name, p.Want.Name, strings.Join(both, " and ")),
				fmt.Sprintf("name it there, as in selectors: [%s, %s]; "+
					"or run 'dkimbot rotate --domain %s', which moves the domain over to %s without a gap and leaves %s alone",
					k.Selector, both[1], p.Want.Name, both[0], k.Name))
		case known[k.Selector]:
			return fault.Refuse(codes.TwoKeys, fmt.Sprintf("adopt %s: two keys are given for it", k.Name),
				"give the one that DNS shows")
		case own != nil && own.ID != k.Key.ID():
			return p.managed(fmt.Sprintf("adopt %s: dkimbot's key there is %s, not %s", k.Name, dkim.ShortID(own.ID),
				dkim.ShortID(k.Key.ID())))
		case own == nil:
			open++
		}
		known[k.Selector] = true
	}
	if open == 0 {
		return nil
	}
	if p.Have.Phase != rotate.New && p.Have.Phase != rotate.Bootstrapping {
		return p.managed(fmt.Sprintf("adopt a key of %s: it is under management already, in phase %s",
			p.Want.Name, p.Have.Phase))
	}
	if p.Have.Phase != rotate.New {
		return p.SelectorsChanged()
	}
	return nil
}

func (p *Adopter) managed(what string) error {
	if p.overtaken() {
		return fault.Refuse(codes.StaleState, what+", and the keystore holds a newer key than its state knows",
			follow.NewerState+"; or "+follow.Believe(p.Want.Name))
	}
	return fault.Refuse(codes.ManagedAlready, what,
		"nothing has to be adopted there; 'dkimbot rotate --domain "+p.Want.Name+
			"' continues it, or replaces the key that signs")
}

// signersKnown refuses when it is not clear which of the keys the signers use.
func (p *Adopter) signersKnown(a rotate.Adoption) error {
	if len(p.Want.Signers) == 0 {
		return fault.Refuse(codes.NoSigners, "no signer is named for "+p.Want.Name,
			"name at least one signer in the domain's configuration")
	}
	var given, say []string
	for _, k := range a.Keys {
		given = append(given, k.Selector)
	}
	if a.Active != "" && !slices.Contains(given, a.Active) && p.Have.Selector(a.Active).Key == nil {
		return fault.Refuse(codes.ActiveNotAdopted,
			fmt.Sprintf("%s is named as the selector that signs for %s, and its key is not among those to adopt (%s)", a.Active,
				p.Want.Name, strings.Join(given, ", ")),
			"give its key too, or name one of these")
	}
	if p.signs(a) != "" {
		return nil
	}
	for _, name := range p.Want.Signers {
		switch s := p.Seen.Signers[name]; {
		case s.Err != nil:
			say = append(say, name+" did not answer")
		case s.Ref.Selector == "":
			say = append(say, name+" does not sign for it")
		default:
			say = append(say, fmt.Sprintf("%s signs with %s (key %s)", name, s.Ref.Selector,
				cmp.Or(dkim.ShortID(s.Ref.KeyID), "not named")))
		}
	}
	what, active := fmt.Sprintf("adopt %s of %s: ", strings.Join(given, " and "), p.Want.Name),
		fmt.Sprintf("--active %s; dkimbot gives its key to every signer then", given[0])
	if s := p.storedInUse(a); s != "" {
		return fault.Refuse(codes.ActiveUnclear, what+
			fmt.Sprintf("every signer signs with %s and key %s, which the keystore holds and DNS does not show, "+
				"so that mail fails", s, dkim.ShortID(a.Stored[s])),
			fmt.Sprintf("publish the record of that key at %s again, as it was, and adopt then; "+
				"or name another one that shall sign from now on: %s", p.Name(s), active))
	}
	return fault.Refuse(codes.ActiveUnclear, what+"the signers don't all use one of the keys to adopt: "+
		strings.Join(say, "; "), "name the one that shall sign from now on: "+active)
}

// shownInDNS refuses a key that DNS does not show, alone and on every server.
func (p *Adopter) shownInDNS(k dkim.SigningKey) error {
	seen := p.Seen.Selectors[k.Selector]
	sight, what := seen.Sight, "adopt "+k.Name.String()+": "
	switch {
	case seen.SightErr != nil:
		return seen.SightErr
	case sight.Unchecked:
		return fault.Refuse(codes.DNSUnchecked, what+"its verify.mode is none, so DNS can't be asked for the record",
			"set verify.mode to authoritative or resolvers, at least until the key is adopted")
	case len(sight.Values) == 0:
		return fault.Refuse(codes.NoRecord, what+"DNS shows no record there",
			"no receiver can use a key without a record: leave it, and run 'dkimbot rotate --domain "+p.Want.Name+"'")
	case !sight.Complete:
		hint := "try again when every server shows the same"
		if len(p.Want.Also) > 0 {
			hint += "; where an account holds nothing of it yet, list only the other one (provider), adopt, and list both again"
		}
		return fault.Refuse(codes.RecordUnsettled,
			what+"not every server shows the same: "+strings.Join(sight.Lagging, "; "), hint)
	case len(sight.Values) > 1:
		return fault.Refuse(codes.TwoRecords,
			fmt.Sprintf("%sDNS shows %d records there, where only one may stand: %s", what, len(sight.Values),
				dkim.Brief(sight.Values)), "remove all but the one of key "+dkim.ShortID(k.Key.ID()))
	}
	record, err := dkim.ParseRecord(sight.Values[0])
	switch {
	case err != nil:
		return &fault.Error{Kind: fault.Refused, Code: codes.BadRecord, What: what + "its record can't be used", Err: err,
			Hint: "correct the record first, or move the domain over to other selectors with 'dkimbot rotate'"}
	case record.Revoked():
		return fault.Refuse(codes.RevokedRecord, what+"its record says that the key is revoked (empty p=)",
			"don't use that key any more; name two other selectors in the policy and run 'dkimbot rotate --domain "+
				p.Want.Name+"'")
	case record.Key.ID() != k.Key.ID():
		return fault.Refuse(codes.OtherKey,
			fmt.Sprintf("%sDNS shows key %s, but the given key is %s", what, dkim.ShortID(record.Key.ID()),
				dkim.ShortID(k.Key.ID())), "give the key that the signers use now; its public half is what DNS shows")
	}
	return nil
}

// freeInKeystore refuses to store a key where another one is (I6), unless that is one
// of dkimbot's own which was never published.
func (p *Adopter) freeInKeystore(k dkim.SigningKey, unpublished string) error {
	seen := p.Seen.Selectors[k.Selector]
	if seen.KeyID == "" || seen.KeyID == k.Key.ID() || seen.KeyID == unpublished {
		return seen.KeyErr
	}
	return fault.Refuse(codes.ForeignSecret,
		fmt.Sprintf("adopt %s: the keystore holds another key there (version %d, %s)", k.Name, seen.Version,
			dkim.ShortID(seen.KeyID)),
		"if dkimbot's state was lost, adopt what the keystore holds, with --from-keystore; "+
			"else find out who wrote it and remove it")
}
