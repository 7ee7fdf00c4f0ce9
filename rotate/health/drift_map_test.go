package health_test

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

var update = flag.Bool("update", false, "write the map of drift as it is now")

// TestDriftMap holds to testdata/drift.txt what an operator reads when something differs: each finding once, "!" where a
// person has to act, what is there, and what becomes of it; below it at which stages, and what is otherwise there: at one
// selector, and with what a signer says. Who means to change what is said runs it with -update, and reads each line that
// changes: it must be true (results say what is so).
func TestDriftMap(t *testing.T) {
	said := driftWords{names: plantest.KeyNames(), where: map[string]map[string][]string{}}
	nothing := plantest.Variation{Change: func(*scene) {}}
	for _, says := range append([]plantest.Variation{nothing}, signersSay()...) {
		for _, c := range append([]plantest.Variation{nothing}, driftChanges()...) {
			for _, stage := range driftStages() {
				both := said.find(stage, c, says)
				if c.Name != "" && says.Name != "" { // only what neither of them lets it say
					if strings.HasSuffix(says.Name, "with s9") || strings.HasSuffix(says.Name, "before") {
						continue
					}
					known := append(said.find(stage, c), said.find(stage, says)...)
					both = slices.DeleteFunc(both, func(line string) bool { return slices.Contains(known, line) })
				}
				said.note(both, stage.Name, says.Name, c.Name)
			}
		}
	}
	plantest.Golden(t, "drift.txt", said.String(), *update)
}

// driftWords are findings, and where they are said.
type driftWords struct {
	names *strings.Replacer              // the keys are new in each run
	where map[string]map[string][]string // by finding, and by what is otherwise: the stages
	order []string                       // what is otherwise
}

// find returns what is found in a scene: first what is there, then what becomes of it.
func (w *driftWords) find(changes ...plantest.Variation) (out []string) {
	s := &scene{}
	for _, c := range changes {
		c.Change(s)
	}
	for _, f := range health.Drift(s.Now, s.Want.Domain, s.Have, s.Seen) {
		line := fmt.Sprintf("%s: %s\n   -> %s", plantest.Findings([]finding.Finding{f}), f.Message, f.Repair)
		if f.Cause != "" {
			line += fmt.Sprintf(" (%s)", f.Cause)
		}
		line = w.names.Replace(line)
		for i, key := range plantest.Keys() { // where only the beginning is shown
			line = strings.ReplaceAll(line, plantest.Record(key)[:60], fmt.Sprintf("v=DKIM1; k=ed25519; p=P%d", i))
		}
		out = append(out, line)
	}
	return out
}

func (w *driftWords) note(lines []string, stage, says, change string) {
	otherwise := says + "\t" + change
	if !slices.Contains(w.order, otherwise) {
		w.order = append(w.order, otherwise)
	}
	for _, line := range lines {
		if w.where[line] == nil {
			w.where[line] = map[string][]string{}
		}
		w.where[line][otherwise] = append(w.where[line][otherwise], stage)
	}
}

func (w *driftWords) String() string {
	var out strings.Builder
	for _, line := range slices.Sorted(maps.Keys(w.where)) {
		out.WriteString(line + "\n")
		var heads []string
		under := map[string][]string{} // by stages and what the signer says: what is otherwise
		for _, otherwise := range w.order {
			stages := w.where[line][otherwise]
			if stages == nil {
				continue
			}
			says, change, _ := strings.Cut(otherwise, "\t")
			head := "\t[" + strings.Join(stages, " | ") + "] " + says
			if under[head] == nil {
				heads = append(heads, head)
			}
			under[head] = append(under[head], change)
		}
		for _, head := range heads {
			changes := strings.Join(under[head], "; ")
			if strings.HasSuffix(head, " ") || changes == "" {
				fmt.Fprintf(&out, "%s%s\n", head, changes)
				continue
			}
			fmt.Fprintf(&out, "%s, with %s\n", head, changes)
		}
	}
	return out.String()
}

// driftStages are where a domain can stand.
func driftStages() (out []plantest.Variation) {
	for _, stage := range plantest.Stages() {
		if slices.Contains([]string{"bootstrapping, one signs", "ready", "ready, leaked", "switching", "draining",
			"draining, old one leaked", "stored", "stored, leaked", "published", "replaced"}, stage.Name) {
			out = append(out, stage)
		}
	}
	return out
}

// signersSay are what signers say that they should not.
func signersSay() []plantest.Variation {
	return named(plantest.SignerChanges(), "mx2 silent", "mx2 signs with s1", "mx2 signs with s2", "mx2 signs with a key of before",
		"mx2 signs with s9", "mx2 signs nothing")
}

// driftChanges are what can be wrong with the records and the private keys.
func driftChanges() (out []plantest.Variation) {
	for _, name := range []string{"s1", "s2"} {
		all := append(accountChanges(name), named(plantest.DNSChanges(name), "nothing", "nothing, a server silent", "another's record",
			"another's record beside it", "the same twice", "an earlier record", "an empty p=", "an empty p= of ours", "the testing flag",
			"other tags", "a server lags", "a server is silent", "rejected by resolvers", "DNS silent")...)
		for _, v := range all {
			out = append(out, plantest.Variation{Name: name + ": " + v.Name, Change: v.Change})
		}
		for _, v := range []string{"no private key", "keystore silent", "another private key", "another key everywhere", "revoked"} {
			out = append(out, named(plantest.Changes(), name+": "+v)...)
		}
	}
	return append(out, plantest.Variation{Name: "on hold",
		Change: func(s *scene) { s.Have.OnHold = &rotate.OnHold{At: plantest.LongAgo} }})
}

// accountChanges are what single servers may show.
func accountChanges(name string) []plantest.Variation {
	shows := func(several bool, values ...string) func(*scene) {
		return func(s *scene) {
			own := s.Seen.Selectors[name].Sight.Values
			s.Show(name, append(slices.Clone(own), values...)...)
			s.Lag(name)
			at := s.Seen.Selectors[name]
			at.Sight.Shown = map[string][]string{"ns1": own, "ns2": values}
			s.Seen.Selectors[name] = at
			if several {
				s.Want.Also = []string{"second"}
			}
		}
	}
	return []plantest.Variation{
		{Name: "not at one server", Change: shows(false)},
		{Name: "not at one account", Change: shows(true)},
		{Name: "another's record at one account", Change: shows(true, plantest.Record(plantest.Keys()[3]))},
		{Name: "lately published", Change: func(s *scene) {
			shows(true)(s)
			if key := s.Selector(name).Key; key != nil {
				key.PublishedAt, key.VerifiedAt = s.Now.Add(-time.Minute), time.Time{}
			}
		}},
	}
}

func named(all []plantest.Variation, names ...string) []plantest.Variation {
	return slices.DeleteFunc(all, func(v plantest.Variation) bool { return !slices.Contains(names, v.Name) })
}
