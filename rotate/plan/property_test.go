package plan_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
	"github.com/dkimbot/dkimbot/rotate/wayout"
	"github.com/dkimbot/dkimbot/state/statetest"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestPlanIsPure: whatever it is given, Plan does not panic, gives the same answer
// again, and leaves its arguments alone (I11).
func TestPlanIsPure(t *testing.T) {
	states := statetest.States()
	rapid.Check(t, func(t *rapid.T) {
		s := plantest.Any(t)
		if rapid.Bool().Draw(t, "wild") {
			s.Have = states.Draw(t, "state")
		}
		before := snapshot(t, s)
		p := s.Plan()
		if after := snapshot(t, s); after != before {
			t.Fatalf("I11: the arguments were changed:\n%s", cmp.Diff(before, after))
		}
		again := s.Plan()
		if diff := cmp.Diff(p, again, cmp.Comparer(func(a,
			b error) bool {
			return (a == nil) == (b == nil) && (a == nil || a.Error() == b.Error())
		})); diff != "" {
			t.Fatalf("I11: the plan differs the second time:\n%s", diff)
		}
		if p.Stop != nil && p.Next != nil {
			t.Fatalf("it stops and says what comes next")
		}
		if p.Stop == nil && len(p.Steps) == 0 && p.Next == nil && s.Have.Released == nil {
			t.Fatalf("it neither does anything nor waits for anything, in phase %s", p.Phase)
		}
	})
}

func snapshot(t *rapid.T, s *scene) string {
	text, err := json.Marshal([]any{s.Want, s.Have, s.Seen.Selectors, len(s.Seen.Signers)})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestPlanIsSafe: whatever was planned before and whatever is seen, no plan holds a
// step that could break mail.
func TestPlanIsSafe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := plantest.Any(t)
		p := s.Plan()
		for i, step := range p.Steps {
			switch step.Kind {
			case rotate.Publish:
				checkPublish(s, t, step)
			case rotate.Activate:
				checkActivate(s, t, step, p.Steps[:i])
			case rotate.Destroy:
				checkDestroy(s, t, step, p.Steps[:i])
			}
			checkHandsOff(s, t, step)
			if step.Duty == "" && step.Kind != rotate.Adopt { // one without a duty waits for what it does not need
				t.Fatalf("the step belongs to no duty: %+v", step)
			}
		}
	})
}

// checkPublish: a replacement is published only when no signer uses the selector,
// or may use it, and its drain has passed (I2, I10).
func checkPublish(s *scene, t *rapid.T, step rotate.Step) {
	sel, record := s.Have.Selectors[step.Selector], step.To.Record
	if sel == nil || sel.Key == nil || record == sel.Key.Record {
		return // it is the first one, or the same again
	}
	if !step.To.Fresh && (sel.Next == nil || record != sel.Next.Record) {
		t.Fatalf("I5: %s is published at %s and is no fresh key", record, step.Selector)
	}
	h := health.New(s.Now, s.Want.Domain, s.Have, s.Seen)
	waitedFor := health.LeadsOut(&h, step.Selector) // what signers confirmed is what they say, when a run plans
	if waitedFor && !slices.Contains(s.Seen.Selectors[step.Selector].Sight.Values, sel.Key.Record) {
		return // mail that was signed with the old key fails as it is
	}
	for _, name := range s.Want.Signers {
		c, seen := s.Have.Signers[name], s.Seen.Signers[name]
		if waitedFor && seen.Ref.Selector != step.Selector {
			c = rotate.Confirmed{}
		}
		if seen.Err != nil || seen.Ref.Selector == step.Selector || c.Selector == step.Selector || c.Unsure {
			t.Fatalf("I2: %s is replaced, and %s confirmed %+v, was seen with %+v", step.Selector, name, c, seen)
		}
	}
	for name, c := range s.Have.Signers {
		if s.Have.Phase == rotate.Ready && c.At.Before(s.Now.Add(day)) &&
			s.Now.Before(c.At.Add(s.Have.Selector(step.Selector).DrainUnder(s.Want.Policy))) {
			t.Fatalf("I2: the standby %s is replaced, and %s came to the active one at %s", step.Selector, name, c.At)
		}
	}
	public := sel.Next != nil && (!sel.Next.PublishedAt.IsZero() ||
		slices.Contains(s.Seen.Selectors[step.Selector].Sight.Values, sel.Next.Record))
	until := s.Have.SwitchedAt.Add(s.Have.Selector(step.Selector).DrainUnder(s.Want.Policy))
	if !public && s.Now.Before(until) && s.Have.SwitchedAt.Before(s.Now.Add(day)) {
		t.Fatalf("I2: %s is replaced, and drains until %s", step.Selector, until)
	}
}

