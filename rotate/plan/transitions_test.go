package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/adoption"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/order"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// transition moves a state on, and returns what it says.
type transition struct {
	name string
	do   func(*rotate.State, *scene) string
}

// transitions are all of them, with what they may be given.
func transitions() []transition {
	out := append(intents(), instructions()...)
	out = append(out, ofDomain()...)
	for _, name := range []string{"s1", "s2"} {
		for _, tr := range ofSelector(name) {
			out = append(out, transition{name + ": " + tr.name, tr.do})
		}
	}
	return out
}

// intents are what may be begun.
func intents() (out []transition) {
	for _, kind := range []rotate.Kind{rotate.StoreKey, rotate.Publish, rotate.Activate, rotate.Destroy, rotate.Revoke} {
		for i, selector := range []string{"s1", "s2"} {
			out = append(out, transition{fmt.Sprintf("begin to %s %s", kind, selector), func(st *rotate.State, s *scene) string {
				(*rotate.State).Begin(st, rotate.Intent{Kind: kind, Selector: selector, KeyID: plantest.Keys()[i].ID(),
					At: s.Now}, s.Want.Policy)
				return ""
			}})
		}
	}
	return out
}

// instructions are what a person may want.
func instructions() (out []transition) {
	for name, i := range map[string]rotate.Instruction{
		"roll back": rotate.Rollback{}, "roll mx2 back": rotate.Rollback{Signers: []string{"mx2"}},
		"roll mx9 back": rotate.Rollback{Signers: []string{"mx9"}},
		"compromised":   rotate.Compromised{}, "compromised, now": rotate.Compromised{RevokeNow: true},
		"s1 compromised":        rotate.Compromised{Selectors: []string{"s1"}},
		"s2 compromised":        rotate.Compromised{Selectors: []string{"s2"}},
		"both compromised":      rotate.Compromised{Selectors: []string{"s1", "s2"}},
		"both compromised, now": rotate.Compromised{Selectors: []string{"s1", "s2"}, RevokeNow: true},
		"s9 compromised":        rotate.Compromised{Selectors: []string{"s9"}},
		"release":               rotate.Release{}, "release and purge": rotate.Release{Purge: true},
		"take back": rotate.Reclaim{},
	} {
		out = append(out, transition{name, func(st *rotate.State, s *scene) string {
			req := s.Want.Request
			req.Instruction = i
			after, events, err := order.Apply(s.Now, s.Want.Domain, req, *st, s.Seen)
			*st = after
			said := ""
			for _, e := range events {
				said += fmt.Sprintf("%s %s %s. ", e.Kind, e.Selector, e.KeyID)
			}
			if err != nil {
				said += "REFUSED " + string(fault.CodeOf(err))
			}
			return said
		}})
	}
	slices.SortFunc(out, func(a, b transition) int { return strings.Compare(a.name, b.name) })
	return out
}

