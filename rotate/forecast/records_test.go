package forecast_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/forecast"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestRepairOfALeftRecordIsForeseenOnce: the record at a selector that the domain had earlier, and with which a signer
// signs yet, is foreseen to be published again once: it stands then, and what else is to come is foreseen (I2).
func TestRepairOfALeftRecordIsForeseenOnce(t *testing.T) {
	s := plantest.Ready()
	key := plantest.KeyAt(2)
	key.PublishedAt, key.VerifiedAt = plantest.LongAgo, plantest.LongAgo
	s.Have.Earlier = rotate.Earlier{"old": {Key: key}}
	s.Have.Former = rotate.Formers{{Selector: "old", Signer: "mx1"}}
	s.Drift("old", key.ID, "mx1")
	s.Seen.Left = map[string]rotate.RecordSeen{"old": {Sight: rotate.Sight{Complete: true}}}
	out := forecast.Of(startOf(s, nil), s.Now.Add(day))
	var steps []string
	for _, c := range out.Coming {
		steps = append(steps, c.Step.Words())
	}
	if got := strings.Join(steps, ", "); out.Stop != nil || got != "publish old, verify s1, activate mx1 s1" {
		t.Errorf("%s; %v", got, out.Stop)
	}
}

// TestForeignRecordIsForeseenToStay guards I6: after the revocation of a key beside whose record somebody else's stands,
// that one is foreseen to stand there still: no fresh key is promised at that name, and it is said that what follows is
// not known.
func TestForeignRecordIsForeseenToStay(t *testing.T) {
	for foreign, want := range map[string]string{
		"":                     "revoke s1, activate s2/mx1, activate s2/mx2, destroy s1, generate s1, store s1, publish s1, verify s1",
		plantest.ForeignRecord: "revoke s1, activate s2/mx1, activate s2/mx2, destroy s1",
	} {
		s := plantest.Ready()
		plantest.Leak("s1")(s)
		plantest.RevokeNow("s1")(s)
		if foreign != "" {
			s.Show("s1", s.Have.Selectors["s1"].Key.Record, foreign)
		}
		made := forecast.Emergency(startOf(s, nil))
		if got := plantest.Steps(made, s.Now); got != want || made.Stop != nil {
			t.Errorf("%q: %s; %v", foreign, got, made.Stop)
		}
		ends := func(w finding.Warning) bool { return w.Code == codes.EndUnknown }
		if slices.ContainsFunc(made.Warnings, ends) != (foreign != "") {
			t.Errorf("%q: warnings %q", foreign, finding.Texts(made.Warnings))
		}
	}
}

// TestRevokedRecordIsForeseenAlone: what is revoked is foreseen to stand alone at its name, and what a wildcard showed
// there before is waited for once, for the hour that its TTL is longer, when a fresh key is published. Where DNS is not asked, a revocation does not
// make the outlook end.
func TestRevokedRecordIsForeseenAlone(t *testing.T) {
	revoked := func(s *plantest.Scene) *plantest.Scene {
		for _, sel := range []string{"s1", "s2"} {
			plantest.Leak(sel)(s)
			plantest.RevokeNow(sel)(s)
		}
		return s
	}
	wild := revoked(plantest.Bootstrapping())
	wild.Show("s1")
	wild.Wildcard("s1", "v=spf1 -all")
	usual := forecast.Emergency(startOf(revoked(plantest.Bootstrapping()), lags))
	if got := forecast.Emergency(startOf(wild, lags)); got.Next == nil ||
		!got.Next.At.Equal(usual.Next.At.Add(time.Hour)) || got.Next.Reason != usual.Next.Reason {
		t.Errorf("with a wildcard next is %+v, else %+v", got.Next, usual.Next)
	}
	unasked := revoked(plantest.Ready())
	unasked.Uncheck()
	if out := forecast.Of(startOf(unasked, lags), unasked.Now.Add(50*day)); out.Stop != nil || len(out.Coming) < 20 {
		t.Errorf("where DNS is not asked, the outlook ends at %s after %d steps: %v", out.Until, len(out.Coming), out.Stop)
	}
}

// TestWildcardEndsWithTheRecord: what a wildcard shows at a selector of a new domain is foreseen to end where the record
// is published, so that the switch follows.
func TestWildcardEndsWithTheRecord(t *testing.T) {
	for _, value := range []string{"v=spf1 -all", plantest.ForeignRecord} {
		s := plantest.New()
		s.Wildcard("s1", value)
		out := forecast.Of(startOf(s, nil), s.Now.Add(15*day))
		if n := activations(out); out.Stop != nil || n != len(s.Want.Signers) {
			t.Errorf("%s: %d signers are given a key; %v", value, n, out.Stop)
		}
	}
}
