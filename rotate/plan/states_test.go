package plan_test

import (
	"fmt"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// state is a scene that tries transitions.
type state plantest.Variation

// states are stages of which little can be planned, and much can be told apart.
func states() []state {
	from := func(scenes func() *scene, change func(*scene)) func(*scene) {
		return func(s *scene) { *s = *scenes(); change(s) }
	}
	former := func(s *scene) {
		s.Have.Former = []rotate.Former{{Selector: "s9", Signer: "mx1", Until: plantest.Now.Add(-day)},
			{Selector: "s9", Signer: "mx2"}, {Selector: "s8", Signer: "mx2", Until: plantest.Now}}
	}
	full := func(s *scene) {
		sel := s.Have.Selectors["s1"]
		for i := range 24 {
			sel.Past = append(sel.Past, fmt.Sprint("past ", i))
		}
		sel.Retired = []rotate.Retired{{KeyID: plantest.Keys()[0].ID(), Version: 1},
			{KeyID: plantest.Keys()[3].ID(), Version: 9, Dropped: true}}
		sel.TTL, sel.Tried = 9*time.Hour, []string{plantest.Keys()[3].ID()}
		sel.Key.CacheWait = 9 * time.Hour
		s.Have.Intent, s.Have.Next = &rotate.Intent{Kind: rotate.Publish, Selector: "s1"}, &rotate.Next{Action: "rotate"}
		s.Have.Clock = &rotate.Instant{At: plantest.Now.Add(-day), Boot: "b"}
		for i, at := range []*time.Time{&sel.Key.StoredAt, &sel.Key.PublishedAt, &sel.Key.VerifiedAt, &sel.Key.Leaked,
			&sel.Key.RevokedAt, &sel.Key.ShadowedAt, &sel.LastUsedAt} {
			*at = plantest.Now.Add(time.Duration(i+1) * time.Hour)
		}
	}
	return []state{
		{"bootstrapping, both sign", from(plantest.Bootstrapping, func(s *scene) { s.Sign("s1", "mx1", "mx2"); former(s) })},
		{"bootstrapping, one selector's key",
			from(plantest.Bootstrapping, func(s *scene) { s.Sign("s1", "mx1", "mx2"); s.Have.Selectors["s2"].Key = nil })},
		{"bootstrapping, both leaked",
			from(plantest.Bootstrapping, func(s *scene) { plantest.Leak("s1")(s); plantest.Leak("s2")(s) })},
		{"bootstrapping, once released",
			from(plantest.Bootstrapping, func(s *scene) { s.Past("s2", "older"); s.Have.Selectors["s2"].Key = nil })},
		{"ready, with former ones", from(plantest.Ready, former)},
		{"ready, of a fuller past", from(plantest.Ready, full)},
		{"switching, of a fuller past", from(plantest.Switching, full)},
		{"switching, target leaked", from(plantest.Switching, plantest.Leak("s2"))},
		{"switching, both leaked, now",
			from(plantest.Switching, func(s *scene) { plantest.Leak("s1")(s); plantest.Leak("s2")(s); plantest.RevokeNow("s1")(s) })},
		{"switching, all there", from(plantest.Switching,
			func(s *scene) {
				s.Sign("s2", "mx1", "mx2")
				s.ConfirmedAt("mx2", plantest.Now.Add(-time.Hour))
			})},
		{"switching, all back", from(plantest.Switching, func(s *scene) {
			s.Sign("s1", "mx1", "mx2")
			s.Have.Held = []string{"mx1", "mx2"}
			plantest.Leak("s2")(s)
		})},
		{"draining, of a fuller past", from(plantest.Draining, full)},
		{"draining, revoked", from(plantest.Draining, func(s *scene) {
			plantest.Leak("s1")(s)
			k := s.Have.Selectors["s1"].Key
			k.RevokedAt, k.Gone = plantest.Now, true
		})},
		{"stored, of a fuller past", from(plantest.Stored, full)},
		{"published, the old key destroyed",
			from(plantest.Published, func(s *scene) { s.Have.Selectors["s1"].Key.Gone = true })},
		{"published, the fresh key leaked",
			from(plantest.Published, func(s *scene) { s.Have.Selectors["s1"].Next.Leaked = plantest.Now })},
		{"replaced, the fresh key leaked", from(plantest.Replaced, plantest.Leak("s1"))},
		{"replaced, all destroyed", from(plantest.Replaced, func(s *scene) { s.Have.Selectors["s1"].Retired = nil })},
		{"ready, a signer unsure and a new one",
			from(plantest.Draining, func(s *scene) { s.Unsure("mx2"); s.ConfirmedAt("mx1", plantest.Now.Add(time.Hour)) })},
		{"bootstrapping, both sign, the other leaked",
			from(plantest.Bootstrapping, func(s *scene) { s.Sign("s1", "mx1", "mx2"); plantest.Leak("s2")(s) })},
		{"bootstrapping, one given up", from(plantest.Bootstrapping, func(s *scene) {
			s.Have.Selectors["s1"].Key = nil
			s.Have.Selectors["s1"].Retired = []rotate.Retired{{KeyID: plantest.Keys()[3].ID(), Version: 1,
				Dropped: true, Leaked: true}}
		})},
		{"stored, by a clock that was ahead", from(plantest.Stored, func(s *scene) {
			next := s.Have.Selectors["s1"].Next
			for i, at := range []*time.Time{&next.StoredAt, &next.PublishedAt, &next.VerifiedAt, &next.Leaked, &next.RevokedAt,
				&next.ShadowedAt} {
				*at = plantest.Now.Add(time.Duration(i+1) * time.Hour)
			}
		})},
		{"bootstrapping, one unsure", from(plantest.Bootstrapping,
			func(s *scene) { s.Sign("s1", "mx1", "mx2"); s.Unsure("mx1") })},
		{"draining, reported before", from(plantest.Draining, func(s *scene) {
			s.Have.Selectors["s1"].Key.Leaked = s.Have.SwitchedAt
			s.Have.Selectors["s1"].Retired = []rotate.Retired{{KeyID: plantest.Keys()[3].ID(), Version: 9, Leaked: true},
				{KeyID: plantest.Keys()[2].ID(), Version: 8, Leaked: true, Dropped: true}}
		})},
		{"replaced, the old key leaked",
			from(plantest.Replaced, func(s *scene) { s.Have.Selectors["s1"].Retired[0].Leaked = true })},
		{"replaced, others to destroy", from(plantest.Replaced, func(s *scene) {
			s.Have.Selectors["s1"].Retired = []rotate.Retired{{KeyID: plantest.Keys()[1].ID(), Version: 9, Dropped: true},
				{KeyID: plantest.Keys()[3].ID(), Version: 8, Leaked: true}}
		})},
		{"stored, no wait noted", from(plantest.Stored, func(s *scene) { s.Have.Selectors["s1"].Next.CacheWait = 0 })},
		{"published, no wait noted", from(plantest.Published, func(s *scene) { s.Have.Selectors["s1"].Next.CacheWait = 0 })},
		{"released, its record missing",
			from(plantest.Ready, func(s *scene) {
				s.Have.Released = &rotate.ReleaseState{At: plantest.LongAgo}
				s.Show("s1")
				s.DNSSilent("s2")
			})},
		{"being purged", from(plantest.Ready,
			func(s *scene) { s.Purging(-8*day, true); s.Have.Released.Begun = true })},
		{"purged, no key left", from(plantest.Ready, func(s *scene) {
			s.Purging(-8*day, true)
			s.Have.Released.Begun, s.Have.Released.Purged = true, plantest.Now
			s.Have.Selectors["s1"].Key, s.Have.Selectors["s2"].Key = nil, nil
		})},
		{"released with other selectors", from(plantest.Ready, func(s *scene) {
			s.Have.Released = &rotate.ReleaseState{At: plantest.LongAgo}
			s.Want.Policy.Selectors = [2]string{"a", "b"}
		})},
		{"to be purged, half destroyed",
			from(plantest.Ready, func(s *scene) { s.Purging(-8*day, false); s.Have.Selectors["s1"].Key.Gone = true })},
		{"to be purged, in use", from(plantest.Ready, func(s *scene) { s.Purging(-day, false) })},
		{"purged", from(plantest.Ready, func(s *scene) {
			s.Purging(-8*day, true)
			s.Have.Selectors["s1"].Key.Gone, s.Have.Selectors["s2"].Key.Gone = true, true
			s.Have.Selectors["s2"].Past = []string{s.Have.Selectors["s2"].Key.ID}
		})},
		{"drifted", from(plantest.Ready, func(s *scene) {
			s.Have.Drift = []finding.Finding{{Code: codes.RecordVanished, Selector: "s1", Since: plantest.LongAgo},
				{Code: codes.SignerSilent, Signer: "mx2", Message: "before", Since: plantest.LongAgo}}
		})},
	}
}
