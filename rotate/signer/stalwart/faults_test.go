package stalwart

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/preflight/preflighttest"
	"github.com/dkimbot/dkimbot/rotate/settings"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/endpoint/endpointtest"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
	"github.com/dkimbot/dkimbot/rotate/signer/stalwart/stalwarttest"
)

// TestRefusals: what keeps a switch from being made is said, without a secret, by Activate and beforehand by Check.
func TestRefusals(t *testing.T) {
	k := signertest.Keys(t, 3)
	key := signertest.At("a.example", "s1", k[0])
	refuse := func(kind, text string, of ...string) func(*stalwarttest.Server) {
		return func(f *stalwarttest.Server) {
			f.Refuse = func(op string, g *stalwarttest.Signature) *stalwarttest.Refusal {
				if op == of[0] {
					return &stalwarttest.Refusal{Type: kind, Description: strings.ReplaceAll(text, "KEY", string(g.Key.PEM()))}
				}
				return nil
			}
		}
	}
	answers := func(status int, text string) func(*stalwarttest.Server) {
		return func(f *stalwarttest.Server) {
			f.Before = func(_ int, w http.ResponseWriter) bool {
				w.WriteHeader(status)
				w.Write([]byte(text))
				return true
			}
		}
	}
	// after the session, which is asked for first
	later := func(text string) func(*stalwarttest.Server) {
		return func(f *stalwarttest.Server) {
			f.Before = func(n int, w http.ResponseWriter) bool {
				if n%2 == 0 {
					w.Write([]byte(text))
				}
				return n%2 == 0
			}
		}
	}
	for name, c := range map[string]struct {
		set   func(*stalwarttest.Server)
		words string
		check bool // it is seen beforehand
	}{
		"0.15": {func(f *stalwarttest.Server) { f.Old = true }, "before 0.16", true},
		"automatic": {func(f *stalwarttest.Server) { f.Domains[0].Management = "Automatic" },
			"dkimManagement is Automatic", true},
		"no domain":   {func(f *stalwarttest.Server) { f.Domains = f.Domains[1:] }, "no such domain", true},
		"wrong token": {answers(401, `{"status":401,"detail":"no `+stalwarttest.Token+`"}`), "401 Unauthorized", true},
		"not JMAP":    {answers(200, "<html>"), "not a JMAP server", true},
		"may not write": {func(f *stalwarttest.Server) { f.Forbidden["create"], f.Forbidden["update"] = true, true },
			"forbidden", true},
		"may not read": {later(`{"methodResponses":[["error",{"type":"forbidden"},"c0"]]}`), "forbidden", true},
		"no objects":   {later(`{"methodResponses":[["error",{"type":"unknownMethod"},"c0"]]}`), "before 0.16", true},
		"no answers":   {later(`{"methodResponses":[]}`), "does not answer x:Domain/query", true},
		"not JSON":     {later(`sorry`), "is not JMAP", true},
		"busy": {later(`{"methodResponses":[["error",{"type":"serverUnavailable"},"c0"]]}`),
			"serverUnavailable", true},
		"quota":         {refuse("overQuota", "3 keys", "create"), "overQuota: 3 keys", false},
		"invalid key":   {refuse("invalidProperties", "can't parse KEY", "create"), "invalidProperties: can't parse", false},
		"one forbidden": {refuse("forbidden", "", "create"), "did not create its signature: forbidden", false},
		"rate":          {refuse("rateLimit", "", "update"), "did not set a signature to active: rateLimit", false},
	} {
		t.Run(name, func(t *testing.T) {
			f := stalwarttest.Start(t, "a.example", "b.example")
			s := at(t, f)
			c.set(f)
			err := s.Activate(t.Context(), []dkim.SigningKey{key})
			faulttest.Shown(t, err)
			if err == nil || !strings.Contains(err.Error(), c.words) {
				t.Errorf("%v; want %q", err, c.words)
			}
			for line := range strings.Lines(string(k[0].PEM())) {
				if line = strings.TrimSpace(line); !strings.HasPrefix(line, "-") && strings.Contains(err.Error(), line) ||
					strings.Contains(err.Error(), stalwarttest.Token) {
					t.Errorf("a secret is in the error: %v", err)
				}
			}
			f.Requests = 0
			err = preflighttest.Wrong(preflight.Ask(t.Context(), []preflight.Part{{Kind: "signer", Questions: s.Check(
				[]preflight.Subject{{Name: key.Name}})}}, preflight.Usual))
			if (err != nil) != c.check {
				t.Errorf("beforehand: %v", err)
			}
			if f.Writes > 1 { // the one that was created before an update was refused
				t.Errorf("%d writes", f.Writes)
			}
		})
	}
}

