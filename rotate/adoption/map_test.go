package adoption_test

import (
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/adoption"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

var update = flag.Bool("update", false, "write the map of adoptions as it is now")

// given is the adoption of keys that somebody else made, by selector and number of the key.
func given(keys map[string]int, active string) rotate.Adoption {
	a := held(keys)
	a.FromKeystore, a.Active = false, active
	return a
}

// adoptions are what is adopted, where.
var adoptions = []struct {
	name  string
	scene func() *scene
	what  rotate.Adoption
}{
	{"a new domain, the key that both signers use", shownAndUsed(plantest.New, "s1"), given(map[string]int{"s1": 0}, "")},
	{"a new domain, a key that is only public", shown("s1"), given(map[string]int{"s1": 0}, "")},
	{"a new domain, a key that is only public, to sign", shown("s1"), given(map[string]int{"s1": 0}, "s1")},
	{"a new domain, two keys", shownAndUsed(both, "s1"), given(map[string]int{"s1": 0, "s2": 1}, "")},
	{"a new domain, two keys, the second to sign", both, given(map[string]int{"s1": 0, "s2": 1}, "s2")},
	{"a new domain, a key twice", shown("s1"), rotate.Adoption{Keys: append(held(map[string]int{"s1": 0}).Keys,
		held(map[string]int{"s1": 1}).Keys...)}},
	{"a new domain, no key", plantest.New, rotate.Adoption{}},
	{"a new domain, two keys from the keystore", kept, held(map[string]int{"s1": 0, "s2": 1})},
	{"a new domain, two keys from the keystore, one of a later version", kept, rotate.Adoption{FromKeystore: true,
		Keys: held(map[string]int{"s1": 0, "s2": 1}).Keys, Stored: map[string]string{"s2": "later"}}},
	{"a domain that is brought up, a key at the other selector", begun, given(map[string]int{"s1": 0}, "")},
	{"a domain that is ready, its own key once more", plantest.Ready, given(map[string]int{"s1": 0}, "")},
	{"a domain that is ready, keys of later", later, held(map[string]int{"s1": 0, "s2": 3})},
}

// shown returns a new domain at whose selector DNS shows a key.
func shown(selector string) func() *scene {
	return func() *scene {
		s := plantest.New()
		s.Show(selector, plantest.Record(plantest.Keys()[0]))
		return s
	}
}

func shownAndUsed(start func() *scene, selector string) func() *scene {
	return func() *scene {
		s := start()
		s.Show(selector, plantest.Record(plantest.Keys()[0]))
		s.Drift(selector, plantest.Keys()[0].ID(), "mx1", "mx2")
		return s
	}
}

func both() *scene {
	s := plantest.New()
	s.Show("s1", plantest.Record(plantest.Keys()[0]))
	s.Show("s2", plantest.Record(plantest.Keys()[1]))
	return s
}

func kept() *scene {
	s := both()
	s.Hold("s1", plantest.Keys()[0].ID(), 1)
	s.Hold("s2", plantest.Keys()[1].ID(), 2)
	return s
}

// begun returns a domain that is brought up with a key of its own at s2 while signers use one at s1.
func begun() *scene {
	s := plantest.Bootstrapping()
	s.Have.Target = "s2"
	s.Have.Selectors["s1"].Key = nil
	s.Hold("s1", "", 0)
	s.Drift("s1", plantest.Keys()[0].ID(), "mx1", "mx2")
	return s
}

// later returns a domain of whose second key the state knows nothing.
func later() *scene {
	s := plantest.Ready()
	s.Stands("s2", 3)
	return s
}

// TestAdoptionMap holds to testdata/adoptions.txt what an adoption does and everything that follows it, as
// TestPlanMap does for plans. Who changes it reads each line that changes: no record that receivers may need is
// taken for another one, and no signer leaves a key for one that DNS does not show (I2, I6).
func TestAdoptionMap(t *testing.T) {
	var out strings.Builder
	names := plantest.KeyNames()
	for _, a := range adoptions {
		fmt.Fprintf(&out, "# %s\n", a.name)
		play := func(change func(*scene)) []string {
			s := a.scene()
			change(s)
			return adoptionOf(s, a.what, names)
		}
		usual := play(func(*scene) {})
		fmt.Fprintln(&out, strings.Join(usual, "\n"))
		with := map[string][]string{}
		for _, v := range plantest.Changes() {
			if line := plantest.Otherwise(usual, play(v.Change)); line != "" {
				with[line] = append(with[line], v.Name)
			}
		}
		plantest.WriteGroups(&out, with)
		out.WriteString("\n")
	}
	plantest.Golden(t, "adoptions.txt", out.String(), *update)
}

// adoptionOf plans an adoption, and writes with it what becomes of each key: the record that is to stand, how
// long resolvers are waited for, and whether it waits like a key that was replaced.
func adoptionOf(s *scene, a rotate.Adoption, names *strings.Replacer) []string {
	p := adoption.Plan(s.Now, s.Want.Domain, s.Want.Request, s.Have, s.Seen, a)
	out := plantest.Lines(s.Now, p, names)
	adopter := adoption.New(s.Now, s.Want.Domain, s.Want.Request, s.Have, s.Seen)
	for _, step := range p.Steps {
		if step.Kind != rotate.Adopt {
			continue
		}
		key := adopter.Adopted(step)
		wait, replaced, testing := "", "", ""
		if key.CacheWait > 0 {
			wait = " waits " + key.CacheWait.String()
		}
		if key.Replaced {
			replaced = " like a replaced one"
		}
		if r, err := dkim.ParseRecord(step.To.Record); err != nil || r.Testing() {
			testing = " in test mode"
		}
		kept, _, _ := strings.Cut(step.Reason.Message, ";")
		out = append(out, names.Replace(fmt.Sprintf("adopted %s >%s, %s signs: %s%s%s%s", step.Selector, key.ID, step.Signs,
			kept, wait, replaced, testing)))
	}
	return out
}