// checkActivate: a selector is used only after one more look, and not before all
// that receivers may remember has passed (I2).
func checkActivate(s *scene, t *rapid.T, step rotate.Step, before []rotate.Step) {
	has := func(kind rotate.Kind) bool {
		return slices.ContainsFunc(before, func(b rotate.Step) bool { return b.Kind == kind && b.Selector == step.Selector })
	}
	inUse := othersSign(s, step.Selector, step.Signer) &&
		(s.Have.Active == step.Selector || idle(s, step.Signer) && !sheltered(s, s.Have.Active))
	sel := s.Have.Selector(step.Selector)
	old := sel.Next != nil && step.To.KeyID == sel.Key.ID && step.Duty == rotate.Signing // it is seen as the plan is made
	if !has(rotate.Verify) && !old && (step.Selector != s.Have.Active || s.Seen.Selectors[step.Selector].SightErr == nil) {
		t.Fatalf("I2: %s is used without a look", step.Selector)
	}
	h := health.New(s.Now, s.Want.Domain, s.Have, s.Seen)
	rescued := health.Stranded(&h.Judge, step.Signer) || idle(s, step.Signer) && step.Selector == s.Have.Active
	if inUse || rescued || health.Forsaken(&h.Judge, s.Have.Active) {
		return // waiting would only send more mail without a signature, or more that fails
	}
	at := step.NotBefore
	if at.Before(s.Now) {
		at = s.Now
	}
	var key rotate.Key
	if sel := s.Have.Selectors[step.Selector]; sel != nil && sel.Key != nil {
		key = *sel.Key
	}
	seen := key.VerifiedAt
	if seen.After(s.Now) {
		seen = s.Now // a wrong clock noted it: it was seen by now at the latest
	}
	usable := seen.Add(key.CacheWait)
	if has(rotate.Publish) || key.VerifiedAt.IsZero() {
		usable = s.Now.Add(key.CacheWait)
	}
	if has(rotate.Publish) && usable.Before(s.Now.Add(s.Seen.Selectors[step.Selector].Sight.Negative)) {
		usable = s.Now.Add(s.Seen.Selectors[step.Selector].Sight.Negative)
	}
	if key.Replaced && step.Selector != s.Have.Active {
		usable = usable.Add(s.Want.Policy.Settle)
	}
	if at.Before(usable) && usable.Before(s.Now.Add(day)) { // what lies further ahead was noted by a wrong clock
		t.Fatalf("I2: %s is used at %s, before %s", step.Selector, at, usable)
	}
}

// idle reports whether a signer says that it signs with nothing.
func idle(s *scene, signer string) bool {
	seen := s.Seen.Signers[signer]
	return seen.Err == nil && seen.Ref.Selector == ""
}

// sheltered reports whether mail that is signed with the selector verifies now, and a signer can be given its key.
func sheltered(s *scene, selector string) bool {
	sel, seen := s.Have.Selectors[selector], s.Seen.Selectors[selector]
	if sel == nil || sel.Key == nil || sel.Next != nil || seen.KeyErr != nil || seen.KeyID != sel.Key.ID || sel.Key.VerifiedAt.IsZero() {
		return false
	}
	return seen.SightErr == nil && seen.Sight.Complete && slices.Equal(seen.Sight.Values, []string{sel.Key.Record}) &&
		!s.Now.Before(sel.Key.VerifiedAt.Add(sel.Key.CacheWait))
}

// othersSign reports whether some signer beside the one confirmed the selector's key, or says that it signs with it.
func othersSign(s *scene, selector, but string) bool {
	return slices.ContainsFunc(s.Want.Signers, func(name string) bool {
		c, key, seen := s.Have.Signers[name], s.Have.Selector(selector).Key, s.Seen.Signers[name]
		ref := s.Have.Identify(seen.Ref)
		says := key != nil && seen.Err == nil && ref.Selector == selector && ref.KeyID == key.ID
		return name != but && (says || key != nil && c.Selector == selector && c.KeyID == key.ID)
	})
}

// checkDestroy: an old key is destroyed only after a newer one was seen in its place (I5).
func checkDestroy(s *scene, t *rapid.T, step rotate.Step, before []rotate.Step) {
	sel := s.Have.Selectors[step.Selector]
	verified := slices.ContainsFunc(before,
		func(b rotate.Step) bool { return b.Kind == rotate.Verify && b.Selector == step.Selector })
	retired := slices.ContainsFunc(sel.Retired, func(r rotate.Retired) bool { return r.KeyID == step.From.KeyID })
	if !retired && !verified {
		t.Fatalf("I5: a key of %s is destroyed before its replacement is verified", step.Selector)
	}
	for _, name := range s.Want.Signers {
		ref := s.Have.Identify(s.Seen.Signers[name].Ref) // one that knows its selector only has the key that stands there
		if ref.Selector == step.Selector && ref.KeyID == step.From.KeyID {
			t.Fatalf("I1: a key of %s is destroyed, and %s signs with it", step.Selector, name)
		}
	}
}

// checkHandsOff: where somebody else's record stands, nothing is done but that a compromised key beside it is revoked,
// and nothing new is begun at the other selector either, unless failing mail waits for that (I6).
func checkHandsOff(s *scene, t *rapid.T, step rotate.Step) {
	h := health.New(s.Now, s.Want.Domain, s.Have, s.Seen)
	begins := step.Kind == rotate.Generate || step.Kind == rotate.StoreKey
	waitedFor := begins && (health.LeadsOut(&h, step.Selector) || wayout.Deadlocked(&h.Judge))
	for name, seen := range s.Seen.Selectors {
		if !slices.Contains(seen.Sight.Values, plantest.ForeignRecord) || seen.Sight.Unchecked {
			continue
		}
		here := step.Selector == name && !(step.Kind == rotate.Revoke && !h.Bound(name))
		if here || begins && !waitedFor || s.Have.Phase == rotate.New {
			t.Fatalf("I6: %s of %s, though a record at %s is not ours", step.Kind, step.Selector, name)
		}
	}
}
