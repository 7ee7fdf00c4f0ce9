package hasten_test

import (
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/hasten"
)

func TestBackoff(t *testing.T) {
	for failures, want := range map[int]time.Duration{0: 30 * time.Second, 1: 30 * time.Second, 2: time.Minute,
		3: 2 * time.Minute, 4: 4 * time.Minute, 5: 8 * time.Minute,
		6: 16 * time.Minute, 7: 32 * time.Minute, 8: time.Hour, 9: time.Hour, 1_000_000: time.Hour} {
		if got := hasten.Backoff(failures); got != want {
			t.Errorf("after %d failures %s, want %s", failures, got, want)
		}
	}
}

// TestPause: while mail fails or leaves unsigned, or a compromised key is public, a try comes every two minutes at least.
func TestPause(t *testing.T) {
	at := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	key := func(k rotate.Key) rotate.State {
		return rotate.State{Selectors: map[string]*rotate.Selector{"s1": {}, "s2": {Key: &k}}}
	}
	drift := func(f finding.Finding) rotate.State {
		return rotate.State{Active: "s1", Draining: "s2", Drift: []finding.Finding{f}}
	}
	for name, tt := range map[string]struct {
		st   rotate.State
		most time.Duration
	}{
		"nothing is known":            {rotate.State{}, time.Hour},
		"a key like any":              {key(rotate.Key{PublishedAt: at}), time.Hour},
		"a compromised key":           {key(rotate.Key{PublishedAt: at, Leaked: at}), 2 * time.Minute},
		"it was revoked":              {key(rotate.Key{PublishedAt: at, Leaked: at, RevokedAt: at}), time.Hour},
		"it was never published":      {key(rotate.Key{Leaked: at}), time.Hour},
		"one at an earlier selector":  {drift(finding.Finding{Code: codes.RecordExposed, Selector: "a"}), 2 * time.Minute},
		"mail fails":                  {drift(finding.Finding{Code: codes.MailFails, Selector: "s1"}), 2 * time.Minute},
		"a signer signs with nothing": {drift(finding.Finding{Code: codes.SignerEmpty, Signer: "mx1"}), 2 * time.Minute},
		"a signer signs with another": {drift(finding.Finding{Code: codes.SignerStrays, Signer: "mx1"}), 2 * time.Minute},
		"a signer does not answer":    {drift(finding.Finding{Code: codes.SignerSilent, Signer: "mx1"}), time.Hour},
		"the active record is gone":   {drift(finding.Finding{Code: codes.RecordVanished, Selector: "s1"}), 2 * time.Minute},
		"the draining record is gone": {drift(finding.Finding{Code: codes.RecordVanished, Selector: "s2"}), 2 * time.Minute},
		"another record is gone":      {drift(finding.Finding{Code: codes.RecordVanished, Selector: "a"}), time.Hour},
	} {
		if got := hasten.Pause(tt.st, 1); got != 30*time.Second {
			t.Errorf("%s: after one failure %s", name, got)
		}
		if got := hasten.Pause(tt.st, 20); got != tt.most {
			t.Errorf("%s: after twenty failures %s, want %s", name, got, tt.most)
		}
		for _, next := range []*rotate.Next{nil, {Action: rotate.Activate, At: at.Add(20 * time.Minute)},
			{Action: codes.ActionRetry, At: at.Add(time.Hour)}} {
			st := rotate.CopyState(tt.st)
			st.Next, st.NextTry, st.LastError = next, at.Add(time.Hour), "no"
			hasten.Press(&st, at)
			if got := st.NextTry.Sub(at); got != tt.most {
				t.Errorf("%s: tried again in %s, want %s", name, got, tt.most)
			}
			if pressed := tt.most < time.Hour; pressed && (st.Next.Action != codes.ActionRetry || !st.Next.At.Equal(st.NextTry)) {
				t.Errorf("%s: next is %+v", name, st.Next)
			}
		}
	}
}
