package ses

import (
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/ses/sestest"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// TestSameSelector guards I10: SES does not say which key it has. Another key at the selector that it shows is given to
// it, also where this process gave it one before, where that one is looked for still, or where a request failed.
func TestSameSelector(t *testing.T) {
	k := signertest.Keys(t, 3)
	f := sestest.Start(t, "a.example")
	s := at(f)
	short := func(what string, key dkim.SigningKey, fails bool, by *Signer) {
		t.Helper()
		if by.cfg.Patience = time.Minute; fails {
			by.cfg.Patience = 20 * time.Millisecond
		}
		if err := by.Activate(t.Context(), []dkim.SigningKey{key}); (err != nil) != fails ||
			err == nil && f.Sign("a.example") != key.Ref() {
			t.Errorf("%s: %v, and it is signed with %v", what, err, f.Sign("a.example"))
		}
	}
	s1 := func(n int) dkim.SigningKey { return signertest.At("a.example", "s1", k[n]) }
	short("first", s1(0), false, s)
	short("in a new process", s1(1), false, at(f))
	f.Denied = true
	short("denied", s1(2), true, s)
	f.Denied = false
	short("after that", s1(2), false, s)

	asked := 0
	pending := func(key dkim.SigningKey) { // until the second request from then on
		t.Helper()
		f.Before, f.Looks = nil, 1<<30
		short("looked for", key, true, s)
		asked = 0
		f.Before = func(int, http.ResponseWriter) bool {
			if asked++; asked == 2 {
				f.Looks = 1
			}
			return false
		}
	}
	pending(s1(0))
	short("another key is looked for", s1(1), false, s)
	pending(s1(0))
	short("another selector is looked for", signertest.At("a.example", "s2", k[1]), false, at(f))
	f.Before = func(int, http.ResponseWriter) bool { // another switch could come between
		if s.one.TryLock() {
			t.Error("a request is made without the lock")
			s.one.Unlock()
		}
		return false
	}
	short("again", s1(2), false, s)
}

// TestStates guards I10: only SUCCESS of an own key says what signs.
func TestStates(t *testing.T) {
	own := sestest.Identity{Origin: "EXTERNAL", Selector: "S1", Status: "SUCCESS"}
	for name, c := range map[string]struct {
		edit  func(*sestest.Identity)
		want  string
		fails bool
	}{
		"signs":     {func(*sestest.Identity) {}, "s1", false},
		"off":       {func(i *sestest.Identity) { i.Disabled = true }, "", false},
		"failed":    {func(i *sestest.Identity) { i.Status = "FAILED" }, "", false},
		"not begun": {func(i *sestest.Identity) { i.Status = "NOT_STARTED" }, "", false},
		"for now":   {func(i *sestest.Identity) { i.Status = "TEMPORARY_FAILURE" }, "", true},
		"Amazon's":  {func(i *sestest.Identity) { i.Origin = "AWS_SES" }, "", false},
	} {
		f := sestest.Start(t, "a.example")
		*f.Identities["a.example"] = own
		c.edit(f.Identities["a.example"])
		got, err := at(f).Active(t.Context(), []string{"a.example"})
		if (err != nil) != c.fails || got["a.example"].Selector != c.want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	for _, a := range []types.DkimAttributes{{SigningAttributesOrigin: "AWS_SES", Tokens: []string{"a"}},
		{SigningAttributesOrigin: "EXTERNAL"}, {SigningAttributesOrigin: "EXTERNAL", Tokens: []string{"a", "b"}}} {
		if got := selector(a); got != "" {
			t.Errorf("%v: selector %q", a, got)
		}
	}
}
