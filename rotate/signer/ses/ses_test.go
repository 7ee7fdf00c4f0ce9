package ses

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/preflight/preflighttest"
	"github.com/dkimbot/dkimbot/rotate/settings"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/endpoint/endpointtest"
	"github.com/dkimbot/dkimbot/rotate/signer/ses/sestest"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

const secret = "aws-secret-of-the-test"

func domains() (out []string) {
	out = []string{"a.example", "b.example"}
	for i := range 20 {
		out = append(out, fmt.Sprintf("d%02d.example", i), fmt.Sprintf("c%d.example", i))
	}
	return append(out, "absent.example")
}

func at(f *sestest.Server) *Signer {
	s := New(Config{Name: "eu", Region: "eu-west-1", AccessKeyID: "AKID", SecretAccessKey: settings.Inline(secret),
		Patience: time.Minute})
	s.endpoint, s.pace, s.poll, s.backoff = f.URL, rate.NewLimiter(rate.Inf, 1), time.Millisecond, time.Millisecond
	return s
}

func TestConformance(t *testing.T) {
	signertest.Run(t, func(t *testing.T) signertest.Subject {
		f := sestest.Start(t, domains()...)
		return signertest.Subject{Signer: at(f), Nameless: true, Stop: func(*testing.T) { f.Close() },
			SignsWith: func(_ *testing.T, domain string) dkim.Ref { return f.Sign(domain) }}
	})
}

// TestKilled guards I1 and I7: the process may end before or after any request, and the next one leads to the same end.
// Whatever SES signs with while it looks for the record, it is one of the two keys, and nothing is confirmed before.
func TestKilled(t *testing.T) {
	k := signertest.Keys(t, 2)
	for n, killed := 1, true; killed; n++ {
		killed = false
		for _, effect := range []bool{false, true} {
			for _, early := range []bool{false, true} {
				f := sestest.Start(t, "a.example")
				f.Early = early
				old, next := signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1])
				if err := at(f).Activate(t.Context(), []dkim.SigningKey{old}); err != nil {
					t.Fatal(err)
				}
				begun := f.Requests
				ctx, kill := context.WithCancel(t.Context())
				die := func(at int, _ http.ResponseWriter) bool {
					if at-begun >= n {
						killed = true
						kill()
						panic(http.ErrAbortHandler)
					}
					return false
				}
				if f.Before = die; effect {
					f.Before, f.After = nil, die
				}
				err := at(f).Activate(ctx, []dkim.SigningKey{next})
				kill()
				f.Before, f.After = nil, nil
				if got := f.Sign("a.example"); got != old.Ref() && got != next.Ref() || err == nil && got != next.Ref() {
					t.Errorf("killed at request %d: it is signed with %v", n, got)
				}
				if err := at(f).Activate(t.Context(), []dkim.SigningKey{next}); err != nil || f.Sign("a.example") != next.Ref() {
					t.Errorf("after request %d: it is signed with %v: %v", n, f.Sign("a.example"), err)
				}
			}
		}
		if !killed && n < 5 {
			t.Errorf("only %d requests", n-1)
		}
	}
}

// TestFaultInEachRequest does what services and networks do to each request.
func TestFaultInEachRequest(t *testing.T) {
	endpointtest.Run(t, func(t *testing.T) endpointtest.Subject {
		f := sestest.Start(t, "a.example")
		b := endpointtest.Stand(t, f.Server)
		return endpointtest.Subject{Between: b, Nameless: true, Secrets: []string{secret},
			Open: func(patience time.Duration) signertest.Signer {
				s := at(f)
				s.cfg.Patience = patience
				return s
			},
			Signs: func() []dkim.Ref {
				if signs := f.Sign("a.example"); signs != (dkim.Ref{}) {
					return []dkim.Ref{signs}
				}
				return nil
			}}
	})
}

