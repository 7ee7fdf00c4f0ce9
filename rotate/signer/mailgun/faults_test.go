package mailgun

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/preflight/preflighttest"
	"github.com/dkimbot/dkimbot/rotate/settings"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/endpoint/endpointtest"
	"github.com/dkimbot/dkimbot/rotate/signer/mailgun/mailguntest"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// answers has requests of a method answered by something else.
func answers(method string, status int, text string) func(*mailguntest.Server) {
	return func(f *mailguntest.Server) {
		f.Before = func(_ int, w http.ResponseWriter, r *http.Request) bool {
			if r.Method != method {
				return false
			}
			if status/100 == 3 {
				w.Header().Set("Location", "https://elsewhere.example/?k=secret")
			}
			body := strings.NewReplacer("PEM", r.PostForm.Get("pem"), "FORM", r.PostForm.Encode()).Replace(text)
			w.WriteHeader(status)
			w.Write([]byte(body))
			return true
		}
	}
}

// TestRefusals: what keeps a switch from being made is said, without a secret, and the old key signs on.
func TestRefusals(t *testing.T) {
	k := signertest.Keys(t, 3)
	ed, err := dkim.Generate(dkim.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	next := signertest.At("a.example", "s2", k[1])
	for name, c := range map[string]struct {
		set   func(*mailguntest.Server)
		key   dkim.SigningKey
		words string
		check bool // it is seen beforehand
	}{
		"no domain": {nil, signertest.At("other.example", "s2", k[1]), "no such domain in region eu", true},
		"Ed25519":   {nil, signertest.At("a.example", "s2", ed), "this is ed25519", false},
		"wrong API key": {answers("GET", 401, `{"message":"not `+mailguntest.APIKey+`"}`), next,
			"401 Unauthorized", true},
		"may not write": {func(f *mailguntest.Server) { f.ReadOnly = true }, next, "403 Forbidden", false},
		"not JSON":      {answers("GET", 200, "<html>"), next, "not a list of keys", true},
		"no list":       {answers("GET", 200, "{}"), next, "not a list of keys", true},
		"unclear": {answers("GET", 200, `{"items":[{"signing_domain":"a.example","selector":"s\u001b9","dns_record":{}}]}`),
			next, "does not say whether", true},
		"twice": {answers("GET", 200, `{"items":[`+strings.Repeat(
			`{"signing_domain":"a.example","selector":"s9","dns_record":{"is_active":false}},`, 2)+`{}]}`), next, "twice", true},
		"pages":     {answers("GET", 200, `{"items":[{},{},{},{},{},{}],"paging":{"next":"/v4"}}`), next, "more keys", true},
		"redirect":  {answers("GET", 302, ""), next, "a redirect to https://elsewhere.example/", true},
		"throttled": {answers("GET", 429, `{"message":"Too many requests"}`), next, "Too many requests", true},
		"full": {func(f *mailguntest.Server) {
			for _, selector := range []string{"w", "x", "y", "z"} {
				f.Add("a.example", selector, k[2].Public(), false)
			}
		}, next, "maximum of 5 keys", false},
		"echoed key":  {answers("POST", 400, `{"message":"invalid PEM"}`), next, "400 Bad Request", false},
		"echoed form": {answers("POST", 400, `invalid FORM`), next, "400 Bad Request", false},
		"not taken":   {answers("POST", 200, `{}`), next, "does not list it at its selector", false},
		"not found yet": {func(f *mailguntest.Server) { f.Looks = 1 << 30 }, next,
			"does not activate the key yet: Mailgun answers 400 Bad Request; it says", false},
		"odd answer":       {answers("PUT", 200, `{"selector":"s2"}`), next, "with something else", false},
		"not activated":    {answers("PUT", 200, `{"selector":"s2","active":false}`), next, "with something else", false},
		"another one":      {answers("PUT", 200, `{"selector":"s1","active":true}`), next, "with something else", false},
		"may not activate": {answers("PUT", 403, ""), next, "on signer mg: Mailgun answers 403", false},
		"slow down":        {answers("PUT", 429, ""), next, "on signer mg: Mailgun answers 429", false},
		"foreign key": {func(f *mailguntest.Server) { f.Add("a.example", "s2", k[2].Public(), false) }, next,
			"another key at this selector", false},
		"active selector": {nil, signertest.At("a.example", "s1", k[1]), "another key of this selector is active", false},
	} {
		t.Run(name, func(t *testing.T) {
			f := mailguntest.Start(t, "a.example")
			s, old := at(t, f), signertest.At("a.example", "s1", k[0])
			activate(t, s, old)
			if s.cfg.Patience = 5 * time.Millisecond; c.set != nil {
				c.set(f)
			}
			err := s.Activate(t.Context(), []dkim.SigningKey{c.key})
			faulttest.Shown(t, err)
			if err == nil || !strings.Contains(err.Error(), c.words) {
				t.Errorf("%v; want %q", err, c.words)
			}
			hidden(t, err, c.key)
			if got := f.Sign("a.example"); !slices.Equal(got, []dkim.Ref{old.Ref()}) {
				t.Errorf("it is signed with %v", got)
			}
			f.Writes = 0
			err = preflighttest.Wrong(preflight.Ask(t.Context(), []preflight.Part{{Kind: "signer", Questions: s.Check(
				[]preflight.Subject{{Name: c.key.Name}})}}, preflight.Usual))
			if (err != nil) != c.check || f.Writes != 0 {
				t.Errorf("beforehand: %v; %d changes", err, f.Writes)
			}
			record := dkim.NewRecord(c.key.Key.Public(), "").String()
			each, whichever := s.Screen(t.Context(), []dkim.SigningKey{{Name: c.key.Name, Record: record}})
			if (each[c.key.Domain] != nil) != (name == "Ed25519") || name == "no domain" && whichever == nil {
				t.Errorf("screened: %v, %v", each, whichever)
			}
		})
	}
}

// TestFaultInEachRequest does what services and networks do to each request.
func TestFaultInEachRequest(t *testing.T) {
	endpointtest.Run(t, func(t *testing.T) endpointtest.Subject {
		f := mailguntest.Start(t, "a.example")
		b := endpointtest.Stand(t, f.Server)
		return endpointtest.Subject{Between: b, Secrets: []string{mailguntest.APIKey},
			Open: func(patience time.Duration) signertest.Signer {
				s := at(t, f)
				s.cfg.Patience = patience
				return s
			},
			Signs: func() []dkim.Ref { return f.Sign("a.example") }}
	})
}

// hidden guards I9: no piece of the key, in either of its forms, and no API key.
func hidden(t *testing.T, err error, k dkim.SigningKey) {
	t.Helper()
	if err == nil {
		return
	}
	text := strings.Join(strings.Fields(string(unescaped([]byte(err.Error())))), "")
	_, pkcs8, _ := strings.Cut(string(k.Key.PEM()), "\n")
	forms := []string{strings.Join(strings.Fields(pkcs8), "")}
	if private, ok := k.Key.Signer().(*rsa.PrivateKey); ok {
		forms = append(forms, base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PrivateKey(private)))
	}
	for _, form := range forms {
		for i := 0; i+16 < len(form); i++ {
			if strings.Contains(text, form[i:i+16]) {
				t.Fatalf("a piece of the key is in the error: %v", err)
			}
		}
	}
	if strings.Contains(text, mailguntest.APIKey) {
		t.Errorf("the API key is in the error: %v", err)
	}
}

