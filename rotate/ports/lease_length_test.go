package ports_test

import (
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/ports"
)

// TestLength: a lease is watched for as long as it says, and one that says years, by damage or by a clock that was
// ahead, blocks nothing for longer than a lease could last (I8).
func TestLength(t *testing.T) {
	now := time.Date(2026, 11, 30, 4, 0, 0, 0, time.UTC)
	const verify, most = time.Minute, time.Minute + 3*ports.WorkTime
	for title, tt := range map[string]struct {
		lease ports.Lease
		want  time.Duration
	}{
		"as it is written":              {ports.Lease{TTL: ports.LeaseLength, Expires: now.Add(24 * 365 * time.Hour)}, ports.LeaseLength},
		"it says ten days":              {ports.Lease{TTL: 240 * time.Hour}, most},
		"it says less than nothing":     {ports.Lease{TTL: -time.Hour, Expires: now}, ports.LeaseLength},
		"of an older version":           {ports.Lease{Expires: now.Add(5 * time.Minute)}, 5 * time.Minute},
		"of one whose clock was ahead":  {ports.Lease{Expires: now.Add(24 * 365 * time.Hour)}, most},
		"of an older version, and over": {ports.Lease{Expires: now.Add(-time.Hour)}, ports.LeaseLength},
	} {
		if got := tt.lease.Length(now, verify); got != tt.want {
			t.Errorf("%s: %s instead of %s", title, got, tt.want)
		}
	}
}
