package providers

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// What is quoted reads back, also as services write it that cut strings elsewhere.
func TestQuoteRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.StringMatching(`[ -~]{1,900}`).Draw(t, "value")
		if got := unquoteTXT(quoteTXT(value)); got != value {
			t.Errorf("%q reads back as %q", value, got)
		}
	})
}

func TestUnquote(t *testing.T) {
	for text, want := range map[string]string{
		`plain`:           `plain`,
		`"one"`:           `one`,
		`"one" "two"`:     `onetwo`,
		`"one"   "two"`:   `onetwo`,
		`"one""two"`:      `onetwo`,
		`"a\"b\\c"`:       `a"b\c`,
		`"a\059b"`:        `a;b`,
		`"a\255b"`:        "a\xffb",
		`"a\256b"`:        `a256b`,
		`"\\059"`:         `\059`,
		`""`:              ``,
		`"unfinished`:     `unfinished`,
		`"unfinished\`:    `unfinished\`,
		`"unfinished\05`:  `unfinished05`,
		`v=DKIM1; n="x";`: `v=DKIM1; n="x";`,
	} {
		if got := unquoteTXT(text); got != want {
			t.Errorf("%s reads as %q, want %q", text, got, want)
		}
	}
}

// Names are cut off at a label, not in the middle of one: libdns makes
// "s1._domainkey.ex" of the second, a name in another's zone.
func TestAcceptableOwner(t *testing.T) {
	for _, r := range []dkim.TXT{
		record("example.test", "s1"),
		{Zone: "ample.test", Owner: "s1._domainkey.example.test", Value: "v", TTL: rec.TTL},
	} {
		if got, want := acceptable(r) == nil, r.Zone == "example.test"; got != want {
			t.Errorf("%s in zone %s: %v", r.Owner, r.Zone, acceptable(r))
		}
	}
}