// TestSeveralKeys: a domain with several active keys is reported, and the next switch ends it.
func TestSeveralKeys(t *testing.T) {
	k := signertest.Keys(t, 3)
	f := mailguntest.Start(t, "a.example")
	s := at(t, f)
	f.Add("a.example", "one", k[1].Public(), true)
	f.Add("a.example", "two", k[2].Public(), true)
	_, err := s.Active(t.Context(), []string{"a.example"})
	faulttest.Shown(t, err)
	if fault.CodeOf(err) != "foreign-signer-line" {
		t.Error(err)
	}
	key := signertest.At("a.example", "s1", k[0])
	activate(t, s, key)
	if got, err := s.Active(t.Context(), []string{"a.example"}); err != nil || got["a.example"] != key.Ref() {
		t.Errorf("%v, %v", got, err)
	}
}

// TestChangedMeanwhile guards I10: a switch that somebody else undoes is not confirmed.
func TestChangedMeanwhile(t *testing.T) {
	k := signertest.Keys(t, 3)
	for _, undo := range []func(old, now *mailguntest.Key){
		func(old, _ *mailguntest.Key) { old.Active = true },
		func(old, now *mailguntest.Key) { old.Active, now.Active = true, false },
		func(_, now *mailguntest.Key) { now.Public = k[2].Public() }, // another key under the selector
	} {
		f := mailguntest.Start(t, "a.example")
		s := at(t, f)
		activate(t, s, signertest.At("a.example", "s1", k[0]))
		switched := false
		f.Before = func(_ int, _ http.ResponseWriter, r *http.Request) bool {
			if switched = switched || strings.HasSuffix(r.URL.Path, "/deactivate"); switched && r.Method == "GET" {
				undo(f.Domains["a.example"][0], f.Domains["a.example"][1])
			}
			return false
		}
		faulttest.Shown(t, s.Activate(t.Context(), []dkim.SigningKey{signertest.At("a.example", "s2", k[1])}))
	}
}