// TestFaultInEachRequest does what services and networks do to each request.
func TestFaultInEachRequest(t *testing.T) {
	endpointtest.Run(t, func(t *testing.T) endpointtest.Subject {
		f := stalwarttest.Start(t, "a.example")
		b := endpointtest.Stand(t, f.Server)
		return endpointtest.Subject{Between: b, Secrets: []string{stalwarttest.Token},
			Open:  func(time.Duration) signertest.Signer { return at(t, f) },
			Signs: func() []dkim.Ref { return f.Sign("a.example") }}
	})
}

// TestCheckRights: what the key may do is asked without any change, also one that could not be made (I11).
func TestCheckRights(t *testing.T) {
	for _, c := range []struct{ forbidden, account, lacks, found string }{
		{account: "", found: "the API key has the permissions"},
		{account: "data", found: "the API key has the permissions"},
		{account: "none", found: "this Stalwart does not say what an API key may do"},
		{forbidden: "create", lacks: "lacks sysDkimSignatureCreate"},
		{forbidden: "update", account: "data", lacks: "lacks sysDkimSignatureUpdate"},
		{forbidden: "destroy", lacks: "lacks sysDkimSignatureDestroy"},
		{account: "odd", lacks: "does not say what the API key may do"},
	} {
		f := stalwarttest.Start(t, "a.example")
		f.Account, f.Forbidden[c.forbidden] = c.account, c.forbidden != ""
		part := preflight.Part{Kind: "signer", Questions: at(t, f).Check(nil)}
		for _, a := range preflight.Ask(t.Context(), []preflight.Part{part}, preflight.Usual) {
			if a.What != "right to change signatures" {
				continue
			}
			if a.Err != nil {
				faulttest.Shown(t, a.Err)
			}
			if c.lacks == "" && (a.Err != nil || a.Found != c.found) || c.lacks != "" &&
				(c.account != "odd" && fault.CodeOf(a.Err) != codes.NotWritable || !strings.Contains(a.Err.Error(), c.lacks)) {
				t.Errorf("%+v: found %q, %v", c, a.Found, a.Err)
			}
		}
		if f.Sets > 0 {
			t.Errorf("%+v: %d changes were asked for", c, f.Sets)
		}
	}
}

// TestSeveralKeys: what signs twice is reported, and the next switch ends it.
func TestSeveralKeys(t *testing.T) {
	k := signertest.Keys(t, 3)
	f := stalwarttest.Start(t, "a.example", "b.example")
	s := at(t, f)
	f.Add("a.example", "one", "Dkim1RsaSha256", "active", k[1])
	f.Add("a.example", "two", "Dkim1RsaSha256", "active", k[2])
	f.Add("b.example", "s1", "Dkim1RsaSha256", "active", k[1])
	f.Add("b.example", "s1", "Dkim2RsaSha256", "active", k[1])
	for _, domain := range []string{"a.example", "b.example"} {
		_, err := s.Active(t.Context(), []string{domain})
		faulttest.Shown(t, err)
		if fault.CodeOf(err) != "foreign-signer-line" {
			t.Errorf("%v", err)
		}
	}
	activate(t, s, signertest.At("a.example", "s1", k[0]))
	if got, err := s.Active(t.Context(), []string{"a.example"}); err != nil || got["a.example"].Selector != "s1" {
		t.Errorf("%v, %v", got, err)
	}
}

