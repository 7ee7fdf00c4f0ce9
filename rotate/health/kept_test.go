package health_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestWhatReceiversKeep: what receivers may keep is named where they are waited for: the key that was replaced until the
// new one has settled, and after that one by which another key shadowed it, as long as the longer of both. Of resolvers
// nothing is said (I2).
func TestWhatReceiversKeep(t *testing.T) {
	const settle = 60 * 24 * time.Hour
	replaced := func(s *scene) { s.Have.Selectors["s2"].Key.Replaced = true }
	for title, c := range map[string]struct {
		change func(*scene)
		after  time.Duration // after resolvers know the record
		want   string
	}{
		"resolvers know it":             {func(*scene) {}, 0, ""},
		"there is no key":               {func(s *scene) { s.Have.Selectors["s2"].Key = nil }, time.Hour, ""},
		"until it has settled":          {replaced, settle, "this one is not used before its record has been public for 60d"},
		"after it has":                  {replaced, settle + 1, "some receivers keep that for up to 60d"},
		"another key stood there since": {func(*scene) {}, time.Hour, "some receivers keep that for up to 60d"},
	} {
		s := plantest.Ready()
		s.Want.Policy.Settle = settle
		c.change(s)
		h := health.New(s.Now, s.Want.Domain, s.Have, s.Seen)
		got := h.Kept("s2", h.Known("s2").Add(c.after))
		if !strings.HasSuffix(got, c.want) && !strings.Contains(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%s: %q, want %q", title, got, c.want)
		}
	}
}

// TestFreshKeyIsLost: a fresh key that no signer has used is made again, also while the other selector's key is
// compromised: it need not be brought back.
func TestFreshKeyIsLost(t *testing.T) {
	s := plantest.Stored()
	plantest.Leak("s2")(s)
	s.Hold("s1", "", 0)
	s.OldKept("s1", false)
	h := health.New(s.Now, s.Want.Domain, s.Have, s.Seen)
	if f := h.KeyDrift("s1"); f == nil || !strings.Contains(f.Repair, "another fresh key takes its place by itself") {
		t.Errorf("%+v", f)
	}
}

// TestKeyIsLostWhileSetUp: while a domain is set up no drain ends an emergency, so the words for one that waits for a
// standby's key are not said of its other key.
func TestKeyIsLostWhileSetUp(t *testing.T) {
	s := plantest.Bootstrapping()
	s.Sign("s1", "mx1")
	plantest.Leak("s1")(s)
	s.Hold("s2", "", 0)
	h := health.New(s.Now, s.Want.Domain, s.Have, s.Seen)
	if f := h.KeyDrift("s2"); f == nil || !strings.HasPrefix(f.Repair, "restore it from a backup of the keystore") {
		t.Errorf("%+v", f)
	}
}
