package foresight_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/foresight"
)

// TestOneNameSaysTheFirst: where both places are taken, each plan says the same of the two, and that a run may come to
// the other domain first.
func TestOneNameSaysTheFirst(t *testing.T) {
	taken := func(domain string) rotate.DomainPlan {
		return rotate.DomainPlan{Name: domain, Steps: []rotate.Step{{Kind: rotate.Publish, Selector: "s1"},
			{Kind: rotate.Publish, Selector: "s2"}}, Seen: rotate.Observation{Selectors: map[string]rotate.SelectorSeen{
			"s1": {Sight: rotate.Sight{Owner: "k.example."}}, "s2": {Sight: rotate.Sight{Owner: "l.example."}}}}}
	}
	for range 30 {
		plans := []rotate.DomainPlan{taken("a.example"), taken("b.example")}
		foresight.OneName(plans)
		if err := plans[1].Stop; err == nil || !strings.Contains(err.Error(), "s1._domainkey.b.example") ||
			!strings.Contains(err.Error(), "may also come to b.example first, and refuse a.example") {
			t.Fatal(err)
		}
	}
}

// TestOneName guards I2: of two domains that are planned together and whose selectors lead to one name, the second
// gets no key and no record there, which the run that follows would refuse; what stands elsewhere is planned.
func TestOneName(t *testing.T) {
	at := func(domain, owner string, all ...rotate.Step) rotate.DomainPlan {
		seen := map[string]rotate.SelectorSeen{"s1": {}, "s2": {}}
		seen["s1"] = rotate.SelectorSeen{Sight: rotate.Sight{Owner: owner}}
		return rotate.DomainPlan{Name: domain, Steps: all, Reason: rotate.Reason{Code: codes.Bootstrap},
			Seen: rotate.Observation{Selectors: seen}}
	}
	newly := func(made rotate.DomainPlan) rotate.DomainPlan {
		made.Phase, made.Steps = rotate.New, slices.Clone(made.Steps)
		for i := range made.Steps {
			made.Steps[i].Duty = rotate.Turn
		}
		return made
	}
	first := append(steps(rotate.Generate, rotate.StoreKey, rotate.Publish, rotate.Verify),
		rotate.Step{Kind: rotate.Activate, Selector: "s1", Signer: "mx1"},
		rotate.Step{Kind: rotate.Publish, Selector: "s2"}) // where no place is known
	after := []rotate.Kind{rotate.Publish}
	all := []rotate.Kind{rotate.Generate, rotate.StoreKey, rotate.Publish, rotate.Verify, rotate.Activate, rotate.Publish}
	for _, c := range []struct {
		name  string
		plans []rotate.DomainPlan
		want  [][]rotate.Kind
	}{
		{"one place", []rotate.DomainPlan{at("a.example", "k.example.", first...), at("b.example", "k.example.", first...)},
			[][]rotate.Kind{all, after}},
		{"two places", []rotate.DomainPlan{at("a.example", "k.example.", first...), at("b.example", "l.example.", first...)},
			[][]rotate.Kind{all, all}},
		{"nowhere", []rotate.DomainPlan{at("a.example", "", first...), at("b.example", "", first...)},
			[][]rotate.Kind{all, all}},
		{"the first publishes nothing", []rotate.DomainPlan{at("a.example", "k.example.", steps(rotate.Verify)...),
			at("b.example", "k.example.", first...)}, [][]rotate.Kind{{rotate.Verify}, all}},
		{"an older key at the place is destroyed", []rotate.DomainPlan{at("a.example", "k.example.", first...),
			at("b.example", "k.example.", append(steps(rotate.Generate, rotate.StoreKey, rotate.Publish),
				rotate.Step{Kind: rotate.Destroy, Duty: rotate.Disposal, Selector: "s1"})...)},
			[][]rotate.Kind{all, {rotate.Destroy}}},
		{"new ones", []rotate.DomainPlan{newly(at("a.example", "k.example.", first...)),
			newly(at("b.example", "k.example.", first...))}, [][]rotate.Kind{all, nil}},
		{"one that moves keeps signing", []rotate.DomainPlan{at("a.example", "k.example.", first...),
			func() rotate.DomainPlan {
				made := newly(at("b.example", "k.example.", first...))
				made.Steps = append(made.Steps, rotate.Step{Kind: rotate.Activate, Selector: "old", Duty: rotate.Signing})
				return made
			}()}, [][]rotate.Kind{all, {rotate.Activate}}},
		{"one that is managed, and begins to move", []rotate.DomainPlan{at("a.example", "k.example.", first...),
			func() rotate.DomainPlan {
				made := newly(at("b.example", "k.example.", append([]rotate.Step{{Kind: rotate.Generate, Selector: "s2"},
					{Kind: rotate.Publish, Selector: "s2"}}, first...)...))
				made.Phase, made.Ordered = rotate.Ready, []rotate.Event{{Kind: rotate.NewSelectors}}
				return made
			}()}, [][]rotate.Kind{all, nil}},
		{"a new one whose other place is free", []rotate.DomainPlan{at("a.example", "k.example.", first...),
			newly(at("b.example", "k.example.", append([]rotate.Step{{Kind: rotate.Generate, Selector: "s2"},
				{Kind: rotate.Publish, Selector: "s2"}}, first...)...))}, [][]rotate.Kind{all, nil}},
		{"a managed one's other work", []rotate.DomainPlan{at("a.example", "k.example.", first...), func() rotate.DomainPlan {
			made := newly(at("b.example", "k.example.", append([]rotate.Step{{Kind: rotate.Revoke, Selector: "s2"}}, first...)...))
			made.Phase = rotate.Replacing
			return made
		}()}, [][]rotate.Kind{all, {rotate.Revoke}}},
		{"three", []rotate.DomainPlan{at("a.example", "k.example.", first...),
			at("b.example", "k.example.", steps(rotate.Generate, rotate.StoreKey, rotate.Publish)...),
			at("c.example", "k.example.", first...)}, [][]rotate.Kind{all, nil, after}},
	} {
		t.Run(c.name, func(t *testing.T) {
			foresight.OneName(c.plans)
			for i, made := range c.plans {
				if !slices.Equal(kinds(made.Steps), c.want[i]) {
					t.Errorf("%s: %v, want %v", made.Name, kinds(made.Steps), c.want[i])
				}
				whole := len(c.want[i]) == len(all) || i == 0
				if refused := fault.CodeOf(made.Stop) == codes.SharedName; refused == whole {
					t.Errorf("%s: refused with %v", made.Name, made.Stop)
				}
				if none := made.Reason == (rotate.Reason{}); none != (len(c.want[i]) == 0) {
					t.Errorf("%s: the reason is %q", made.Name, made.Reason.Code)
				}
			}
		})
	}
}
