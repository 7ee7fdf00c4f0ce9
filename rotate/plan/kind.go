package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/algorithm"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// warnKind says from when on all keys are of the kind that the policy asks for, where they are not, or that
// they can't be.
func warnKind(p *planner) {
	want, active, standby := p.Want.Policy.Key, p.Have.Active, p.Want.Policy.Other(p.Have.Active)
	if active == "" {
		return
	}
	if made := algorithm.Next(&p.Check); algorithm.IsRSA(made) != algorithm.IsRSA(want) {
		p.warn(codes.AlgorithmKept, finding.Thing{}, "the policy asks for %s keys, and signer %s would turn mail away after the switch, because it signs "+
			"with one algorithm whatever the key is: keys of %s stay %s", want, strings.Join(algorithm.Unmixed(&p.Check), ", "),
			p.Want.Name, made)
		return
	}
	other := map[string]bool{}
	var has []string
	for _, s := range slices.Sorted(slices.Values(p.Want.Policy.Selectors[:])) {
		if kind := algorithm.At(p.Have.Selector(s)); kind != "" && kind != want {
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
	case other[standby] && (p.Have.Phase == rotate.Switching || p.Have.Selector(standby).Next != nil):
		when = "after the next two rotations"
	case p.Have.Phase == rotate.Switching:
		when = "after this rotation"
	case other[active]:
		when = "after the next rotation"
	}
	if want == dkim.Ed25519 {
		when += "; large receivers, Gmail among them, do not verify Ed25519 signatures"
	}
	p.warn(codes.AlgorithmLater, finding.Thing{}, "the policy asks for %s keys, and %s; all have one %s", want, strings.Join(has, " and "), when)
}
