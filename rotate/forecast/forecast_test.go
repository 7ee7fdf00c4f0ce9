package forecast_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/approval"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/forecast"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
	"github.com/google/go-cmp/cmp"
)

const day = 24 * time.Hour

// startOf returns where a forecast of the scene begins.
func startOf(s *plantest.Scene, lags map[string]time.Duration) forecast.Start {
	return forecast.Start{Now: s.Now, Want: s.Want.Domain, Request: s.Want.Request, Have: s.Have, Seen: s.Seen, Lags: lags}
}

// Forecast leaves its arguments alone (I11), names no key that is yet to be made,
// and never fails to end.
func TestForecastIsPure(t *testing.T) {
	for n, make := range []func() *plantest.Scene{plantest.New, plantest.Bootstrapping, plantest.Ready, plantest.Switching, plantest.Draining, plantest.Drained, plantest.Stored, plantest.Published, plantest.Replaced} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			s, same := make(), make()
			out := forecast.Of(startOf(s, nil), s.Now.Add(365*day))
			errs := cmp.Comparer(func(a, b error) bool { return errors.Is(a, b) })
			if diff := cmp.Diff(same, s, cmp.AllowUnexported(plantest.Scene{}), errs); diff != "" {
				t.Errorf("the arguments were changed:\n%s", diff)
			}
			if out.Stop != nil || len(out.Coming) < 20 {
				t.Errorf("%v, %d steps", out.Stop, len(out.Coming))
			}
			for _, c := range out.Coming {
				before, after := approval.FactsOf(c.Step)
				for _, f := range []approval.Facts{before, after} {
					for name, v := range f {
						if strings.HasPrefix(v, "to be made") {
							t.Errorf("%s is %q", name, v)
						}
					}
				}
			}
		})
	}
}

// TestAskedOnce: a rotation that is asked for is foreseen once; those that follow come as the schedule says.
func TestAskedOnce(t *testing.T) {
	s := plantest.Ready()
	s.Want.Policy.Schedule = "0 4 1 1 *" // not in the time that is looked at
	s.Want.Asked = true
	out := forecast.Of(startOf(s, nil), s.Now.Add(90*day))
	if n := activations(out); out.Stop != nil || n != len(s.Want.Signers) {
		t.Errorf("%v; %d activations", out.Stop, n)
	}
}

// activations counts how often a signer is given a key.
func activations(out forecast.Outlook) (n int) {
	for _, c := range out.Coming {
		if c.Step.Kind == rotate.Activate {
			n++
		}
	}
	return n
}

// TestRevokedIsOurs: what stands after a revocation is foreseen as dkimbot's own, so that the fresh key in its place
// is foreseen, too: of a new domain no phase says so.
func TestRevokedIsOurs(t *testing.T) {
	s := plantest.Bootstrapping()
	plantest.Leak("s1")(s)
	made := forecast.Emergency(startOf(s, nil))
	want := "revoke s1, generate s1, store s1, publish s1, verify s1, destroy s1"
	if got := plantest.Steps(made, s.Now); made.Stop != nil || len(made.Warnings) > 0 || got != want {
		t.Errorf("stopped by %v; %s; warnings %q", made.Stop, got, finding.Texts(made.Warnings))
	}
}

// TestRevokedStaysInCaches: resolvers keep what a revocation takes away for the TTL that DNS shows, also where somebody
// made that longer than the policy's: signers go to the fresh key in its place after that (I2).
func TestRevokedStaysInCaches(t *testing.T) {
	for shown, wait := range map[time.Duration]time.Duration{9 * time.Hour: 9 * time.Hour, time.Minute: time.Hour} {
		staysInCaches(t, shown, wait)
	}
}

// staysInCaches plays an emergency in which DNS showed a TTL for what is revoked, and signers are to wait.
func staysInCaches(t *testing.T, ttl, wait time.Duration) {
	t.Helper()
	s := plantest.Ready()
	plantest.Leak("s1")(s)
	plantest.Leak("s2")(s)
	s.Have, s.Have.Draining = rotate.CopyState(s.Have), "s2"
	s.Have.Enter(rotate.Draining)
	seen := s.Seen.Selectors["s2"]
	seen.Sight.TTL, seen.Sight.Negative = ttl, 0
	s.Seen.Selectors["s2"] = seen
	moved := 0
	for _, step := range forecast.Emergency(startOf(s, nil)).Steps {
		if step.Kind == rotate.Activate && step.Selector == "s2" {
			if moved++; step.NotBefore.Before(s.Now.Add(wait)) {
				t.Errorf("TTL %s: signer %s goes to s2 at %s", ttl, step.Signer, step.NotBefore)
			}
		}
	}
	if moved != len(s.Want.Signers) {
		t.Errorf("%d signers go to s2", moved)
	}
}

// TestOpen: an emergency is open while a compromised key is there, or one is reported now. What else is asked of the
// domain, or that it was released, is planned as it is.
func TestOpen(t *testing.T) {
	released := func(s *plantest.Scene) { s.Have.Released = &rotate.ReleaseState{} }
	for title, c := range map[string]struct {
		changes []func(*plantest.Scene)
		asked   rotate.Instruction
		want    bool
	}{
		"all is well":             {nil, nil, false},
		"a report":                {nil, rotate.Compromised{}, true},
		"a compromised key":       {[]func(*plantest.Scene){plantest.Leak("s2")}, nil, true},
		"a rollback is asked for": {[]func(*plantest.Scene){plantest.Leak("s2")}, rotate.Rollback{}, false},
		"it was released":         {[]func(*plantest.Scene){plantest.Leak("s2"), released}, nil, false},
	} {
		s := plantest.Ready()
		for _, change := range c.changes {
			change(s)
		}
		if got := forecast.Open(s.Have, c.asked); got != c.want {
			t.Errorf("%s: %t", title, got)
		}
	}
}
