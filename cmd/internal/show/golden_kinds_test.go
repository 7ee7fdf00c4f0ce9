package show_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/planfile"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/plan"
	"github.com/google/go-cmp/cmp"
)

// rareScenes are domains whose plans have the kinds of step, and the facts, that scenes has not.
func rareScenes(t testing.TB) []scene {
	leak := func(selector string, s *scene) { s.have.Selectors[selector].Key.Leaked = now.Add(-time.Hour) }
	return []scene{
		ready(t, "flees.test", func(s *scene) { leak("s1", s) }),
		ready(t, "revokes.test", func(s *scene) { leak("s1", s); s.have.Selectors["s1"].Key.RevokeNow = true; leak("s2", s) }),
		ready(t, "drains.test", drained, func(s *scene) { leak("s1", s) }),
		ready(t, "purged.test", func(s *scene) {
			s.have.Released = &rotate.ReleaseState{At: now.Add(-9 * 24 * time.Hour), Purge: true,
				LastUsed: now.Add(-8 * 24 * time.Hour), Unused: true}
			s.seen.Signers = map[string]rotate.SignerSeen{"mx1": {}, "mx2": {}}
		}),
		ready(t, "unchecked.test", drained, func(s *scene) {
			for name, seen := range s.seen.Selectors {
				seen.Sight = rotate.Sight{Zone: s.want.Name, Unchecked: true}
				s.seen.Selectors[name] = seen
			}
		}),
		ready(t, "resolvers.test", func(s *scene) {
			s.show("s2")
			seen := s.seen.Selectors["s2"]
			seen.Sight.Asked = "every resolver"
			s.seen.Selectors["s2"] = seen
		}),
		ready(t, "resumed.test", drained, func(s *scene) {
			next := keyOf(t, "fresh")
			s.have.Phase, s.have.Selectors["s1"].Tried = rotate.Replacing, []string{next.ID}
			s.seen.Selectors["s1"] = rotate.SelectorSeen{Sight: s.seen.Selectors["s1"].Sight, KeyID: next.ID, Version: 2,
				Kept: true, OldKept: true}
		}),
		ready(t, "dropped.test", func(s *scene) {
			s.have.Selectors["s2"].Retired = []rotate.Retired{{KeyID: keyOf(t, "given up").ID, Version: 7, Dropped: true}}
		}),
		ready(t, "sentback.test", func(s *scene) {
			s.have.Phase, s.have.Target, s.have.Held = rotate.Switching, "s2", []string{"mx1"}
			s.sign("s2", "mx1", "mx2")
			c := s.have.Signers["mx1"]
			c.Unsure = true
			s.have.Signers["mx1"] = c
		}),
		ready(t, "adopting.test", fresh, func(s *scene) {
			k := keyOf(t, "adopted")
			s.have.Phase, s.have.Target, s.have.Selectors = rotate.Bootstrapping, "s1",
				map[string]*rotate.Selector{"s1": {Tried: []string{k.ID}}, "s2": {}}
			s.have.Intent = &rotate.Intent{Kind: rotate.Adopt, Selector: "s1", KeyID: k.ID, Record: k.Record, At: now}
			s.show("s1", k.Record)
			seen := s.seen.Selectors["s1"]
			seen.KeyID, seen.Version = k.ID, 1
			s.seen.Selectors["s1"] = seen
			s.seen.Signers["mx1"] = rotate.SignerSeen{Ref: dkim.Ref{Name: dkim.Name{Domain: s.want.Name,
				Selector: "s1"}, KeyID: k.ID}}
		}),
	}
}

// TestGoldenKinds: the JSON of a plan has the same steps, facts and codes in every version.
func TestGoldenKinds(t *testing.T) {
	var plans []rotate.DomainPlan
	for _, s := range rareScenes(t) {
		p := plan.Plan(now, s.want, s.req, s.have, s.seen)
		p.Basis = s.have.Basis()
		plans = append(plans, p)
	}
	doc := planfile.New(planfile.Context{Created: now, For: now, ConfigSHA256: "cafe"}, plans)
	doc.PlanID, doc.Checksum = "abcdefghijklmnopqrstuvwxyz", "sha256:not counted here"
	golden(t, "kinds.json", doc.Encode())
	for i, p := range plans {
		for j, got := range doc.Domains[i].Plan().Steps {
			want := p.Steps[j]
			want.Duty = "" // which is nothing to approve of
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: what is read back from the document is not what was planned:\n%s", p.Name, diff)
			}
		}
	}
}

// TestSavedBefore: the plans that the golden files hold, which an earlier version saved, are
// fresh for the states that they were made from: an update makes no saved plan stale.
func TestSavedBefore(t *testing.T) {
	for file, all := range map[string][]scene{"plan.json": scenes(t), "kinds.json": rareScenes(t)} {
		data, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		var doc planfile.Document
		if err := json.Unmarshal(data, &doc); err != nil {
			t.Fatal(err)
		}
		for i, s := range all {
			approval := doc.Approval(doc.Domains[i])
			approval.Conditions.Revision = -1 // so that the digest of the state is compared
			if file == "plan.json" {          // which was planned without asking a Planner
				approval.Conditions.State = s.have.Basis()
			}
			if why, _ := approval.Stale(s.have, s.seen); len(why) > 0 {
				t.Errorf("%s, %s: %v", file, s.want.Name, why)
			}
			again := planfile.New(planfile.Context{Created: now, For: now}, []rotate.DomainPlan{doc.Domains[i].Plan()})
			for j, step := range again.Domains[0].Steps {
				before, _ := json.Marshal(doc.Domains[i].Steps[j])
				after, _ := json.Marshal(step)
				if string(before) != string(after) {
					t.Errorf("%s, %s: the step\n%s\nreads back as\n%s", file, s.want.Name, before, after)
				}
			}
		}
	}
}
