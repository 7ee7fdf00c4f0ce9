package host

import (
	"maps"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/agent"
)

// A signer that was found with another key than was reported is brought back at once, as on a host that came back
// from a backup. What it signed with meanwhile is remembered before that is done: the coordinator has to hear of it,
// and to ask again, also where this turn's report is lost (I10).

// note remembers what was found drifted, and forgets what the coordinator has asked anew for since.
func (t *turn) note(domains []string, found map[string]dkim.Ref) error {
	memo := t.memo
	memo.Drifted = maps.Clone(memo.Drifted)
	if memo.Drifted == nil {
		memo.Drifted = map[string]agent.DriftedTo{}
	}
	for _, d := range domains {
		before, w := t.before.Keys[d], t.wish.Keys[d]
		was := dkim.Ref{Name: dkim.Name{Domain: d, Selector: before.Selector}, KeyID: before.KeyID}
		if s, noted := memo.Drifted[d]; noted && t.asked(d) && s.Sequence < w.Sequence {
			delete(memo.Drifted, d)
		}
		if ref := found[d]; t.acts[d] && ref.Selector != "" && ref != was && ref != w.Ref(d) {
			memo.Drifted[d] = agent.DriftedTo{Selector: ref.Selector, KeyID: ref.KeyID, Until: t.Now().UTC(),
				Sequence: w.Sequence, By: t.memo.Instance}
		}
	}
	t.memo = memo
	return t.Memory.Save(memo)
}

// asked reports whether there is a wish for the domain that can be used.
func (t *turn) asked(domain string) bool {
	_, asked := t.wish.Keys[domain]
	return asked && !t.older && t.report.Trouble == ""
}

// drifted returns what a domain was found drifted with, until the coordinator has asked again. Another host's report
// may say so, too. One that this host has taken a newer wish up since is from a Vault that was restored.
func (t *turn) drifted(domain string) *agent.DriftedTo {
	if s, noted := t.memo.Drifted[domain]; noted {
		return &s
	}
	before := t.before.Keys[domain].Drifted
	if before != nil && before.Sequence >= max(t.wish.Keys[domain].Sequence, t.memo.Applied[domain]) {
		return before
	}
	return nil
}
