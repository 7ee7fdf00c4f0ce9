package accounts_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/accounts"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// account is a DNS account that takes a record, or fails.
type account struct{ err error }

func (a account) Publish(context.Context, dkim.TXT) error { return a.err }

// TestDivided: where one account takes a record and another one does not, the error names both, and says of a
// revocation that mail which is verified at the first one fails. What happened at each is still said, with its kind.
func TestDivided(t *testing.T) {
	refused := fault.Temporary("publish s1 through provider q", errors.New("REFUSED"), "thaw the zone")
	const record, revoked = "v=DKIM1; k=rsa; p=AAAA", "v=DKIM1; k=rsa; p="
	for _, c := range []struct {
		name, value string
		p, q        error
		says        string // "" for the accounts' own errors alone
	}{
		{"a record", record, nil, refused, "p took the record; q did not confirm it"},
		{"a record, the other way round", record, refused, nil, "q took the record; p did not confirm it"},
		{"a revocation", revoked, nil, refused, "p took the revocation, so mail that is verified there fails; q did not"},
		{"nobody took it", revoked, refused, refused, ""},
	} {
		pub, err := accounts.Publisher(rotate.Domain{Name: "example.com", Provider: "p", Also: []string{"q"}},
			map[string]ports.Publisher{"p": account{c.p}, "q": account{c.q}},
			dkim.Name{Domain: "example.com", Selector: "s1"}, func() error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		err = pub.Publish(t.Context(), dkim.TXT{Owner: "s1._domainkey.example.com", Value: c.value})
		text := fault.Text(err)
		if !strings.Contains(text, c.says) || !strings.Contains(text, "REFUSED") || fault.KindOf(err) != fault.Transient ||
			(c.says == "") == strings.Contains(text, " took ") {
			t.Errorf("%s: %s", c.name, text)
		}
		if c.says != "" {
			faulttest.Shown(t, err)
		}
	}
}

// TestSomebodyElsesAtOne: where all accounts took a write but those at which somebody else's record stands, the error
// says so, and is a refusal (I6). One that failed otherwise may yet hold what was to go.
func TestSomebodyElsesAtOne(t *testing.T) {
	foreign := fault.Refuse(codes.ForeignRecord, "publish s1 through provider q: somebody else's record stands there", "remove it")
	failed := fault.Temporary("publish s1 through provider r", errors.New("REFUSED"), "")
	const record, revoked = "v=DKIM1; k=rsa; p=AAAA", "v=DKIM1; k=rsa; p="
	for _, c := range []struct {
		value   string
		p, q, r error
		says    string
		only    bool
	}{
		{record, nil, foreign, nil, "p, r took the record; q holds one that dkimbot did not make and was left as it is", true},
		{revoked, nil, foreign, nil, "p, r took the revocation, so mail that is verified there fails; q holds a record that " +
			"dkimbot did not make", true},
		{revoked, nil, foreign, failed, "q, r did not confirm it, and may show the key", false},
		{revoked, foreign, foreign, foreign, "somebody else's record stands there", false},
	} {
		pub, err := accounts.Publisher(rotate.Domain{Name: "example.com", Provider: "p", Also: []string{"q", "r"}},
			map[string]ports.Publisher{"p": account{c.p}, "q": account{c.q}, "r": account{c.r}},
			dkim.Name{Domain: "example.com", Selector: "s1"}, func() error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		err = pub.Publish(t.Context(), dkim.TXT{Owner: "s1._domainkey.example.com", Value: c.value})
		if accounts.OnlyForeign(err) != c.only || c.only && fault.KindOf(err) != fault.Refused ||
			!strings.Contains(fault.Text(err), c.says) {
			t.Errorf("%t: %s", accounts.OnlyForeign(err), fault.Text(err))
		}
		if c.only {
			faulttest.Shown(t, err)
		}
	}
}
