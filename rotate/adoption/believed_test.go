package adoption_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/adoption"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestBelievedOfALostState: what an adoption from the keystore believes of a domain of which nothing is known: what
// was stored and is not public is published where a signer may use it, else another is made for it, since it may have been
// revoked; and a name at which DNS shows no key of ours settles as if
// another key had stood there (I2), but for the one that signs.
func TestBelievedOfALostState(t *testing.T) {
	id := func(n int) string { return plantest.Keys()[n].ID() }
	stored := func(keys map[string]int) map[string]string {
		out := map[string]string{}
		for s, n := range keys {
			out[s] = id(n)
		}
		return out
	}
	uses := func(selector string, n int, signers ...string) func(*scene) {
		return func(s *scene) { s.Drift(selector, id(n), signers...) }
	}
	noSigners := func(s *scene) { s.Want.Signers = nil }
	for title, tt := range map[string]struct {
		keys, stored map[string]int
		active       string
		change       func(*scene)
		want         string
	}{
		"nothing":               {nil, nil, "", nil, "new"},
		"one key shown":         {map[string]int{"s1": 0}, nil, "", uses("s1", 0, "mx1", "mx2"), "new s2:preceded"},
		"one shown, none signs": {map[string]int{"s1": 0}, nil, "", nil, "new s2:preceded"},
		"one shown, the other to sign, none tells": {map[string]int{"s1": 0}, nil, "s2", nil, "new"},
		"one shown, the other to sign, one tells": {map[string]int{"s1": 0}, nil, "s2", uses("s9", 3, "mx1"),
			"new s2:preceded"},
		"both shown": {map[string]int{"s1": 0, "s2": 1}, nil, "", nil, "new"},
		"one shown, one stored": {map[string]int{"s1": 0}, map[string]int{"s2": 1}, "", uses("s1", 0, "mx1", "mx2"),
			"new s1: s2:preceded,dropped"},
		"one shown, one stored, one signer is silent": {map[string]int{"s1": 0}, map[string]int{"s2": 1}, "", func(s *scene) {
			s.Drift("s1", id(0), "mx1")
			s.Seen.Signers["mx2"] = rotate.SignerSeen{Err: errors.New("no answer")}
		}, "new s1: s2:preceded,tried"},
		"one shown, one stored and used": {map[string]int{"s1": 0}, map[string]int{"s2": 1}, "", uses("s2", 1, "mx1"),
			"new s1: s2:tried"},
		"only stored":              {nil, map[string]int{"s2": 1}, "", nil, "bootstrapping to s1 s1: s2:preceded,dropped"},
		"only stored, one to sign": {nil, map[string]int{"s2": 1}, "s2", nil, "bootstrapping to s2 s1:preceded s2:dropped"},
		"only stored, all use it": {nil, map[string]int{"s2": 1}, "", uses("s2", 1, "mx1", "mx2"),
			"bootstrapping to s2 s1:preceded s2:tried"},
		"only stored, all use it, and it was revoked": {nil, map[string]int{"s2": 1}, "", func(s *scene) {
			uses("s2", 1, "mx1", "mx2")(s)
			s.Show("s2", dkim.RevokedRecord(plantest.Record(plantest.Keys()[1])))
		}, "bootstrapping to s1 s1:preceded s2:dropped,compromised"},
		"stored, known before, and it was revoked": {map[string]int{"s1": 0}, map[string]int{"s2": 1}, "", func(s *scene) {
			s.Have.Selectors = map[string]*rotate.Selector{"s2": {Tried: []string{id(1), "another"}}}
			s.Show("s2", dkim.RevokedRecord(plantest.Record(plantest.Keys()[1])))
		}, "new s1: s2:preceded,tried,dropped,compromised"},
		"only stored, one uses it": {nil, map[string]int{"s2": 1}, "", uses("s2", 1, "mx1"),
			"bootstrapping to s1 s1:preceded s2:tried"},
		"only stored, all use another": {nil, map[string]int{"s2": 1}, "", uses("s2", 3, "mx1", "mx2"),
			"bootstrapping to s1 s1:preceded s2:preceded,dropped"},
		"only stored, nothing signs": {nil, map[string]int{"s2": 1}, "", noSigners,
			"bootstrapping to s1 s1: s2:preceded,dropped"},
		"stored, and known before": {map[string]int{"s1": 0}, map[string]int{"s2": 1}, "", func(s *scene) {
			s.Have.Selectors = map[string]*rotate.Selector{"s2": {Tried: []string{id(1)}, PrecededTTL: 9 * time.Hour}}
		}, "new s1: s2:preceded9h0m0s,tried"},
	} {
		s := plantest.New()
		if tt.change != nil {
			tt.change(s)
		}
		a := held(tt.keys)
		a.Active, a.Stored = tt.active, stored(tt.stored)
		if got := brief(believed(s, a)); got != tt.want {
			t.Errorf("%s: %s instead of %s", title, got, tt.want)
		}
	}
}

