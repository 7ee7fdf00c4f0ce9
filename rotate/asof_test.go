package rotate_test

import (
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestRevokeNowOfAnOlderState: where an earlier build noted for the domain that the compromised key is to be revoked
// at once, it counts for the key that was active, and for none that comes after it.
func TestRevokeNowOfAnOlderState(t *testing.T) {
	s := plantest.Ready()
	s.Have.RevokeNow = true
	st := s.Have.AsOf(s.Now)
	if st.RevokeNow || !st.Selectors["s1"].Key.RevokeNow || st.Selectors["s2"].Key.RevokeNow {
		t.Errorf("%t, s1 %t, s2 %t", st.RevokeNow, st.Selectors["s1"].Key.RevokeNow, st.Selectors["s2"].Key.RevokeNow)
	}
	none := rotate.State{Domain: "example.com", RevokeNow: true, Active: "s1",
		Selectors: map[string]*rotate.Selector{"s1": {}}}.AsOf(s.Now)
	if none.RevokeNow {
		t.Error("it is kept for a key that is yet to come")
	}
}

// TestBasisOfANewDomain: a domain that was never stored and one that was stored as new are the same to a plan.
func TestBasisOfANewDomain(t *testing.T) {
	if got, want := (rotate.State{Domain: "a"}).Basis(), (rotate.State{Domain: "a", Phase: rotate.New}).Basis(); got != want {
		t.Errorf("%s and %s", got, want)
	}
}

// TestBasisOfAccounts: a plan that an older version made stays valid where one account holds the records, and is not
// where a second one is listed since.
func TestBasisOfAccounts(t *testing.T) {
	basis := func(accounts ...string) string { return rotate.State{Domain: "a", Accounts: accounts}.Basis() }
	if basis("old") != basis() || basis("old", "new") == basis() || basis("old", "new") == basis("old", "other") {
		t.Error("accounts do not count in a plan as they should")
	}
}

// TestUnknownBoot: where neither moment says since which start of the machine it counts, they can't be compared, and no
// time is moved: that would lengthen waits by years or none (I2).
func TestUnknownBoot(t *testing.T) {
	st := rotate.State{Clock: &rotate.Instant{At: plantest.Now, Up: time.Hour}, SwitchedAt: plantest.Now}
	got, ahead := st.Adjusted(rotate.Instant{At: plantest.Now.Add(30 * day), Up: 2 * time.Hour})
	if ahead != 0 || !got.SwitchedAt.Equal(st.SwitchedAt) {
		t.Errorf("set forward by %s, switched at %s", ahead, got.SwitchedAt)
	}
}

// TestEndlessTTL: an earlier build noted a TTL of decades that a zone showed once. No resolver keeps anything for longer
// than a week, so no wait lasts longer: a compromised key would stay until then.
func TestEndlessTTL(t *testing.T) {
	const years = 70 * 365 * day
	s := plantest.Ready()
	sel := s.Have.Selectors["s1"]
	sel.TTL, sel.PrecededTTL, sel.Key.CacheWait = years, years, years
	sel.Next = &rotate.Key{CacheWait: time.Hour}
	got := s.Have.AsOf(s.Now).Selectors["s1"]
	if got.TTL != 7*day || got.PrecededTTL != 7*day || got.Key.CacheWait != 7*day || got.Next.CacheWait != time.Hour {
		t.Errorf("%s, %s, %s, %s", got.TTL, got.PrecededTTL, got.Key.CacheWait, got.Next.CacheWait)
	}
}
