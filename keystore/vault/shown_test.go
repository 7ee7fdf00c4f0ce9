package vault

import (
	"strings"
	"testing"
)

// TestHidden guards I9: a secret that comes back broken or escaped is not shown either.
func TestHidden(t *testing.T) {
	var s shown
	s.add("s.TOPSECRET-Token_1")
	s.add(strings.Repeat("Aé0.", 16<<10)) // a long one is no trouble
	s.add("...")
	for said, want := range map[string]string{
		"no s.TOPSECRET-Token_1 here":                 "no ... here",
		"no S.topsecret-token_1 here":                 "no ... here",
		"no s%2ETOP%53ECRET%2dToken%5F1 here":         "no ... here",
		"no s.TOPSE\n\tCRET-Tok\u200b\u202een_1 here": "no ... here",
		"no sTOPSECRETToken1 here":                    "no ... here",
		"no s.TOPSECRET here":                         "no s.TOPSECRET here",
	} {
		if got := s.hide(said, 0); got != want {
			t.Errorf("%q: got %q", said, got)
		}
	}
}