// ofSelector are the transitions that concern one selector.
func ofSelector(name string) []transition {
	fresh := plantest.Keys()[2]
	n := map[string]int{"s1": 0, "s2": 1}[name]
	own := plantest.Keys()[n].ID()
	silently := func(f func(*rotate.State, *scene)) func(*rotate.State, *scene) string {
		return func(st *rotate.State, s *scene) string { f(st, s); return "" }
	}
	return []transition{
		{"stored", silently(func(st *rotate.State, s *scene) {
			(*rotate.State).Stored(st, name,
				rotate.Key{ID: fresh.ID(), Version: 7, Record: plantest.Record(fresh), StoredAt: s.Now})
		})},
		{"restored", silently(func(st *rotate.State, _ *scene) { st.Selectors[name].Restored(own, 12) })},
		{"the fresh key restored", silently(func(st *rotate.State,
			_ *scene) {
			st.Selectors[name].Restored(fresh.ID(), 12)
		})},
		{"publishing", silently(func(st *rotate.State, _ *scene) { st.Selectors[name].Publishing(2*time.Hour, time.Hour) })},
		{"published", silently(func(st *rotate.State, s *scene) { (*rotate.State).Published(st, name, s.Now) })},
		{"verified", silently(func(st *rotate.State, s *scene) { (*rotate.State).Verified(st, name, s.Now) })},
		{"mx1 activated", silently(func(st *rotate.State, s *scene) {
			(*rotate.State).Activated(st, "mx1", plantest.RefTo(name, n), s.Now, s.Want.Signers)
		})},
		{"mx2 activated", silently(func(st *rotate.State, s *scene) {
			(*rotate.State).Activated(st, "mx2", plantest.RefTo(name, n), s.Now.Add(time.Minute), s.Want.Signers)
		})},
		{"mx2 activated earlier", silently(func(st *rotate.State, s *scene) {
			(*rotate.State).Activated(st, "mx2", plantest.RefTo(name, n), plantest.LongAgo, s.Want.Signers)
		})},
		{"mx2 activated with another key", silently(func(st *rotate.State, s *scene) {
			(*rotate.State).Activated(st, "mx2", plantest.RefTo(name, 3), s.Now, s.Want.Signers)
		})},
		{"destroyed", silently(func(st *rotate.State, _ *scene) { (*rotate.State).Destroyed(st, name, own) })},
		{"another destroyed", silently(func(st *rotate.State,
			_ *scene) {
			(*rotate.State).Destroyed(st, name, plantest.Keys()[3].ID())
		})},
		{"revoking", silently(func(st *rotate.State, _ *scene) { st.Selectors[name].Revoking(2 * time.Hour) })},
		{"revoked", silently(func(st *rotate.State, s *scene) { (*rotate.State).Revoked(st, name, s.Now) })},
		{"adopting", silently(func(st *rotate.State, s *scene) {
			adoption.Began(st, rotate.Intent{Kind: rotate.Adopt, Selector: name, KeyID: own, At: s.Now},
				s.Want.Policy, "s1")
		})},
		{"adopted", silently(func(st *rotate.State, s *scene) {
			adoption.Done(st, name,
				rotate.Key{ID: fresh.ID(), Version: 7, Record: plantest.Record(fresh), StoredAt: s.Now},
				plantest.Record(fresh), 2*time.Hour)
		})},
		{"adopted, otherwise spelt", silently(func(st *rotate.State, s *scene) {
			adoption.Done(st, name,
				rotate.Key{ID: fresh.ID(), Version: 7, Record: plantest.Record(fresh), StoredAt: s.Now},
				"v=DKIM1; n=older; k=ed25519; p=", time.Minute)
		})},
		{"after a wildcard's key", silently(func(st *rotate.State, s *scene) {
			st.Disturbed(name, rotate.SelectorSeen{Sight: rotate.Sight{Wildcard: []string{plantest.Record(fresh)}}}, s.Now)
		})},
		{"after a wildcard's SPF", silently(func(st *rotate.State, s *scene) {
			st.Disturbed(name, rotate.SelectorSeen{Sight: rotate.Sight{Wildcard: []string{"v=spf1 -all"}}}, s.Now)
		})},
		{"what may be destroyed", func(st *rotate.State, _ *scene) string {
			return fmt.Sprint(rotate.State.Doomed(*st, name), rotate.State.Spares(*st, name, own),
				rotate.State.Spares(*st, name, plantest.Keys()[3].ID()))
		}},
	}
}

