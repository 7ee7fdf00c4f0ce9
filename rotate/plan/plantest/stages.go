package plantest

import (
	"time"

	"github.com/dkimbot/dkimbot/rotate"
)

// Variation is a scene, or one thing that is changed in a scene.
type Variation struct {
	Name   string
	Change func(*Scene)
}

// Stages are where a domain can stand, and what may have interrupted it there.
func Stages() []Variation {
	start := func(scenes func() *Scene, more ...func(*Scene)) func(*Scene) {
		return func(s *Scene) {
			*s = *scenes()
			for _, change := range more {
				change(s)
			}
		}
	}
	// the standby, as a report has it
	replacing := func(s *Scene) { s.Have.Phase, s.Have.Draining = rotate.Draining, "s2" }
	s2Public := func(s *Scene) {
		s.Sign("s1", "mx1")
		s.Have.Selectors["s2"].Key = nil
		s.Show("s2")
		s.Hold("s2", "", 0)
	}
	return []Variation{
		{"new", start(New)},
		{"bootstrapping", start(Bootstrapping)},
		{"bootstrapping, half made", start(Bootstrapping, s2Public)},
		{"bootstrapping, one signs", start(Bootstrapping, func(s *Scene) { s.Sign("s1", "mx1") })},
		{"bootstrapping, its key leaked",
			start(Bootstrapping, func(s *Scene) { s.Sign("s1", "mx1") }, Leak("s1"),
				func(s *Scene) { s.Have.Target = "s2" })},
		{"bootstrapping, one is unsure",
			start(Bootstrapping, func(s *Scene) { s.Sign("s1", "mx1"); s.Unsure("mx1"); s.Drift("", "", "mx1") })},
		{"ready", start(Ready)},
		{"ready, mx2 rebuilt", start(Ready, func(s *Scene) { s.Drift("", "", "mx2") })},
		{"ready, the standby's key missing", start(Ready, func(s *Scene) { s.Hold("s2", "", 5) })},
		{"ready, DNS not asked", start(Ready, (*Scene).Uncheck)},
		{"ready, due", start(Ready, func(s *Scene) { s.Have.SwitchedAt = LongAgo })},
		{"ready, leaked", start(Ready, Leak("s1"))},
		{"ready, leaked, now", start(Ready, Leak("s1"), RevokeNow("s1"))},
		{"ready, standby leaked", start(Ready, Leak("s2"), replacing)},
		{"ready, both leaked", start(Ready, Leak("s1"), Leak("s2"), replacing)},
		{"switching", start(Switching)},
		{"switching, mx2 silent", start(Switching, func(s *Scene) { s.Silence("mx2") })},
		{"switching, its record missing", start(Switching, func(s *Scene) { s.Show("s2") })},
		{"switching, leaked", start(Switching, Leak("s1"))},
		{"switching, one sent back", start(Switching,
			func(s *Scene) { s.Have.Held = []string{"mx1"}; s.Unsure("mx1") })},
		{"switching, all sent back", start(Switching,
			func(s *Scene) { s.Have.Held = []string{"mx1", "mx2"}; s.Unsure("mx1") })},
		{"draining", start(Draining)},
		{"draining, leaked", start(Draining, Leak("s2"))},
		{"draining, old one leaked", start(Draining, Leak("s1"))},
		{"draining, both leaked", start(Draining, Leak("s1"), Leak("s2"))},
		{"drained", start(Drained)},
		{"stored", start(Stored)},
		{"stored, leaked", start(Stored, Leak("s2"))},
		{"published", start(Published)},
		{"replaced", start(Replaced)},
		{"replaced, leaked", start(Replaced, Leak("s2"))},
		{"released", start(Ready, func(s *Scene) { s.Have.Released = &rotate.ReleaseState{At: LongAgo} })},
		{"to be purged", start(Ready, func(s *Scene) { s.Purging(-8*day, true) })},
	}
}

// Leak reports a selector's key as compromised.
func Leak(selector string) func(*Scene) {
	return func(s *Scene) { s.Have.Selectors[selector].Key.Leaked = Now.Add(-time.Hour) }
}

// RevokeNow reports it, to be revoked at once.
func RevokeNow(selector string) func(*Scene) {
	return func(s *Scene) { s.Have.Selectors[selector].Key.RevokeNow = true }
}
