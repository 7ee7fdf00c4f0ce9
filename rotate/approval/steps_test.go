package approval_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/approval"
	"github.com/dkimbot/dkimbot/rotate/codes"
)

// The steps of a plan that replaces the key of s1.
var (
	generate = rotate.Step{Kind: rotate.Generate, Selector: "s1"}
	store    = rotate.Step{Kind: rotate.StoreKey, Selector: "s1"}
	publish  = rotate.Step{Kind: rotate.Publish, Selector: "s1"}
	verify   = rotate.Step{Kind: rotate.Verify, Selector: "s1"}
	activate = rotate.Step{Kind: rotate.Activate, Selector: "s1", Signer: "mx1"}
)

// at returns a step as it is at another selector.
func at(selector string, s rotate.Step) rotate.Step {
	s.Selector = selector
	return s
}

// grant returns the grant of a plan with the steps, of which some were carried out.
func grant(steps []rotate.Step, done ...rotate.Step) *approval.Grant {
	g := approval.NewGrant(approval.Approval{PlanID: "p1", Steps: steps})
	for _, s := range done {
		g.Did(s)
	}
	return g
}

// words name steps.
func words(steps []rotate.Step) (out []string) {
	for _, s := range steps {
		out = append(out, s.Words())
	}
	return out
}

// TestDidOnce: a step that was carried out is used up once. Where a plan has the same step twice, the other one is left.
func TestDidOnce(t *testing.T) {
	g := grant([]rotate.Step{verify, activate, verify})
	for _, want := range []string{"[verify s1 activate mx1 s1 verify s1]", "[activate mx1 s1 verify s1]", "[activate mx1 s1]",
		"[activate mx1 s1]"} {
		if got := fmt.Sprint(words(g.Left())); got != want {
			t.Errorf("left are %s, want %s", got, want)
		}
		g.Did(verify)
	}
	g.Did(at("s2", activate))
	if len(g.Left()) != 1 {
		t.Errorf("a step that was not approved counts as done: %v", words(g.Left()))
	}
}

// TestLeftOf: what somebody else has done meanwhile is not left: it is not planned any more. After an error that is not
// known, and everything that was not done is left.
func TestLeftOf(t *testing.T) {
	g := grant([]rotate.Step{generate, publish, activate}, generate)
	p := rotate.DomainPlan{Steps: []rotate.Step{at("s2", publish), activate}}
	if got := fmt.Sprint(words(g.LeftOf(p, nil))); got != "[activate mx1 s1]" {
		t.Errorf("left are %s", got)
	}
	if got := fmt.Sprint(words(g.LeftOf(p, errors.New("no answer")))); got != "[publish s1 activate mx1 s1]" {
		t.Errorf("after an error, left are %s", got)
	}
}

// TestPermitted: a step that was done is not done once more, but for a look, and for what the next step was to make sure
// of and did not: a key that was made and not stored, a record that was published and is not seen. A used-up approval
// permits nothing, and refuses nothing.
func TestPermitted(t *testing.T) {
	all := []rotate.Step{generate, store, publish, verify, activate}
	for name, c := range map[string]struct {
		steps, done []rotate.Step
		next        rotate.Step
		want        codes.Code // of the refusal
		none        bool       // it is not taken
	}{
		"the first":                            {all, nil, generate, "", false},
		"what was not approved":                {all, nil, at("s2", publish), codes.NotPlanned, true},
		"a key once more, not stored":          {all, []rotate.Step{generate}, generate, "", false},
		"a key once more, stored":              {all, []rotate.Step{generate, store}, generate, codes.NotPlanned, true},
		"a key once more, other work is left":  {[]rotate.Step{generate, verify}, []rotate.Step{generate}, generate, codes.NotPlanned, true},
		"a key once more, the other's is left": {[]rotate.Step{generate, at("s2", store)}, []rotate.Step{generate}, generate, codes.NotPlanned, true},
		"a record once more, not seen":         {all, []rotate.Step{publish}, publish, "", false},
		"a record once more, seen":             {all, []rotate.Step{publish, verify}, publish, codes.NotPlanned, true},
		"a look once more":                     {all, []rotate.Step{verify}, verify, "", false},
		"a switch once more":                   {all, []rotate.Step{activate}, activate, codes.NotPlanned, true},
		"the approval is used up":              {[]rotate.Step{verify}, []rotate.Step{verify}, verify, "", true},
		"other work, the approval is used up":  {[]rotate.Step{verify}, []rotate.Step{verify}, publish, "", true},
	} {
		steps, err := grant(c.steps, c.done...).Permitted("example.com", []rotate.Step{c.next})
		refused := approval.Stale("p1", "example.com", []rotate.Reason{{Code: c.want,
			Message: "the domain now needs a step that is not in the plan: " + c.next.Words()}})
		if c.want == "" {
			refused = nil
		}
		if c.none != (len(steps) == 0) || fmt.Sprint(err) != fmt.Sprint(refused) {
			t.Errorf("%s: %v, %v", name, words(steps), err)
		}
	}
}