// TestOthersAreKept guards I6: no identity is changed but that of the domain, whoever has made its key, and whether the
// switch succeeds or not.
func TestOthersAreKept(t *testing.T) {
	k := signertest.Keys(t, 2)
	f := sestest.Start(t, "a.example", "sub.a.example", "easy.example", "off.example")
	theirs := sestest.Identity{Origin: "EXTERNAL", Selector: "theirs", KeyID: k[1].ID(), Status: "SUCCESS"}
	*f.Identities["sub.a.example"] = theirs
	f.Identities["easy.example"].Status = "SUCCESS"
	*f.Identities["off.example"] = sestest.Identity{Origin: "EXTERNAL", Selector: "off", Status: "FAILED", Disabled: true}
	before := map[string]sestest.Identity{}
	for name, id := range f.Identities {
		before[name] = *id
	}
	s := at(f)
	for i, broken := range []bool{false, true, false, true} {
		f.After = nil
		if n := 0; broken {
			f.After = func(_ int, w http.ResponseWriter) bool {
				if n++; n%2 == 0 {
					w.WriteHeader(http.StatusBadGateway)
				}
				return n%2 == 0
			}
		}
		key := signertest.At("a.example", []string{"s1", "s2"}[i%2], k[i%2])
		if err := s.Activate(t.Context(), []dkim.SigningKey{key}); err != nil || f.Sign("a.example") != key.Ref() {
			t.Errorf("%v; it is signed with %v", err, f.Sign("a.example"))
		}
		if err := preflighttest.Wrong(preflight.Ask(t.Context(), []preflight.Part{{Kind: "signer", Questions: s.Check(
			[]preflight.Subject{{Name: key.Name}})}}, preflight.Usual)); err != nil {
			t.Error(err)
		}
		got, err := s.Active(t.Context(), []string{"sub.a.example", "easy.example", "off.example"})
		if want := (dkim.Name{Domain: "sub.a.example", Selector: "theirs"}); err != nil || len(got) != 1 ||
			got["sub.a.example"].Name != want {
			t.Errorf("%v, %v", got, err)
		}
	}
	for name, id := range f.Identities {
		if name != "a.example" && *id != before[name] {
			t.Errorf("%s: %+v; was %+v", name, *id, before[name])
		}
	}
}

// TestPending guards I10: until SES has found the record, nothing is confirmed and nothing is said; the next try waits,
// and does not give the key again.
func TestPending(t *testing.T) {
	k := signertest.Keys(t, 2)
	f := sestest.Start(t, "a.example")
	old, next := signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1])
	if err := at(f).Activate(t.Context(), []dkim.SigningKey{old}); err != nil {
		t.Fatal(err)
	}
	f.Looks, f.Puts = 1<<30, 0
	s := at(f)
	for range 2 {
		s.cfg.Patience = 20 * time.Millisecond
		faulttest.Shown(t, s.Activate(t.Context(), []dkim.SigningKey{next}))
		_, err := s.Active(t.Context(), []string{"a.example"})
		faulttest.Shown(t, err)
		s = at(f)
	}
	f.Identities["a.example"].Status = "TEMPORARY_FAILURE"
	s.cfg.Patience = 20 * time.Millisecond
	faulttest.Shown(t, s.Activate(t.Context(), []dkim.SigningKey{next}))
	if f.Puts != 1 {
		t.Errorf("the key was given %d times", f.Puts)
	}
	f.Looks, f.Identities["a.example"].Status = 1, "PENDING"
	if err := at(f).Activate(t.Context(), []dkim.SigningKey{next}); err != nil || f.Sign("a.example") != next.Ref() {
		t.Errorf("%v", err)
	}
}

// TestFailed: SES does not find the record, or finds that of another key; the key is given again by the next try.
func TestFailed(t *testing.T) {
	k := signertest.Keys(t, 2)
	f := sestest.Start(t, "a.example")
	f.Published = map[dkim.Name]string{{Domain: "a.example", Selector: "s1"}: k[1].ID()}
	key := signertest.At("a.example", "s1", k[0])
	s := at(f)
	faulttest.Shown(t, s.Activate(t.Context(), []dkim.SigningKey{key}))
	if got, err := s.Active(t.Context(), []string{"a.example"}); err != nil || len(got) != 0 || f.Requests > 9 {
		t.Errorf("%v, %v after %d requests: SES does not look again by itself", got, err, f.Requests)
	}
	f.Published[key.Name] = k[0].ID()
	if err := s.Activate(t.Context(), []dkim.SigningKey{key}); err != nil || f.Puts != 2 {
		t.Errorf("%d puts: %v", f.Puts, err)
	}
}