// TestPages guards I1: where Stalwart shows a part of the signatures, another one could sign, and nothing is said.
func TestPages(t *testing.T) {
	k := signertest.Keys(t, 3)
	for _, limit := range []func(*stalwarttest.Server){func(f *stalwarttest.Server) { f.Page = 1 },
		func(f *stalwarttest.Server) { f.Shown = 1 }} {
		f := stalwarttest.Start(t, "a.example")
		s := at(t, f)
		f.Add("a.example", "s1", "Dkim1RsaSha256", "active", k[1])
		f.Add("a.example", "two", "Dkim1RsaSha256", "active", k[2])
		limit(f)
		_, err := s.Active(t.Context(), []string{"a.example"})
		faulttest.Shown(t, err)
		for _, n := range []int{0, 1} {
			if s.Activate(t.Context(), []dkim.SigningKey{signertest.At("a.example", "s1", k[n])}) == nil || err == nil {
				t.Errorf("%v, and a switch is confirmed while it is signed with %v", err, f.Sign("a.example"))
			}
		}
		if f.Sets > 0 {
			t.Errorf("%d changes", f.Sets)
		}
	}
}

// TestForget: the key in use is kept, one that is not is destroyed, and nothing else.
func TestForget(t *testing.T) {
	k := signertest.Keys(t, 2)
	f := stalwarttest.Start(t, "a.example")
	s := at(t, f)
	old, now := signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1])
	activate(t, s, old)
	activate(t, s, now)
	err := s.Forget(t.Context(), []dkim.Ref{now.Ref()})
	faulttest.Shown(t, err)
	if fault.CodeOf(err) != "key-in-use" {
		t.Error(err)
	}
	f.Refuse = func(string, *stalwarttest.Signature) *stalwarttest.Refusal {
		return &stalwarttest.Refusal{Type: "objectIsLinked"}
	}
	faulttest.Shown(t, s.Forget(t.Context(), []dkim.Ref{old.Ref()}))
	f.Refuse = nil
	if err := s.Forget(t.Context(), []dkim.Ref{old.Ref()}); err != nil || len(f.Signatures) != 1 {
		t.Errorf("%d signatures, %v", len(f.Signatures), err)
	}
}

// TestChangedMeanwhile guards I10: a switch that somebody else undoes is not confirmed.
func TestChangedMeanwhile(t *testing.T) {
	k := signertest.Keys(t, 2)
	f := stalwarttest.Start(t, "a.example")
	s := at(t, f)
	activate(t, s, signertest.At("a.example", "s1", k[0]))
	f.Instant = func() {
		for _, g := range f.Signatures {
			if g.Selector == "s1" && g.Stage == "retiring" {
				g.Stage, f.Signatures[1].Stage = "active", "pending"
			}
		}
	}
	faulttest.Shown(t, s.Activate(t.Context(), []dkim.SigningKey{signertest.At("a.example", "s2", k[1])}))
	f.Instant = func() {
		for _, g := range f.Signatures {
			g.Stage = "retired"
		}
	}
	faulttest.Shown(t, s.Activate(t.Context(), []dkim.SigningKey{signertest.At("a.example", "s2", k[1])}))
}

// TestConfig: what can't be a Stalwart is refused before.
func TestConfig(t *testing.T) {
	for _, edit := range []func(*Config){
		func(c *Config) { c.URL = "" },
		func(c *Config) { c.Token = settings.Secret{} },
		func(c *Config) { c.CAFile = "/dev/null" },
	} {
		c := Defaults()
		c.URL, c.Token = "https://mail.example.com", settings.Inline("token")
		edit(c)
		_, err := signer.Config{Name: "mx", Settings: c}.Open()
		faulttest.Shown(t, err)
	}
}
