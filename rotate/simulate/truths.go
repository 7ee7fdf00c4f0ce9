package simulate

import (
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/wayout"
)

// What the history says is held against the world here: nothing is said that is not so.

// checkHistory checks events that were written by a process.
func (p *process) checkHistory(d *domain, events []rotate.Event) {
	if !p.plays(truths) || p.halted || p.turn == nil || p.store.emptied(p.turn.began) || !p.sensible(d) {
		return
	}
	for _, e := range events {
		if e.Outcome != codes.OutcomeDone {
			continue
		}
		name := nameOf(d.name, e.Selector)
		switch e.Kind {
		case rotate.Publish, rotate.Verify, rotate.Revoke:
			p.checkSaidRecord(e, name)
		case rotate.Activate:
			p.checkSaidSigner(e, dkim.Ref{Name: name, KeyID: e.KeyID})
		case rotate.StoreKey, rotate.Destroy:
			p.checkSaidKey(e, name)
		}
	}
}

// checkDrift checks what a run that has come to its end says of differences.
func (p *process) checkDrift(d *domain, res engine.Result) {
	if !p.plays(truths) || p.halted || res.Err != nil || !p.sensible(d) {
		return
	}
	for _, f := range res.State.Drift {
		p.checkSaidDrift(d, f)
	}
}

func (p *process) lie(e rotate.Event, format string, args ...any) {
	p.violate(truthRule, e.Domain, "%s: the history says %q, %s %s %q; "+format,
		append([]any{p.name, e.Kind, e.Selector, e.Signer, e.Message}, args...)...)
}

// checkSaidRecord: what is said to be published, seen or revoked is.
func (p *process) checkSaidRecord(e rotate.Event, name dkim.Name) {
	n := p.names[name]
	last := n.last()
	if !n.touched.Before(p.turn.began) {
		return // other people changed it meanwhile
	}
	isKey := func(values []string) bool { return len(values) == 1 && p.keys.of(values[0]) == e.KeyID }
	switch {
	case e.Kind == rotate.Revoke:
		if p.keys.other(last.values, "") {
			p.lie(e, "the provider has %s", p.labels(last.values))
		}
	case e.Kind == rotate.Verify: // it may have gone at the provider, and show still
		if strings.HasPrefix(e.Message, wayout.OnlySome) {
			p.checkSomeShows(e, n, isKey)
			return
		}
		all, at := strings.Contains(e.Message, "every authoritative server"), p.turn.looked[name]
		for i := range p.servers {
			if shown := n.shown(i, at).values; !isKey(shown) && (all || p.answers(i, at)) {
				p.lie(e, "%s shows %s", p.servers[i].name, p.labels(shown))
			}
		}
	case !isKey(last.values) && !last.at.After(p.turn.looked[name]):
		p.lie(e, "the provider has %s", p.labels(last.values))
	}
}

// checkSomeShows: a record of which it is said that not every server shows it stands at one.
func (p *process) checkSomeShows(e rotate.Event, n *zoneName, isKey func([]string) bool) {
	for i := range p.servers {
		if isKey(n.shown(i, p.turn.looked[n.name]).values) {
			return
		}
	}
	p.lie(e, "no server shows it")
}

// checkSaidSigner: a signer that is said to be switched says so itself.
func (p *process) checkSaidSigner(e rotate.Event, ref dkim.Ref) {
	h := p.hosts[e.Signer]
	if h == nil || !h.restored.Before(p.turn.asOf(h, p.turn.began)) {
		return
	}
	now := h.loaded[e.Domain]
	if c, coming := h.coming[e.Domain]; coming {
		now = c.ref
	}
	if now != ref {
		p.lie(e, "%s signs with %q, %s", e.Signer, now.Selector, p.keys.label(now.KeyID))
	}
}

// checkSaidKey: a private key that is said to be stored, or destroyed, is: in the keystore
// that is the domain's, whatever the configuration names just now.
func (p *process) checkSaidKey(e rotate.Event, name dkim.Name) {
	kept, _ := p.vault.holds(name, e.KeyID)
	switch {
	case e.Kind == rotate.StoreKey && !kept && p.vault.swapped.Before(p.turn.began):
		p.lie(e, "the keystore does not hold %s", p.keys.label(e.KeyID))
	case e.Kind == rotate.Destroy && e.Code == codes.GoneAlready:
	case e.Kind == rotate.Destroy && (kept || p.vault.rightHolds(name, e.KeyID)):
		p.lie(e, "the keystore holds %s", p.keys.label(e.KeyID))
	}
}

// checkSaidDrift: a difference that is told was seen.
func (p *process) checkSaidDrift(d *domain, f finding.Finding) {
	sight, looked := p.turn.sight(nameOf(d.name, f.Selector))
	if f.Selector == "" || !looked || sight.Unchecked {
		return
	}
	n := p.names[nameOf(d.name, f.Selector)]
	lie := func(format string, args ...any) {
		p.violate(truthRule, d.name, "%s: told is %q; "+format, append([]any{p.name, f.Message}, args...)...)
	}
	switch f.Code {
	case codes.RecordVanished:
		if len(sight.Values) > 0 {
			lie("DNS shows %s", p.labels(sight.Values))
		}
	case codes.RecordForeign, codes.RecordSecond:
		if ours := func(v string) bool { return n.made[v] }; len(sight.Values) > 0 &&
			!slices.ContainsFunc(sight.Values, func(v string) bool { return !ours(v) }) {
			lie("dkimbot made what DNS shows: %s", p.labels(sight.Values))
		}
	}
}
