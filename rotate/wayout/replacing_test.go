package wayout_test

import (
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
	"github.com/dkimbot/dkimbot/rotate/wayout"
)

// TestLeftToDestroy: where only the private key of a compromised key is left, the plan says that, and neither that a drain
// has passed nor that the key is needed no more. Its replacement is still said to be one.
func TestLeftToDestroy(t *testing.T) {
	leaked := func(s *plantest.Scene) {
		for i := range s.Have.Selectors["s1"].Retired {
			s.Have.Selectors["s1"].Retired[i].Leaked = true
		}
	}
	stored := func(s *plantest.Scene) {
		*s = *plantest.Stored()
		s.Have.Selectors["s1"].Retired = []rotate.Retired{{KeyID: plantest.Keys()[3].ID(), Leaked: true}}
	}
	for title, c := range map[string]struct {
		change func(*plantest.Scene)
		want   codes.Code
	}{
		"a key that was replaced":    {func(*plantest.Scene) {}, codes.Replace},
		"a compromised one":          {leaked, codes.Compromised},
		"its place is not taken yet": {stored, codes.Replace},
		"one that was given up": {func(s *plantest.Scene) {
			leaked(s)
			for i := range s.Have.Selectors["s1"].Retired {
				s.Have.Selectors["s1"].Retired[i].Dropped = true
			}
		}, codes.Replace},
	} {
		s := plantest.Replaced()
		c.change(s)
		all := judgeAll(s)
		if got := wayout.ReplaceReason(&all, "s1"); got.Code != c.want {
			t.Errorf("%s: %+v", title, got)
		}
	}
	for want, r := range map[codes.Code]rotate.Retired{codes.Replaced: {}, codes.Dropped: {Dropped: true},
		codes.Compromised: {Dropped: true, Leaked: true, Older: true}} {
		if got := wayout.DestroyReason(r); got.Code != want || got.Message == "" {
			t.Errorf("%+v: %+v, want %s", r, got, want)
		}
	}
	older := wayout.DestroyReason(rotate.Retired{Dropped: true, Older: true})
	if older.Code != codes.Replaced || !strings.Contains(older.Message, "when the state was lost") {
		t.Errorf("of one that an adoption found: %+v", older)
	}
}