// ofDomain are the others.
func ofDomain() []transition {
	lags := map[string]time.Duration{"mx1": time.Minute, "mx2": time.Hour}
	now := func(s *scene) rotate.Instant { return rotate.Instant{At: s.Now, Boot: "b", Up: time.Hour} }
	out := []transition{
		{"as of now", func(st *rotate.State, s *scene) string { *st = rotate.State.AsOf(*st, s.Now); return "" }},
		{"the clock set forward", func(st *rotate.State, s *scene) string {
			st.Clock = &rotate.Instant{At: plantest.Now.Add(-day), Boot: "b"}
			after, ahead := rotate.State.Adjusted(*st, now(s))
			*st = after
			return ahead.String()
		}},
		{"the clock set forward a little", func(st *rotate.State, s *scene) string {
			st.Clock = &rotate.Instant{At: plantest.Now.Add(-time.Hour - 10*time.Minute), Boot: "b"}
			after, ahead := rotate.State.Adjusted(*st, now(s))
			*st = after
			return ahead.String()
		}},
		{"the clock set, booted again", func(st *rotate.State, s *scene) string {
			st.Clock = &rotate.Instant{At: plantest.Now.Add(-day), Boot: "a"}
			after, ahead := rotate.State.Adjusted(*st, now(s))
			*st = after
			return ahead.String()
		}},
		{"begun again", func(st *rotate.State, _ *scene) string { *st = rotate.State.Restarted(*st); return "" }},
		{"a key reported", func(st *rotate.State, s *scene) string {
			(*rotate.State).TakeFlight(st, s.Want.Policy, s.Want.Policy.Selectors[:], s.Now)
			return rotate.State.Suspect(*st)
		}},
		{"mx1 leaves s9", func(st *rotate.State, _ *scene) string {
			(*rotate.State).Leaving(st, "mx1", rotate.SignerSeen{Ref: plantest.RefTo("s9", 3)})
			return ""
		}},
		{"mx2 leaves s9", func(st *rotate.State, _ *scene) string {
			(*rotate.State).Leaving(st, "mx2", rotate.SignerSeen{Ref: plantest.RefTo("s9", 3)})
			return ""
		}},
		{"mx1 leaves ours", func(st *rotate.State, _ *scene) string {
			(*rotate.State).Leaving(st, "mx1", rotate.SignerSeen{Ref: plantest.RefTo("s1", 0)})
			return ""
		}},
		{"mx1 leaves something", func(st *rotate.State, _ *scene) string {
			(*rotate.State).Leaving(st, "mx1", rotate.SignerSeen{Err: fmt.Errorf("silent")})
			return ""
		}},
		{"mx2 has left", func(st *rotate.State, s *scene) string { st.Former.Left("mx2", s.Now, 7*day, nil); return "" }},
		{"all have left", func(st *rotate.State, _ *scene) string {
			(*rotate.State).AllLeft(st, rotate.Bootstrapping, 7*day)
			return ""
		}},
		{"all have left, of old", func(st *rotate.State, _ *scene) string {
			(*rotate.State).AllLeft(st, rotate.Switching, 7*day)
			return ""
		}},
		{"purged", func(st *rotate.State, s *scene) string { (*rotate.State).Purged(st, s.Now); return "" }},
		{"found", func(st *rotate.State, s *scene) string {
			noticed, over := (*rotate.State).Found(st, []finding.Finding{
				{Code: codes.RecordVanished, Selector: "s1"}, {Code: codes.SignerSilent, Signer: "mx2", Message: "now"},
				{Code: codes.KeyMissing, Selector: "s2"}}, s.Now)
			return fmt.Sprint(len(noticed), len(over))
		}},
		{"found nothing", func(st *rotate.State, s *scene) string {
			noticed, over := (*rotate.State).Found(st, nil, s.Now)
			return fmt.Sprint(len(noticed), len(over))
		}},
		{"found silence", func(st *rotate.State, s *scene) string {
			noticed, over := (*rotate.State).Found(st,
				[]finding.Finding{{Code: codes.RecordUnseen, Selector: "s1"}, {Code: codes.ServersDiffer, Selector: "s2"}}, s.Now)
			return fmt.Sprint(len(noticed), len(over))
		}},
		{"leftovers", func(st *rotate.State, _ *scene) string {
			said := ""
			for _, name := range []string{"s8", "s9"} {
				if until, ok := st.Leftovers()[name]; ok {
					said += fmt.Sprint(name, " ", until.Sub(plantest.Now), " ", until.IsZero(), " ")
				}
			}
			return said
		}},
	}
	for _, v := range append(plantest.SignerChanges(), plantest.DNSChanges("s1")...) {
		out = append(out, transition{"seen: " + v.Name, func(st *rotate.State, s *scene) string {
			s.Have = *st
			v.Change(s) // what is known changes too, before it is looked at
			*st = s.Have
			if (*rotate.State).Heed(st, s.Want.Domain, s.Seen, lags, s.Now) {
				return "complete"
			}
			return ""
		}})
	}
	return out
}