// brief writes phase, target and selectors of a state.
func brief(st rotate.State) string {
	out := string(st.Phase)
	if st.Target != "" {
		out += " to " + st.Target
	}
	for _, name := range []string{"s1", "s2"} {
		sel := st.Selectors[name]
		if sel == nil {
			continue
		}
		var has []string
		if sel.Preceded {
			has = append(has, "preceded"+strings.TrimPrefix(sel.PrecededTTL.String(), "1h0m0s"))
		}
		if len(sel.Tried) > 0 {
			has = append(has, "tried"+strings.Repeat(" twice", len(sel.Tried)-1))
		}
		for _, r := range sel.Retired {
			if has = append(has, "dropped"); r.Leaked {
				has = append(has, "compromised")
			}
		}
		out += fmt.Sprintf(" %s:%s", name, strings.Join(has, ","))
	}
	return out
}

// TestBelievedKeepsWhatIsKnown: the state of a domain that is known is not begun again for an adoption of nothing,
// nor marked as one that was lost.
func TestBelievedKeepsWhatIsKnown(t *testing.T) {
	s := plantest.Ready()
	s.Stands("s2", 3)
	for title, a := range map[string]rotate.Adoption{"nothing": {FromKeystore: true},
		"what was stored": {FromKeystore: true, Stored: map[string]string{"s2": "another"}}} {
		if st := believed(s, a); st.Phase != rotate.Ready || st.Selectors["s2"].Preceded || len(st.Selectors["s2"].Tried) > 0 {
			t.Errorf("%s: %s", title, brief(st))
		}
	}
}

// TestOlderKeystoreIsNotBelieved: a keystore that holds a key which was replaced is the older one, also where it holds
// nothing for the other selector; one that does not hold what DNS shows is not believed (I12).
func TestOlderKeystoreIsNotBelieved(t *testing.T) {
	for title, tt := range map[string]struct {
		change  func(*scene)
		keys    map[string]int
		refused bool
	}{
		"nothing for a selector that lost its key": {func(s *scene) {
			s.Stands("s2", 3)
			s.Hold("s1", "", 0)
			s.Show("s1")
			s.Past("s1", "")
		}, map[string]int{"s2": 3}, false},
		"DNS shows another": {func(s *scene) { s.Stands("s2", 3); s.Show("s1", plantest.Record(plantest.Keys()[2])) },
			map[string]int{"s1": 0, "s2": 3}, true},
		"a lost key of ours": {func(s *scene) { s.Hold("s2", "", 0) }, map[string]int{"s1": 0}, false},
	} {
		s := plantest.Ready()
		tt.change(s)
		p := adoption.Plan(s.Now, s.Want.Domain, s.Want.Request, s.Have, s.Seen, held(tt.keys))
		code := fault.CodeOf(p.Stop)
		if refused := code == codes.OldKeystore || code == codes.ReplacedKey; refused != tt.refused {
			t.Errorf("%s: %v", title, p.Stop)
		}
	}
}

// TestFormerRecordIsSeen: what DNS shows at a selector that the domain had earlier counts in the plan of an adoption,
// too: a record that stands is not said to be missing, and published.
func TestFormerRecordIsSeen(t *testing.T) {
	for record, want := range map[string]bool{plantest.Record(plantest.Keys()[2]): false, "": true} {
		s := plantest.Ready()
		s.Stands("s2", 3)
		s.Have.Earlier = rotate.Earlier{"a": {Key: plantest.KeyAt(2)}}
		s.Have.Former = []rotate.Former{{Selector: "a", Signer: "mx1", Until: s.Now.Add(time.Hour)}}
		s.Have.Earlier["a"].Key.PublishedAt = plantest.LongAgo
		sight := rotate.Sight{Complete: true}
		if record != "" {
			sight.Values = []string{record}
		}
		s.Seen.Left = map[string]rotate.RecordSeen{"a": {Sight: sight}}
		p := adoption.Plan(s.Now, s.Want.Domain, s.Want.Request, s.Have, s.Seen, held(map[string]int{"s1": 0, "s2": 3}))
		if steps := plantest.Steps(p, s.Now); strings.Contains(steps, "publish a") != want {
			t.Errorf("shown %q: %s; %v", record, steps, p.Stop)
		}
	}
}