// TestActivatedAgain guards I1: an old key that somebody activates again during a switch is deactivated once more.
func TestActivatedAgain(t *testing.T) {
	k, f := signertest.Keys(t, 2), mailguntest.Start(t, "a.example")
	s := at(t, f)
	activate(t, s, signertest.At("a.example", "s1", k[0]))
	deactivated := 0
	f.Before = func(_ int, _ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/deactivate") {
			deactivated++
		} else if deactivated == 1 {
			f.Domains["a.example"][0].Active = true
		}
		if s.one.TryLock() { // another switch could come between
			t.Errorf("%s %s is asked for without the lock", r.Method, r.URL.Path)
			s.one.Unlock()
		}
		return false
	}
	key := signertest.At("a.example", "s2", k[1])
	activate(t, s, key)
	if got := f.Sign("a.example"); !slices.Equal(got, []dkim.Ref{key.Ref()}) || deactivated != 2 {
		t.Errorf("it is signed with %v after %d tries", got, deactivated)
	}
	if err := s.Forget(t.Context(), []dkim.Ref{signertest.At("a.example", "s1", k[0]).Ref()}); err != nil {
		t.Error(err)
	}
}

// TestForget: the key in use is kept, and one that Mailgun does not delete is told.
func TestForget(t *testing.T) {
	k := signertest.Keys(t, 2)
	f := mailguntest.Start(t, "a.example")
	s := at(t, f)
	old, now := signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1])
	activate(t, s, old)
	activate(t, s, now)
	err := s.Forget(t.Context(), []dkim.Ref{now.Ref()})
	faulttest.Shown(t, err)
	if fault.CodeOf(err) != "key-in-use" || len(f.Domains["a.example"]) != 2 {
		t.Error(err)
	}
	faulttest.Shown(t, s.Forget(t.Context(), []dkim.Ref{{Name: now.Name}}))
	answers("DELETE", 200, `{}`)(f)
	faulttest.Shown(t, s.Forget(t.Context(), []dkim.Ref{old.Ref()}))
	answers("DELETE", 400, `{"message":"not now"}`)(f)
	faulttest.Shown(t, s.Forget(t.Context(), []dkim.Ref{old.Ref()}))
	f.Before = nil
	if err := s.Forget(t.Context(), []dkim.Ref{old.Ref()}); err != nil || len(f.Domains["a.example"]) != 1 {
		t.Errorf("%d keys, %v", len(f.Domains["a.example"]), err)
	}
}

// TestPace: Mailgun takes 300 requests a minute.
func TestPace(t *testing.T) {
	f := mailguntest.Start(t, domains()...)
	s, err := open(at(t, f).cfg, f.URL, 0)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if _, err := s.Active(t.Context(), domains()[:15]); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 900*time.Millisecond {
		t.Errorf("15 requests took %s", took)
	}
}

// TestConfig: what can't be right is refused before; each region has its host.
func TestConfig(t *testing.T) {
	for _, edit := range []func(*Config){
		func(c *Config) { c.Region = "asia" },
		func(c *Config) { c.APIKey = settings.Secret{} },
		func(c *Config) { c.APIKey = settings.Inline("two words") },
	} {
		c := Defaults()
		c.APIKey = settings.Inline("key")
		edit(c)
		_, err := signer.Config{Name: "mg", Settings: c}.Open()
		faulttest.Shown(t, err)
	}
	for region, host := range map[string]string{"us": "api.mailgun.net", "eu": "api.eu.mailgun.net"} {
		s, err := New(Config{Name: "mg", Region: region})
		if err != nil || s.client.Host() != host {
			t.Errorf("%s: %v", region, err)
		}
	}
}
