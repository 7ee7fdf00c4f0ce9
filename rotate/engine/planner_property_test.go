package engine_test

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/state/statetest"
)

// TestPlanIsPure: whatever it is given, Plan does not panic, gives the same answer
// again, and leaves its arguments alone (I11).
func TestPlanIsPure(t *testing.T) {
	states := statetest.States()
	rapid.Check(t, func(t *rapid.T) {
		s := anyScene(t)
		if rapid.Bool().Draw(t, "wild") {
			s.have = states.Draw(t, "state")
		}
		before := snapshot(t, s)
		p := s.want.plan(s.now, s.have, s.seen)
		if after := snapshot(t, s); after != before {
			t.Fatalf("I11: the arguments were changed:\n%s", cmp.Diff(before, after))
		}
		again := s.want.plan(s.now, s.have, s.seen)
		if diff := cmp.Diff(p, again, cmp.Comparer(func(a,
			b error) bool {
			return (a == nil) == (b == nil) && (a == nil || a.Error() == b.Error())
		})); diff != "" {
			t.Fatalf("I11: the plan differs the second time:\n%s", diff)
		}
		if p.Stop != nil && p.Next != nil {
			t.Fatalf("it stops and says what comes next")
		}
		if p.Stop == nil && len(p.Steps) == 0 && p.Next == nil && s.have.Released == nil {
			t.Fatalf("it neither does anything nor waits for anything, in phase %s", p.Phase)
		}
	})
}

func snapshot(t *rapid.T, s *scene) string {
	text, err := json.Marshal([]any{s.want, s.have, s.seen.Selectors, len(s.seen.Signers)})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestPlanIsSafe: whatever was planned before and whatever is seen, no plan holds a
// step that could break mail.
func TestPlanIsSafe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anyScene(t)
		p := s.want.plan(s.now, s.have, s.seen)
		for i, step := range p.Steps {
			switch step.Kind {
			case rotate.Publish:
				s.checkPublish(t, step)
			case rotate.Activate:
				s.checkActivate(t, step, p.Steps[:i])
			case rotate.Destroy:
				s.checkDestroy(t, step, p.Steps[:i])
			}
			s.checkHandsOff(t, step)
		}
	})
}

// checkPublish: a replacement is published only when no signer uses the selector,
// or may use it, and its drain has passed (I2, I10).
func (s *scene) checkPublish(t *rapid.T, step rotate.Step) {
	sel, record := s.have.Selectors[step.Selector], step.To.Record
	if sel == nil || sel.Key == nil || record == sel.Key.Record {
		return // it is the first one, or the same again
	}
	if !step.To.Fresh && (sel.Next == nil || record != sel.Next.Record) {
		t.Fatalf("I5: %s is published at %s and is no fresh key", record, step.Selector)
	}
	for _, name := range s.want.Signers {
		c, seen := s.have.Signers[name], s.seen.Signers[name]
		if seen.Err != nil || seen.Ref.Selector == step.Selector || c.Selector == step.Selector || c.Unsure {
			t.Fatalf("I2: %s is replaced, and %s confirmed %+v, was seen with %+v", step.Selector, name, c, seen)
		}
	}
	for name, c := range s.have.Signers {
		if s.have.Phase == rotate.Ready && c.At.Before(s.now.Add(day)) && s.now.Before(c.At.Add(s.want.Policy.Drain)) {
			t.Fatalf("I2: the standby %s is replaced, and %s came to the active one at %s", step.Selector, name, c.At)
		}
	}
	public := sel.Next != nil && (!sel.Next.PublishedAt.IsZero() ||
		slices.Contains(s.seen.Selectors[step.Selector].Sight.Values, sel.Next.Record))
	if !public && s.now.Before(s.have.SwitchedAt.Add(s.want.Policy.Drain)) && s.have.SwitchedAt.Before(s.now.Add(day)) {
		t.Fatalf("I2: %s is replaced, and drains until %s", step.Selector, s.have.SwitchedAt.Add(s.want.Policy.Drain))
	}
}

