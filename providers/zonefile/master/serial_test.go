package master

import (
	"testing"
	"time"
)

func TestNextSerial(t *testing.T) {
	now := time.Date(2026, 11, 21, 23, 30, 0, 0, time.FixedZone("", 3600)) // 22:30 UTC
	for _, tc := range []struct{ old, want uint32 }{
		{1, 2},
		{0, 1},
		{4294967295, 1},          // RFC 1982: 1 is greater than that
		{4294967294, 4294967295}, //
		{1795300000, 1795300001}, // seconds since 1970
		{2026112000, 2026112101}, // yesterday's
		{1999123199, 2026112101}, //
		{2026112101, 2026112102}, // today's
		{2026112199, 2026112200}, // a hundred changes a day
		{2026112200, 2026112201}, // and one more
		{2030010100, 2030010101}, // ahead of the clock
		{2026023001, 2026023002}, // no day: a plain number
		{20261121, 20261122},     // YYYYMMDD: a plain number
	} {
		got := NextSerial(tc.old, now)
		if got != tc.want {
			t.Errorf("after %d comes %d, want %d", tc.old, got, tc.want)
		}
		if int32(got-tc.old) <= 0 {
			t.Errorf("%d is not greater than %d (RFC 1982 section 3.2)", got, tc.old)
		}
	}
}
