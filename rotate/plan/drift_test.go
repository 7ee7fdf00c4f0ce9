package plan_test

import (
	"slices"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
	"pgregory.net/rapid"
)

// TestDriftSaysWhatIsPlanned: where a finding says that dkimbot repairs it by itself,
// the plan does so, or says for what it waits; where it asks a person, and a record or
// key that is not dkimbot's is in the way, nothing is done at all (I6).
func TestDriftSaysWhatIsPlanned(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := plantest.Any(t)
		p := s.Plan()
		has := func(kind rotate.Kind, f finding.Finding) bool {
			return slices.ContainsFunc(p.Steps, func(s rotate.Step) bool {
				return s.Kind == kind && (s.Selector == f.Selector || f.Selector == "") && s.Signer == f.Signer
			})
		}
		for _, f := range p.Drift {
			switch f.Code {
			case codes.RecordForeign, codes.RecordSecond, codes.KeyDifferent:
				if p.Stop == nil {
					t.Fatalf("I6: %s, and the plan continues: %s", f.Message, plantest.Steps(p, s.Now))
				}
			case codes.RecordVanished, codes.RecordEarlier, codes.RecordsDoubled:
				if p.Stop == nil && p.Held == "" && !has(rotate.Publish, f) {
					t.Fatalf("%s; %s; the plan: %s", f.Message, f.Repair, plantest.Steps(p, s.Now))
				}
			case codes.SignerStrays, codes.SignerEmpty:
				if p.Stop == nil && p.Held == "" && !has(rotate.Activate, f) {
					t.Fatalf("%s; %s; the plan: %s", f.Message, f.Repair, plantest.Steps(p, s.Now))
				}
			}
		}
	})
}