// checkActivate: a selector is used only after one more look, and not before all
// that receivers may remember has passed (I2).
func (s *scene) checkActivate(t *rapid.T, step rotate.Step, before []rotate.Step) {
	has := func(kind rotate.Kind) bool {
		return slices.ContainsFunc(before, func(b rotate.Step) bool { return b.Kind == kind && b.Selector == step.Selector })
	}
	inUse := s.othersSign(step.Selector, step.Signer) &&
		(s.have.Active == step.Selector || s.idle(step.Signer) && !s.sheltered(s.have.Active))
	if !has(rotate.Verify) && (step.Selector != s.have.Active || s.seen.Selectors[step.Selector].SightErr == nil) {
		t.Fatalf("I2: %s is used without a look", step.Selector)
	}
	if inUse {
		return // waiting would only send more mail without a signature
	}
	at := step.NotBefore
	if at.Before(s.now) {
		at = s.now
	}
	var key rotate.Key
	if sel := s.have.Selectors[step.Selector]; sel != nil && sel.Key != nil {
		key = *sel.Key
	}
	seen := key.VerifiedAt
	if seen.After(s.now) {
		seen = s.now // a wrong clock noted it: it was seen by now at the latest
	}
	usable := seen.Add(key.CacheWait)
	if has(rotate.Publish) || key.VerifiedAt.IsZero() {
		usable = s.now.Add(key.CacheWait)
	}
	if has(rotate.Publish) && usable.Before(s.now.Add(s.seen.Selectors[step.Selector].Sight.Negative)) {
		usable = s.now.Add(s.seen.Selectors[step.Selector].Sight.Negative)
	}
	if key.Replaced && step.Selector != s.have.Active {
		usable = usable.Add(s.want.Policy.Settle)
	}
	if at.Before(usable) && usable.Before(s.now.Add(day)) { // what lies further ahead was noted by a wrong clock
		t.Fatalf("I2: %s is used at %s, before %s", step.Selector, at, usable)
	}
}

// idle reports whether a signer says that it signs with nothing.
func (s *scene) idle(signer string) bool {
	seen := s.seen.Signers[signer]
	return seen.Err == nil && seen.Ref.Selector == ""
}

// sheltered reports whether mail that is signed with the selector verifies now.
func (s *scene) sheltered(selector string) bool {
	sel, seen := s.have.Selectors[selector], s.seen.Selectors[selector]
	if sel == nil || sel.Key == nil || sel.Next != nil || seen.KeyErr != nil || sel.Key.VerifiedAt.IsZero() {
		return false
	}
	return seen.SightErr == nil && seen.Sight.Complete && slices.Equal(seen.Sight.Values, []string{sel.Key.Record}) &&
		!s.now.Before(sel.Key.VerifiedAt.Add(sel.Key.CacheWait))
}

// othersSign reports whether some signer beside the one confirmed the selector's key.
func (s *scene) othersSign(selector, but string) bool {
	return slices.ContainsFunc(s.want.Signers, func(name string) bool {
		c := s.have.Signers[name]
		key := s.have.Selector(selector).Key
		return name != but && key != nil && c.Selector == selector && c.KeyID == key.ID
	})
}

// checkDestroy: an old key is destroyed only after a newer one was seen in its place (I5).
func (s *scene) checkDestroy(t *rapid.T, step rotate.Step, before []rotate.Step) {
	sel := s.have.Selectors[step.Selector]
	verified := slices.ContainsFunc(before,
		func(b rotate.Step) bool { return b.Kind == rotate.Verify && b.Selector == step.Selector })
	retired := slices.ContainsFunc(sel.Retired, func(r rotate.Retired) bool { return r.KeyID == step.From.KeyID })
	if !retired && !verified {
		t.Fatalf("I5: a key of %s is destroyed before its replacement is verified", step.Selector)
	}
	for _, name := range s.want.Signers {
		if seen := s.seen.Signers[name]; seen.Ref.Selector == step.Selector {
			t.Fatalf("I1: a key of %s is destroyed, and %s signs with it", step.Selector, name)
		}
	}
}

// checkHandsOff: where somebody else's record stands, nothing is done, and nothing
// new is begun at the other selector either (I6).
func (s *scene) checkHandsOff(t *rapid.T, step rotate.Step) {
	for name, seen := range s.seen.Selectors {
		if !slices.Contains(seen.Sight.Values, foreignRecord) || seen.Sight.Unchecked {
			continue
		}
		if step.Selector == name || step.Kind == rotate.Generate || step.Kind == rotate.StoreKey ||
			s.have.Phase == rotate.New {
			t.Fatalf("I6: %s of %s, though a record at %s is not ours", step.Kind, step.Selector, name)
		}
	}
}

const foreignRecord = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

// anyScene draws a scene of each phase and distorts it.
func anyScene(t *rapid.T) *scene {
	scenes := []func() *scene{newScene, bootstrappingScene, readyScene, switchingScene, drainingScene, drainedScene, storedScene, publishedScene, replacedScene}
	s := rapid.SampledFrom(scenes).Draw(t, "scene")()
	for range rapid.IntRange(0, 5).Draw(t, "distortions") {
		s.distort(t)
	}
	return s
}

