package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// What is worked out here is of which kind keys are, and are to be, when the policy names another one than
// they have.

// kind returns the kind of a key that is made now: as the policy says, unless a signer could not use it after
// the one that signs now.
func kind(d *draft) dkim.Algorithm {
	if len(unmixed(d)) == 0 {
		return d.Want.Policy.Key
	}
	now := kindAt(d.Have.Selector(d.Have.Active))
	if now == "" || isRSA(now) == isRSA(d.Want.Policy.Key) {
		return d.Want.Policy.Key
	}
	if isRSA(now) {
		return dkim.RSA2048
	}
	return dkim.Ed25519
}

// unfit reports whether a signer could not use the selector's key after the one that signs now: it would turn mail
// away (I1).
func unfit(d *draft, s string) bool {
	if len(unmixed(d)) == 0 {
		return false
	}
	now, next := kindAt(d.Have.Selector(d.Have.Active)), kindAt(d.Have.Selector(s))
	return now != "" && next != "" && isRSA(now) != isRSA(next)
}

// unmixed returns the signers of the domain that sign with one algorithm, whatever the key is.
func unmixed(d *draft) (names []string) {
	for _, name := range d.Want.Signers {
		if d.Seen.Unmixed[name] {
			names = append(names, name)
		}
	}
	return names
}

// warnKind says from when on all keys are of the kind that the policy asks for, where they are not, or that
// they can't be.
func warnKind(p *planner) {
	want, active, standby := p.Want.Policy.Key, p.Have.Active, p.Want.Policy.Other(p.Have.Active)
	if active == "" {
		return
	}
	if made := kind(&p.draft); isRSA(made) != isRSA(want) {
		p.warn(codes.AlgorithmKept, rotate.Thing{}, "the policy asks for %s keys, and signer %s would turn mail away after the switch, because it signs "+
			"with one algorithm whatever the key is: keys of %s stay %s", want, strings.Join(unmixed(&p.draft), ", "),
			p.Want.Name, made)
		return
	}
	other := map[string]bool{}
	var has []string
	for _, s := range slices.Sorted(slices.Values(p.Want.Policy.Selectors[:])) {
		if kind := kindAt(p.Have.Selector(s)); kind != "" && kind != want {
			other[s] = true
			has = append(has, fmt.Sprintf("%s has %s", s, kind))
		}
	}
	if len(other) == 0 {
		return
	}
	when := "when the drain of " + standby + " is over"
	switch {
	case p.Have.Phase == rotate.Ready && other[standby] && p.Have.Selector(standby).Renew:
		when = "after the next rotation"
	case p.Have.Phase == rotate.Ready && other[standby]:
		when = fmt.Sprintf("after two rotations; 'dkimbot rotate --domain %s --replace-standby' gives %s one now, "+
			"so that the next rotation leads to it", p.Want.Name, standby)
	case p.Have.Phase == rotate.Switching && other[standby]:
		when = "after the next two rotations"
	case p.Have.Phase == rotate.Switching:
		when = "after this rotation"
	case other[active]:
		when = "after the next rotation"
	}
	if want == dkim.Ed25519 {
		when += "; large receivers, Gmail among them, do not verify Ed25519 signatures"
	}
	p.warn(codes.AlgorithmLater, rotate.Thing{}, "the policy asks for %s keys, and %s; all have one %s", want, strings.Join(has, " and "), when)
}

// kindAt returns the kind of the key that a selector has, or is about to have; "" for none.
func kindAt(sel rotate.Selector) dkim.Algorithm {
	key := sel.Wanted()
	if key == nil {
		return ""
	}
	return dkim.RecordAlgorithm(key.Record)
}

func isRSA(kind dkim.Algorithm) bool { return kind != dkim.Ed25519 }
