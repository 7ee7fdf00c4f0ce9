package plan_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/follow"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// moving returns a scene of a domain that moves over from the selectors old and older, of which it signs with old.
func moving() *scene {
	s := plantest.Ready()
	names := map[string]string{"s1": "old", "s2": "older"}
	had := map[string]*rotate.Selector{}
	s.Seen.Left = map[string]rotate.RecordSeen{}
	for from, to := range names {
		had[to] = s.Have.Selectors[from]
		s.Seen.Left[to] = rotate.RecordSeen{Sight: s.Seen.Selectors[from].Sight}
		s.Seen.Selectors[from] = rotate.SelectorSeen{}
		s.Show(from)
	}
	s.Have.Selectors, s.Have.Active = had, "old"
	for name, c := range s.Have.Signers {
		c.Selector = "old"
		s.Have.Signers[name] = c
		s.Drift("old", plantest.Keys()[0].ID(), name)
	}
	s.Have = follow.Moved(s.Have, s.Want.Policy, s.Want.Signers)
	return s
}

// moves are stages of a domain that moves over to other selectors, or has done so.
func moves() []plantest.Variation {
	from := func(scenes func() *scene, changes ...func(*scene)) func(*scene) {
		return func(s *scene) {
			*s = *scenes()
			for _, change := range changes {
				change(s)
			}
		}
	}
	made := func(s *scene) {
		s.Have.Selectors = plantest.Bootstrapping().Have.Selectors
		for n, name := range []string{"s1", "s2"} {
			s.Stands(name, n+2)
			s.Have.Selectors[name].Key = plantest.KeyAt(n + 2)
		}
		s.Have.Enter(rotate.Bootstrapping)
		s.Have.Target = "s1"
	}
	leaked := func(s *scene) { s.Have.Earlier["old"].Key.Leaked = plantest.Now.Add(-time.Hour) }
	now := func(s *scene) { s.Have.Earlier["old"].Key.RevokeNow = true }
	rebuilt := func(s *scene) { s.Drift("", "", "mx2") }
	return []plantest.Variation{
		{Name: "moving", Change: from(moving)},
		{Name: "moving, mx2 rebuilt", Change: from(moving, rebuilt)},
		{Name: "moving, old one leaked", Change: from(moving, leaked)},
		{Name: "moving, old one leaked, now", Change: from(moving, leaked, now)},
		{Name: "moving, keys made", Change: from(moving, made)},
		{Name: "moving, keys made, mx2 rebuilt", Change: from(moving, made, rebuilt)},
		{Name: "moving, keys made, old one leaked", Change: from(moving, made, leaked)},
		{Name: "moving, mx1 has moved", Change: from(moving, made, func(s *scene) { s.Sign("s1", "mx1") })},
		{Name: "moved", Change: from(left)},
		{Name: "moved just now", Change: from(left, func(s *scene) { s.Have.Former[0].Until = s.Now.Add(day) })},
		{Name: "moved, switching", Change: from(left, func(s *scene) {
			earlier, seen, former := s.Have.Earlier, s.Seen.Left, s.Have.Former
			*s = *plantest.Switching()
			s.Have.Earlier, s.Seen.Left, s.Have.Former = earlier, seen, former
		})},
	}
}