func (s *scene) distort(t *rapid.T) {
	selector := rapid.SampledFrom([]string{"s1", "s2"}).Draw(t, "selector")
	signer := rapid.SampledFrom([]string{"mx1", "mx2"}).Draw(t, "signer")
	some := func(label string) *dkim.PrivateKey { return rapid.SampledFrom(someKeys()).Draw(t, label) }
	ago := func(label string) time.Time {
		return planned.Add(-rapid.SampledFrom([]time.Duration{0, time.Minute, time.Hour, day, 6 * day, 7 * day, 8 * day,
			100 * day, -time.Hour, -30 * day}).Draw(t, label))
	}
	sel := s.have.Selectors[selector]
	failed := errors.New("no route to host")
	choices := map[string]func(){
		"now":   func() { s.now = ago("now") },
		"asked": func() { s.want.Asked = true },
		"signers": func() {
			s.want.Signers = rapid.SampledFrom([][]string{{"mx1"}, {"mx2"}, {"mx1", "mx2", "mx3"}, nil}).Draw(t, "signers")
		},
		"policy": func() {
			s.want.Policy.Drain, s.want.Policy.Settle = time.Duration(rapid.IntRange(0, 9).Draw(t, "drain"))*day,
				time.Duration(rapid.IntRange(0, 9).Draw(t, "settle"))*day
		},
		"reorder": func() {
			s.want.Policy.Selectors[0], s.want.Policy.Selectors[1] = s.want.Policy.Selectors[1], s.want.Policy.Selectors[0]
		},
		"phase": func() {
			s.have.Phase = rapid.SampledFrom([]rotate.Phase{rotate.New, rotate.Bootstrapping, rotate.Ready, rotate.Switching,
				rotate.Draining, rotate.Replacing, "", "x"}).Draw(t, "phase")
		},
		"roles": func() {
			s.have.Active, s.have.Target, s.have.Draining = selector, s.want.Policy.Other(selector),
				s.want.Policy.Other(selector)
		},
		"switched": func() { s.have.SwitchedAt = ago("switched") },
		"lag":      func() { s.lag(selector) },
		"uncheck":  s.uncheck,
		"shown": func() {
			s.show(selector, rapid.SampledFrom([]string{record(some("key")), record(some("key")), foreignRecord,
				"junk"}).Draw(t, "record"))
		},
		"two shown": func() { s.show(selector, record(some("key")), record(some("other"))) },
		"gone":      func() { s.show(selector) },
		"unseen": func() {
			s.seen.Selectors[selector] = rotate.SelectorSeen{SightErr: fault.Temporary("look", failed, ""), KeyErr: failed}
		},
		"held": func() { s.hold(selector, some("key").ID(), rapid.IntRange(0, 9).Draw(t, "version")) },
		"confirmed": func() {
			if s.have.Signers == nil {
				s.have.Signers = map[string]rotate.Confirmed{}
			}
			s.have.Signers[signer] = rotate.Confirmed{Selector: selector, KeyID: some("key").ID(), At: ago("at"),
				Unsure: rapid.Bool().Draw(t, "unsure")}
		},
		"seen":   func() { s.stray(selector, rapid.SampledFrom([]string{some("key").ID(), ""}).Draw(t, "id"), signer) },
		"lost":   func() { s.hold(selector, "", rapid.IntRange(0, 9).Draw(t, "version")) },
		"kept":   func() { s.keep(selector) },
		"silent": func() { s.seen.Signers[signer] = rotate.SignerSeen{Err: failed} },
	}
	if sel != nil && sel.Key != nil {
		choices["verified"] = func() { sel.Key.VerifiedAt = ago("verified") }
		choices["replaced"] = func() { sel.Key.Replaced = true }
		choices["past"] = func() { sel.Past = []string{some("key").ID()} }
		choices["tried"] = func() { sel.Tried = []string{some("key").ID()} }
		choices["retired"] = func() { sel.Retired = []rotate.Retired{{KeyID: some("key").ID(), Version: 1}} }
		choices["keyless"] = func() { sel.Key = nil }
		choices["next"] = func() {
			sel.Next = keyAt(rapid.IntRange(0, 3).Draw(t, "n"))
			sel.Next.PublishedAt = rapid.SampledFrom([]time.Time{{}, planned}).Draw(t, "published")
		}
	}
	names := make([]string, 0, len(choices))
	for name := range choices {
		names = append(names, name)
	}
	slices.Sort(names)
	choices[rapid.SampledFrom(names).Draw(t, "distortion")]()
}
