package finding_test

import (
	"testing"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// TestSaidBy: two findings tell a person the same where they read alike, or say of each private key that the other one is
// missing, too. What another hint belongs to, or another code, is told for itself.
func TestSaidBy(t *testing.T) {
	closed := finding.Finding{Code: codes.KeyUnread, Selector: "s1", Message: "open /keys: it is missing", Repair: "mount it"}
	gone := finding.Finding{Code: codes.KeyMissing, Selector: "s1", Message: "the key of s1 is missing" + finding.BothMissing,
		Repair: "restore it"}
	with := func(f finding.Finding, change func(*finding.Finding)) finding.Finding {
		f.Selector = "s2"
		change(&f)
		return f
	}
	for title, c := range map[string]struct {
		one, other finding.Finding
		want       bool
	}{
		"a closed keystore": {closed, with(closed, func(*finding.Finding) {}), true},
		"both keys":         {gone, with(gone, func(f *finding.Finding) { f.Message = "the key of s2 is missing" + finding.BothMissing }), true},
		"two records": {finding.Finding{Code: codes.RecordUnseen, Selector: "s1", Message: "no server answers"},
			finding.Finding{Code: codes.RecordUnseen, Selector: "s2", Message: "no server answers"}, false},
		"one key":                {gone, with(gone, func(f *finding.Finding) { f.Message = "the key of s2 is missing" }), false},
		"one key, the other way": {with(gone, func(f *finding.Finding) { f.Message = "the key of s2 is missing" }), gone, false},
		"another message":        {closed, with(closed, func(f *finding.Finding) { f.Message = "open /keys: not permitted" }), false},
		"another hint":           {closed, with(closed, func(f *finding.Finding) { f.Repair = "unseal it" }), false},
		"another code":           {closed, with(closed, func(f *finding.Finding) { f.Code = codes.KeyMissing }), false},
	} {
		if got := c.other.SaidBy(c.one); got != c.want {
			t.Errorf("%s: %t", title, got)
		}
	}
}
