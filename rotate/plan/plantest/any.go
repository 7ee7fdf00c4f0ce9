package plantest

import (
	"errors"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"pgregory.net/rapid"
)

// Any draws a scene of each phase and distorts it.
func Any(t *rapid.T) *Scene {
	scenes := []func() *Scene{New, Bootstrapping, Ready, Switching, Draining, Drained, Stored, Published, Replaced}
	s := rapid.SampledFrom(scenes).Draw(t, "scene")()
	for range rapid.IntRange(0, 5).Draw(t, "distortions") {
		s.distort(t)
	}
	return s
}

func (s *Scene) distort(t *rapid.T) {
	selector := rapid.SampledFrom([]string{"s1", "s2"}).Draw(t, "selector")
	signer := rapid.SampledFrom([]string{"mx1", "mx2"}).Draw(t, "signer")
	some := func(label string) *dkim.PrivateKey { return rapid.SampledFrom(Keys()).Draw(t, label) }
	ago := func(label string) time.Time {
		return Now.Add(-rapid.SampledFrom([]time.Duration{0, time.Minute, time.Hour, day, 6 * day, 7 * day, 8 * day,
			100 * day, -time.Hour, -30 * day}).Draw(t, label))
	}
	sel := s.Have.Selectors[selector]
	failed := errors.New("no route to host")
	choices := map[string]func(){
		"now":   func() { s.Now = ago("now") },
		"asked": func() { s.Want.Asked = true },
		"signers": func() {
			s.Want.Signers = rapid.SampledFrom([][]string{{"mx1"}, {"mx2"}, {"mx1", "mx2", "mx3"}, nil}).Draw(t, "signers")
		},
		"policy": func() {
			s.Want.Policy.Drain, s.Want.Policy.Settle = time.Duration(rapid.IntRange(0, 9).Draw(t, "drain"))*day,
				time.Duration(rapid.IntRange(0, 9).Draw(t, "settle"))*day
		},
		"promised": func() {
			if promised := rapid.IntRange(0, 20).Draw(t, "promised"); s.Have.Selectors[selector] != nil {
				s.Have.Selectors[selector].Drain = time.Duration(promised) * day
			}
		},
		"reorder": func() {
			s.Want.Policy.Selectors[0], s.Want.Policy.Selectors[1] = s.Want.Policy.Selectors[1], s.Want.Policy.Selectors[0]
		},
		"phase": func() {
			s.Have.Phase = rapid.SampledFrom([]rotate.Phase{rotate.New, rotate.Bootstrapping, rotate.Ready, rotate.Switching,
				rotate.Draining, rotate.Replacing, "", "x"}).Draw(t, "phase")
		},
		"roles": func() {
			s.Have.Active, s.Have.Target, s.Have.Draining = selector, s.Want.Policy.Other(selector),
				s.Want.Policy.Other(selector)
		},
		"switched": func() { s.Have.SwitchedAt = ago("switched") },
		"lag":      func() { s.Lag(selector) },
		"uncheck":  s.Uncheck,
		"shown": func() {
			s.Show(selector, rapid.SampledFrom([]string{Record(some("key")), Record(some("key")), ForeignRecord,
				"junk"}).Draw(t, "record"))
		},
		"two shown": func() { s.Show(selector, Record(some("key")), Record(some("other"))) },
		"gone":      func() { s.Show(selector) },
		"unseen": func() {
			s.Seen.Selectors[selector] = rotate.SelectorSeen{SightErr: fault.Temporary("look", failed, ""), KeyErr: failed}
		},
		"held": func() { s.Hold(selector, some("key").ID(), rapid.IntRange(0, 9).Draw(t, "version")) },
		"confirmed": func() {
			if s.Have.Signers == nil {
				s.Have.Signers = map[string]rotate.Confirmed{}
			}
			s.Have.Signers[signer] = rotate.Confirmed{Selector: selector, KeyID: some("key").ID(), At: ago("at"),
				Unsure: rapid.Bool().Draw(t, "unsure")}
		},
		"seen":   func() { s.Drift(selector, rapid.SampledFrom([]string{some("key").ID(), ""}).Draw(t, "id"), signer) },
		"lost":   func() { s.Hold(selector, "", rapid.IntRange(0, 9).Draw(t, "version")) },
		"kept":   func() { s.Keep(selector) },
		"silent": func() { s.Seen.Signers[signer] = rotate.SignerSeen{Err: failed} },
	}
	if sel != nil && sel.Key != nil {
		choices["verified"] = func() { sel.Key.VerifiedAt = ago("verified") }
		choices["replaced"] = func() { sel.Key.Replaced = true }
		choices["past"] = func() { sel.Past = []string{some("key").ID()} }
		choices["tried"] = func() { sel.Tried = []string{some("key").ID()} }
		choices["retired"] = func() { sel.Retired = []rotate.Retired{{KeyID: some("key").ID(), Version: 1}} }
		choices["keyless"] = func() { sel.Key = nil }
		choices["next"] = func() {
			sel.Next = KeyAt(rapid.IntRange(0, 3).Draw(t, "n"))
			sel.Next.PublishedAt = rapid.SampledFrom([]time.Time{{}, Now}).Draw(t, "published")
		}
	}
	names := make([]string, 0, len(choices))
	for name := range choices {
		names = append(names, name)
	}
	slices.Sort(names)
	choices[rapid.SampledFrom(names).Draw(t, "distortion")]()
}