// TestRefusals: what keeps a switch from being made is said, without a secret.
func TestRefusals(t *testing.T) {
	rsa := signertest.Keys(t, 1)[0]
	ed, err := dkim.Generate(dkim.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		set   func(*sestest.Server, *Signer)
		key   dkim.SigningKey
		words string
		check bool // it is seen beforehand
	}{
		"no identity": {nil, signertest.At("other.example", "s1", rsa), "no such identity in eu-west-1", true},
		"denied": {func(f *sestest.Server, _ *Signer) { f.Denied = true }, signertest.At("a.example", "s1", rsa),
			"AccessDenied", false},
		"off": {func(f *sestest.Server, _ *Signer) { f.Identities["a.example"].Disabled = true },
			signertest.At("a.example", "s1", rsa), "SigningEnabled is false", false},
		"Ed25519":  {nil, signertest.At("a.example", "s1", ed), "this is ed25519", false},
		"selector": {nil, signertest.At("a.example", "s1.mail", rsa), "digits and hyphens", false},
		"region": {func(_ *sestest.Server, s *Signer) { s.cfg.Region = "us-east-1" }, signertest.At("a.example", "s1", rsa),
			"InvalidSignature", true},
		"throttled": {func(f *sestest.Server, _ *Signer) {
			f.Before = func(_ int, w http.ResponseWriter) bool { sestest.Throttle(w); return true }
		}, signertest.At("a.example", "s1", rsa), "Rate exceeded", true},
		"no profile": {func(_ *sestest.Server, s *Signer) { s.cfg.Profile = "no-such-profile" },
			signertest.At("a.example", "s1", rsa), "can't be loaded", true},
		"expired": {func(f *sestest.Server, _ *Signer) {
			f.Before = func(_ int, w http.ResponseWriter) bool {
				w.Header().Set("X-Amzn-Errortype", "ExpiredTokenException")
				w.WriteHeader(403)
				return true
			}
		}, signertest.At("a.example", "s1", rsa), "ExpiredToken", true},
		"changed meanwhile": {func(f *sestest.Server, _ *Signer) {
			f.After = func(n int, _ http.ResponseWriter) bool {
				f.Identities["a.example"].Selector = "theirs"
				return false
			}
			f.Identities["a.example"].Origin = "EXTERNAL"
		}, signertest.At("a.example", "s1", rsa), `shows the selector "theirs"`, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := sestest.Start(t, "a.example")
			s := at(f)
			s.cfg.Patience = 20 * time.Millisecond
			if c.set != nil {
				c.set(f, s)
			}
			err := s.Activate(t.Context(), []dkim.SigningKey{c.key})
			faulttest.Shown(t, err)
			if err == nil || !strings.Contains(err.Error(), c.words) || strings.Contains(err.Error(), secret) ||
				fault.HintOf(err) == "" {
				t.Errorf("%v; want %q, hint %q", err, c.words, fault.HintOf(err))
			}
			f.Puts = 0
			err = preflighttest.Wrong(preflight.Ask(t.Context(), []preflight.Part{{Kind: "signer", Questions: s.Check(
				[]preflight.Subject{{Name: c.key.Name}})}}, preflight.Usual))
			if (err != nil) != c.check || f.Puts != 0 {
				t.Errorf("beforehand: %v; %d changes", err, f.Puts)
			}
			record := dkim.NewRecord(c.key.Key.Public(), "").String()
			each, whichever := s.Screen(t.Context(), []dkim.SigningKey{{Name: c.key.Name, Record: record}})
			if (each[c.key.Domain] != nil) != (name == "Ed25519" || name == "selector") {
				t.Errorf("screened: %v", each)
			}
			if name == "no identity" && whichever == nil {
				t.Error("an identity that is missing is not seen")
			}
		})
	}
}

// TestUnreachable: an SES that is slow, and one that is not there.
func TestUnreachable(t *testing.T) {
	f := sestest.Start(t, "a.example")
	release := make(chan struct{})
	f.Config.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release })
	s := at(f)
	s.requestTimeout = 50 * time.Millisecond
	_, err := s.Active(t.Context(), []string{"a.example"})
	close(release)
	faulttest.Shown(t, err)
	f.Close()
	_, err = at(f).Active(t.Context(), []string{"a.example"})
	faulttest.Shown(t, err)
}

// TestTokenRenewed: a token that expires in the middle of a switch and was exchanged in its file is found without a
// restart; one that was not is an error that says so, and holds no secret.
func TestTokenRenewed(t *testing.T) {
	k, f := signertest.Keys(t, 2), sestest.Start(t, "a.example")
	valid, left := "token-one", 1<<30
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if left--; left == 0 {
			valid = "token-two"
		}
		if r.Header.Get("X-Amz-Security-Token") == valid {
			f.ServeHTTP(w, r)
			return
		}
		w.Header().Set("X-Amzn-Errortype", "ExpiredTokenException")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, `{"message":"The security token %s included in the request is expired"}`,
			r.Header.Get("X-Amz-Security-Token"))
	}))
	defer front.Close()
	file := filepath.Join(t.TempDir(), "token")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("token-one")
	s := at(f)
	s.endpoint, s.cfg.SessionToken = front.URL, settings.FromFile(file)
	if err := s.Activate(t.Context(), []dkim.SigningKey{signertest.At("a.example", "s1", k[0])}); err != nil {
		t.Fatal(err)
	}
	left = 2
	err := s.Activate(t.Context(), []dkim.SigningKey{signertest.At("a.example", "s2", k[1])})
	faulttest.Shown(t, err)
	if err == nil || !strings.Contains(fault.HintOf(err), "have expired") || strings.Contains(err.Error(), "token-") {
		t.Errorf("%v (%s)", err, fault.HintOf(err))
	}
	write("token-two")
	key := signertest.At("a.example", "s2", k[1])
	if err := s.Activate(t.Context(), []dkim.SigningKey{key}); err != nil || f.Sign("a.example") != key.Ref() {
		t.Errorf("with the new token: %v", err)
	}
}