// rarer are changes that plans are tried with only beside others.
func rarer() (out []plantest.Variation) {
	add := func(name string, change func(*scene)) {
		out = append(out, plantest.Variation{Name: name, Change: change})
	}
	signer := func(name, what string, change func(*rotate.SignerSeen)) {
		add(name+" "+what, func(s *scene) {
			seen := s.Seen.Signers[name]
			change(&seen)
			s.Seen.Signers[name] = seen
		})
	}
	old := func(what string, change func(*scene, *rotate.Selector, *rotate.RecordSeen)) {
		add("old: "+what, func(s *scene) {
			seen := s.Seen.Left["old"]
			change(s, s.Have.Earlier["old"], &seen)
			s.Seen.Left["old"] = seen
		})
	}
	failed := errors.New("no answer")
	for _, name := range []string{"mx1", "mx2"} {
		signer(name, "refuses", func(s *rotate.SignerSeen) { s.Refuses = failed })
		signer(name, "refuses s1 only", func(s *rotate.SignerSeen) { s.Refuses, s.RefusesOnly = failed, "s1" })
		signer(name, "has a host that is unheard", func(s *rotate.SignerSeen) { s.Unheard = failed })
		signer(name, "signs with s2 here", func(s *rotate.SignerSeen) { s.Here = plantest.RefTo("s2", 1) })
		signer(name, "signs by a line of others", func(s *rotate.SignerSeen) { s.Overruled = "their line" })
		signer(name, "keeps nothing", func(s *rotate.SignerSeen) { s.Unkept = "its table" })
		signer(name, "signs with old", func(s *rotate.SignerSeen) { s.Ref = plantest.RefTo("old", 2) })
		add(name+" fetches keys", func(s *scene) { s.Seen.Fetchers = map[string]bool{name: true} })
		add(name+"'s mail is looked at", func(s *scene) { s.Seen.Probed = map[string]bool{name: true} })
		add(name+" failed", func(s *scene) { s.Have.Failed.Signer = name })
		add(name+" lags", func(s *scene) { s.Seen.Lags = map[string]time.Duration{name: time.Hour} })
		add(name+" lingers", func(s *scene) { s.Seen.Lingers = map[string]bool{name: true} })
		add(name+" can't mix", func(s *scene) { s.Seen.Unmixed = map[string]bool{name: true} })
		add(name+" was undone", func(s *scene) {
			c := s.Have.Signers[name]
			c.Undone = 3
			s.Have.Signers[name] = c
		})
	}
	for n, name := range []string{"s1", "s2"} {
		gone := func(what string, seen rotate.SignerSeen) {
			add("mx9, no longer listed, "+what+" "+name, func(s *scene) {
				s.Seen.Dismissed = map[string]rotate.SignerSeen{"mx9": seen}
				s.Have.Signers["mx9"] = rotate.Confirmed{Selector: name, KeyID: plantest.Keys()[n].ID(),
					At: plantest.LongAgo, Left: true}
			})
		}
		gone("signs with", rotate.SignerSeen{Ref: plantest.RefTo(name, n)})
		gone("is silent about", rotate.SignerSeen{Err: failed})
		gone("has an unheard host at", rotate.SignerSeen{Unheard: failed})
		gone("has left", rotate.SignerSeen{})
		for _, kind := range []rotate.Kind{rotate.Publish, rotate.Activate, rotate.StoreKey, rotate.Destroy,
			rotate.Revoke} {
			add(fmt.Sprint("begun to ", kind, " ", name), func(s *scene) {
				s.Have.Intent = &rotate.Intent{Kind: kind, Selector: name, Signer: "mx1", KeyID: plantest.Keys()[n].ID(),
					At: s.Now.Add(-time.Minute)}
			})
		}
		servers := func(what string, shown func(own string) map[string][]string) {
			add(name+": "+what, func(s *scene) {
				seen := s.Seen.Selectors[name]
				own := s.Selector(name).Wanted().Record
				seen.Sight.Complete, seen.Sight.Lagging, seen.Sight.Shown = false, []string{"ns2"}, shown(own)
				seen.Sight.Values = slices.Sorted(maps.Keys(map[string]bool{own: true, plantest.ForeignRecord: true}))
				if len(seen.Sight.Shown["ns1"]) > 0 && len(seen.Sight.Shown["ns2"]) == 0 {
					seen.Sight.Values = seen.Sight.Shown["ns1"]
				}
				s.Seen.Selectors[name] = seen
			})
		}
		servers("its record on one of two servers", func(own string) map[string][]string {
			return map[string][]string{"ns1": {own}, "ns2": nil}
		})
		servers("its record on one, another's on the other", func(own string) map[string][]string {
			return map[string][]string{"ns1": {own}, "ns2": {plantest.ForeignRecord}}
		})
		servers("another's record on one of two servers", func(string) map[string][]string {
			return map[string][]string{"ns1": {plantest.ForeignRecord}, "ns2": nil}
		})
		add(name+": a compromised key of before", func(s *scene) {
			sel := s.Selector(name)
			sel.Retired = append(sel.Retired, rotate.Retired{KeyID: plantest.Keys()[3].ID(), Version: 1, Leaked: true})
			sel.Past = append(sel.Past, plantest.Keys()[3].ID())
		})
		add(name+": to be renewed", func(s *scene) { s.Selector(name).Renew = true })
	}
	add("a second account", func(s *scene) { s.Want.Also = []string{"new"} })
	add("RSA keys wanted", func(s *scene) { s.Want.Policy.Key = dkim.RSA2048 })
	shows := func(what string, values ...string) {
		old(what, func(_ *scene, _ *rotate.Selector, r *rotate.RecordSeen) { r.Sight.Values = values })
	}
	old("its record stands", func(_ *scene, sel *rotate.Selector, r *rotate.RecordSeen) {
		r.Sight.Values = []string{sel.Key.Record}
	})
	shows("its record is missing")
	shows("another's record", "v=spf1 -all")
	old("DNS silent", func(_ *scene, _ *rotate.Selector, r *rotate.RecordSeen) { r.Err = failed })
	old("a server lags", func(_ *scene, _ *rotate.Selector, r *rotate.RecordSeen) { r.Sight.Complete = false })
	old("its key is lost", func(_ *scene, _ *rotate.Selector, r *rotate.RecordSeen) { r.Lost = true })
	old("compromised", func(s *scene, sel *rotate.Selector, _ *rotate.RecordSeen) { sel.Key.Leaked = s.Now })
	old("to be revoked", func(s *scene, sel *rotate.Selector, _ *rotate.RecordSeen) {
		sel.Key.Leaked, sel.Key.RevokeNow = s.Now, true
	})
	old("no key", func(_ *scene, sel *rotate.Selector, _ *rotate.RecordSeen) { sel.Key = nil })
	old("no private key", func(_ *scene, sel *rotate.Selector, _ *rotate.RecordSeen) { sel.Retired = nil })
	old("never used", func(s *scene, _ *rotate.Selector, _ *rotate.RecordSeen) { s.Have.Former = nil })
	return out
}
