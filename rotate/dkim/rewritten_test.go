package dkim

import (
	"strings"
	"testing"
)

// TestRewritten: what a DNS panel makes of a record serves as long as verifiers find the key in it (RFC 6376 section
// 3.6.1, RFC 8301), and people are told which tags differ.
func TestRewritten(t *testing.T) {
	key := generate(t, RSA2048)
	own := NewRecord(key.Public(), "").String()
	_, p, _ := strings.Cut(own, "p=")
	for shown, want := range map[string]struct {
		serves  bool
		differs string
	}{
		own:                         {true, ""},
		"v=DKIM1;k=rsa;p=" + p:      {true, ""},
		"p=" + p + " ;":             {true, ""},
		"k=rsa; t=s; p=" + p:        {true, "t=s added, v= missing"},
		"v=DKIM1; h=sha256; p=" + p: {true, "h=sha256 added, k= missing"},
		"v=DKIM1; s=email; k=rsa; n=panel; p=" + p[:99] + " " + p[99:]: {true, "n=panel added, s=email added"},
		"v=DKIM1; k=rsa; t=y; p=" + p:                                  {false, "t=y added"},
		"v=DKIM1; k=rsa; t=y:s; p=" + p:                                {false, "t=y:s added"},
		"v=DKIM1; k=rsa; h=sha1; p=" + p:                               {false, "h=sha1 added"},
		"v=DKIM1; k=rsa; s=other; p=" + p:                              {false, "s=other added"},
		"v=DKIM1; k=RSA; p=" + p:                                       {false, "k=RSA in place of k=rsa"},
		"v=DKIM2; k=rsa; p=" + p:                                       {false, "v=DKIM2 in place of v=DKIM1"},
		"k=rsa; v=DKIM1; p=" + p:                                       {false, "its tags stand in another order, or twice"},
		"v=DKIM1; k=rsa; x=\x1b[2J; p=" + p:                            {true, ""},
		"v=DKIM1; t=s; x=\x1b[2J; p=" + p:                              {true, `k= missing, t=s added, "x=\x1b[2J" added`},
		"v=DKIM1; k=rsa; t=s; p=":                                      {false, ""},
		"v=DKIM1; k=rsa; t=s; p=" + strings.ToLower(p):                 {false, ""},
		"v=spf1 -all":                                                  {false, ""},
		"":                                                             {false, ""},
	} {
		if got := Serves(shown, own); got != want.serves {
			t.Errorf("%q serves: %t", shown, got)
		}
		if got := Rewritten(shown, own); got != want.differs {
			t.Errorf("%q differs by %q; want %q", shown, got, want.differs)
		}
	}
	trial := strings.Replace(own, "p=", "t=y; p=", 1)
	if !Serves(strings.Replace(trial, "t=y", "t=y:s", 1), trial) || Serves(own, RevokedRecord(own)) {
		t.Error("a record in test mode serves one that is, and no key serves a revoked one")
	}
	if !Serves("v=DKIM1; t=s; p=", "v=DKIM1; t=s; p=") || Serves("v=DKIM1; p=", own) {
		t.Error("a revoked record serves as itself, and as nothing else")
	}
}
