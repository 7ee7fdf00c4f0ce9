package rotate_test

import (
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

const day = 24 * time.Hour

// TestFingerprint holds the fingerprints of the version before to what they were: with
// another one, every stored domain would read as reconfigured and be worked on at once,
// and every saved plan as stale.
func TestFingerprint(t *testing.T) {
	plain := rotate.Domain{Name: "example.com", Provider: "dns", Signers: []string{"mx1"}, VerifyTimeout: 10 * time.Minute,
		Policy: rotate.Policy{Schedule: "0 4 1 * *", Timezone: "UTC", Drain: 7 * day, Settle: 7 * day, Key: dkim.RSA2048,
			Selectors: [2]string{"s1", "s2"}, TTL: time.Hour}}
	full := plain
	full.Signers = []string{"mx1", "mx2"}
	full.Policy.Note, full.Policy.Splay, full.Policy.Key = "by <dkimbot>", time.Hour, dkim.Ed25519
	limited := plain
	limited.Limits = rotate.Limits{PlanOnly: true, PlanOnlyKey: "domains[0].plan_only",
		Windows: []calendar.Period{{Schedule: "0 22 * * *", Duration: 4 * time.Hour, Timezone: "Europe/Berlin",
			Key: "limits.windows[0]"}},
		Freezes: []calendar.Period{{Schedule: "0 0 20 12 *", Duration: 14 * day, Timezone: "UTC", Key: "limits.freezes[0]"}}}
	for name, tt := range map[string]struct {
		domain rotate.Domain
		want   string
	}{
		"zero":       {rotate.Domain{}, "d495bbde2afdcfc3"},
		"plain":      {plain, "16f7e778000a7283"},
		"everything": {full, "5112a2bba3fa62b4"},
		"limited":    {limited, "fc37d9c6c7fc40d1"},
		"no signers": {rotate.Domain{Name: "example.org", Policy: plain.Policy}, "605f2af531c65d85"},
	} {
		if got := tt.domain.Fingerprint(); got != tt.want {
			t.Errorf("%s: the fingerprint is %s, was %s", name, got, tt.want)
		}
	}
}