// TestWaitedFor: after a round, an approval waits for a step that was approved and whose time is yet to come; not for a
// drain, which permits nothing, not for what was not approved or is done, and for nothing when it is used up. After an
// error it waits for the next try.
func TestWaitedFor(t *testing.T) {
	began, retry := time.Unix(1000, 0), time.Unix(5000, 0)
	later := began.Add(time.Minute)
	when := func(s rotate.Step, at time.Time) rotate.Step {
		s.NotBefore = at
		return s
	}
	drain := rotate.Step{Kind: rotate.Drain, Selector: "s1"}
	why := rotate.Reason{Code: codes.Settle, Message: "the key settles"}
	waits := &rotate.Next{Action: rotate.Activate, Selector: "s1", At: later, Reason: why}
	for name, c := range map[string]struct {
		steps, done, planned []rotate.Step
		err                  error
		want                 *rotate.Next
	}{
		"a switch":                   {[]rotate.Step{activate}, nil, []rotate.Step{when(activate, later)}, nil, waits},
		"its time has come":          {[]rotate.Step{activate}, nil, []rotate.Step{when(activate, began)}, nil, nil},
		"nothing to wait for":        {[]rotate.Step{activate}, nil, []rotate.Step{activate}, nil, nil},
		"a switch after a look":      {[]rotate.Step{verify, activate}, nil, []rotate.Step{verify, when(activate, later)}, nil, waits},
		"a drain":                    {[]rotate.Step{drain, activate}, nil, []rotate.Step{when(drain, later)}, nil, nil},
		"what was not approved":      {[]rotate.Step{activate}, nil, []rotate.Step{when(at("s2", publish), later)}, nil, nil},
		"what is done":               {[]rotate.Step{activate, verify}, []rotate.Step{activate}, []rotate.Step{when(activate, later)}, nil, nil},
		"a look, while work is left": {[]rotate.Step{activate, verify}, []rotate.Step{verify}, []rotate.Step{when(verify, later)}, nil, waits},
		"a look, when all is done":   {[]rotate.Step{verify}, []rotate.Step{verify}, []rotate.Step{when(verify, later)}, nil, nil},
		"an error": {[]rotate.Step{activate}, nil, []rotate.Step{when(activate, later)}, errors.New("no answer"),
			&rotate.Next{Action: codes.ActionRetry, At: retry, Reason: rotate.Reason{Code: codes.Failed, Message: "no answer"}}},
	} {
		got := grant(c.steps, c.done...).Next(rotate.DomainPlan{Steps: c.planned, Reason: why}, c.err, began, retry)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestFactsOf: what documents say of a step has both sides where a record stands still, and who is asked only where that
// is not every authoritative server.
func TestFactsOf(t *testing.T) {
	for name, c := range map[string]struct {
		step          rotate.Step
		before, after approval.Facts
	}{
		"a drain": {rotate.Step{Kind: rotate.Drain}, approval.Facts{"record": "published"}, approval.Facts{"record": "published"}},
		"a look": {rotate.Step{Kind: rotate.Verify, To: rotate.Side{KeyID: "1", Record: "r"}}, approval.Facts{},
			approval.Facts{"record": "r", "key_id": "1"}},
		"a look at resolvers": {rotate.Step{Kind: rotate.Verify, Asked: "every resolver", To: rotate.Side{Fresh: true}},
			approval.Facts{"asked": "every resolver"},
			approval.Facts{"record": approval.Generated, "key_id": approval.Generated}},
	} {
		before, after := approval.FactsOf(c.step)
		if diff := cmp.Diff(c.before, before) + cmp.Diff(c.after, after); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestWaitedForReplacement: an approval waits for the time from which a fresh key may be made where it permits that, and
// not where the key is made already, or another selector's is meant.
func TestWaitedForReplacement(t *testing.T) {
	began := time.Unix(1000, 0)
	waits := &rotate.Next{Action: codes.ActionReplace, Selector: "s1", At: began.Add(time.Minute)}
	other, due, rotates := *waits, *waits, *waits
	other.Selector, due.At, rotates.Action = "s2", began, codes.ActionRotate
	for name, c := range map[string]struct {
		done []rotate.Step
		next *rotate.Next
		want *rotate.Next
	}{
		"a fresh key":           {nil, waits, waits},
		"it is made":            {[]rotate.Step{generate, store}, waits, nil},
		"at the other selector": {nil, &other, nil},
		"its time has come":     {nil, &due, nil},
		"a rotation":            {nil, &rotates, nil},
		"nothing":               {nil, nil, nil},
	} {
		g := grant([]rotate.Step{generate, store, publish, activate}, c.done...)
		if got := g.Next(rotate.DomainPlan{Next: c.next}, nil, began, began); got != c.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