// TestEchoedKey guards I9: SES quotes values that it does not take.
func TestEchoedKey(t *testing.T) {
	k := signertest.Keys(t, 1)[0]
	f := sestest.Start(t, "a.example")
	var body string
	f.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			data := make([]byte, 1<<14)
			n, _ := r.Body.Read(data)
			body = string(data[:n])
			w.Header().Set("X-Amzn-Errortype", "BadRequestException")
			w.WriteHeader(400)
			fmt.Fprintf(w, `{"message":%q}`, body)
			return
		}
		f.ServeHTTP(w, r)
	})
	err := at(f).Activate(t.Context(), []dkim.SigningKey{signertest.At("a.example", "s1", k)})
	if err == nil || !strings.Contains(body, "DomainSigningPrivateKey") {
		t.Fatalf("%v; it was sent %.100s", err, body)
	}
	_, key, _ := strings.Cut(body, `"DomainSigningPrivateKey":"`)
	for i := 0; i+20 < min(len(key), 1500); i += 5 {
		if strings.Contains(err.Error(), key[i:i+20]) {
			t.Fatalf("a piece of the key is in the error: %v", err)
		}
	}
}

// TestRepeats: 5xx after the effect and throttling are repeated.
func TestRepeats(t *testing.T) {
	k := signertest.Keys(t, 2)
	f := sestest.Start(t, "a.example")
	f.Before = func(n int, w http.ResponseWriter) bool {
		if n%3 == 1 {
			sestest.Throttle(w)
		}
		return n%3 == 1
	}
	f.After = func(n int, w http.ResponseWriter) bool {
		if n%5 == 2 {
			w.WriteHeader(503)
		}
		return n%5 == 2
	}
	for i, selector := range []string{"s1", "s2", "s1"} {
		key := signertest.At("a.example", selector, k[i%2])
		if err := at(f).Activate(t.Context(), []dkim.SigningKey{key}); err != nil || f.Sign("a.example") != key.Ref() {
			t.Errorf("%v, it is signed with %v", err, f.Sign("a.example"))
		}
	}
}

// TestPace: SES takes one request a second.
func TestPace(t *testing.T) {
	f := sestest.Start(t, domains()...)
	s := New(Config{Name: "eu", Region: "eu-west-1", AccessKeyID: "AKID", SecretAccessKey: settings.Inline(secret)})
	s.endpoint = f.URL
	began := time.Now()
	if _, err := s.Active(t.Context(), []string{"a.example", "b.example", "c0.example"}); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 2*time.Second {
		t.Errorf("three requests took %s", took)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Active(ctx, []string{"a.example"}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// TestConfig: what can't be right is refused before.
func TestConfig(t *testing.T) {
	for _, edit := range []func(*Config){
		func(c *Config) { c.Region = "" },
		func(c *Config) { c.Region = "Ireland" },
		func(c *Config) { c.AccessKeyID = "AKID" },
		func(c *Config) { c.SessionToken = settings.Inline("token") },
	} {
		c := Defaults()
		c.Region = "eu-west-1"
		edit(c)
		_, err := signer.Config{Name: "eu", Settings: c}.Open()
		faulttest.Shown(t, err)
	}
}

// BenchmarkSwitch switches 1,000 identities. Amazon's own pace is not part of it: the time that its rate would take is
// reported beside.
func BenchmarkSwitch(b *testing.B) {
	var names []string
	for d := range 1000 {
		names = append(names, fmt.Sprintf("d%04d.example", d))
	}
	f := sestest.Start(b, names...)
	s, k := at(f), signertest.Keys(b, 2)
	switchAll := func(i int) {
		var keys []dkim.SigningKey
		for _, name := range names {
			keys = append(keys, signertest.At(name, fmt.Sprintf("s%d", i%2+1), k[i%2]))
		}
		if err := s.Activate(b.Context(), keys); err != nil {
			b.Fatal(err)
		}
	}
	switchAll(0)
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		f.Requests, f.Puts = 0, 0
		b.StartTimer()
		switchAll(i + 1)
	}
	b.ReportMetric(float64(f.Requests), "requests/op")
	b.ReportMetric(float64(f.Puts), "writes/op")
	b.ReportMetric(float64(f.Requests), "seconds-at-Amazon/op") // one a second
}
