package mailgun

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/settings"
	"github.com/dkimbot/dkimbot/rotate/signer/mailgun/mailguntest"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

func domains() (out []string) {
	out = []string{"a.example", "b.example"}
	for i := range 20 {
		out = append(out, fmt.Sprintf("d%02d.example", i), fmt.Sprintf("c%d.example", i))
	}
	return out
}

func at(t testing.TB, f *mailguntest.Server) *Signer {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(mailguntest.APIKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := open(Config{Name: "mg", Region: "eu", APIKey: settings.FromFile(file), Timeout: time.Minute,
		Patience: time.Minute}, f.URL, time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	s.pace, s.poll = rate.NewLimiter(rate.Inf, 1), time.Millisecond
	return s
}

func activate(t testing.TB, s *Signer, keys ...dkim.SigningKey) {
	t.Helper()
	if err := s.Activate(t.Context(), keys); err != nil {
		t.Fatal(err)
	}
}

func TestConformance(t *testing.T) {
	signertest.Run(t, func(t *testing.T) signertest.Subject {
		f := mailguntest.Start(t, domains()...)
		f.Looks = 2
		return signertest.Subject{Signer: at(t, f), Fixed: true, Stop: func(*testing.T) { f.Close() },
			SignsWith: func(t *testing.T, domain string) dkim.Ref {
				all := f.Sign(domain)
				if len(all) > 1 {
					t.Fatalf("%s is signed %d times: %v", domain, len(all), all)
				}
				return append(all, dkim.Ref{})[0]
			}}
	})
}

// TestKilled guards I1 and I7: the process may end before or after any request. Before, after and while the next one
// finishes, mail is signed, and with no other keys than the two.
func TestKilled(t *testing.T) {
	k := signertest.Keys(t, 2)
	for n, killed := 1, true; killed; n++ {
		killed = false
		for _, effect := range []bool{false, true} {
			f := mailguntest.Start(t, "a.example")
			f.Looks = 1
			old, next := signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1])
			activate(t, at(t, f), old)
			begun := f.Requests
			ctx, kill := context.WithCancel(t.Context())
			signed := func() {
				got := f.SignNow("a.example")
				if len(got) == 0 || slices.ContainsFunc(got, func(r dkim.Ref) bool { return r != old.Ref() && r != next.Ref() }) {
					t.Errorf("killed at request %d: it is signed with %v", n, got)
				}
			}
			die := func(at int) bool {
				if signed(); at-begun >= n {
					killed = true
					kill()
					panic(http.ErrAbortHandler)
				}
				return false
			}
			if effect {
				f.After = func(n int, _ http.ResponseWriter) bool { return die(n) }
			} else {
				f.Before = func(n int, _ http.ResponseWriter, _ *http.Request) bool { return die(n) }
			}
			err := at(t, f).Activate(ctx, []dkim.SigningKey{next})
			kill()
			if got := f.Sign("a.example"); err == nil && !slices.Equal(got, []dkim.Ref{next.Ref()}) {
				t.Errorf("killed at request %d: confirmed, and signed with %v", n, got)
			}
			f.After, f.Before = nil, func(int, http.ResponseWriter, *http.Request) bool { signed(); return false }
			activate(t, at(t, f), next)
			if got := f.Sign("a.example"); !slices.Equal(got, []dkim.Ref{next.Ref()}) {
				t.Errorf("after request %d: it is signed with %v", n, got)
			}
		}
		if !killed && n < 6 {
			t.Errorf("only %d requests", n-1)
		}
	}
}

// TestOthersAreKept guards I6: what somebody else made is never deleted nor exchanged.
func TestOthersAreKept(t *testing.T) {
	k := signertest.Keys(t, 3)
	f := mailguntest.Start(t, "a.example", "b.example")
	s := at(t, f)
	theirs := f.Add("a.example", "mail", k[2].Public(), true)
	spare := f.Add("a.example", "spare", k[2].Public(), false)
	neighbour := f.Add("b.example", "mail", k[2].Public(), true)
	key := signertest.At("a.example", "s1", k[0])
	activate(t, s, key)
	for _, ref := range []dkim.Ref{signertest.At("a.example", "spare", k[1]).Ref(), // another key
		signertest.At("a.example", "s2", k[1]).Ref(), signertest.At("absent.example", "s2", k[1]).Ref()} {
		if err := s.Forget(t.Context(), []dkim.Ref{ref}); err != nil {
			t.Error(err)
		}
	}
	if theirs.Active || spare.Active || !neighbour.Active || len(f.Domains["a.example"]) != 3 {
		t.Errorf("%v %v %v", theirs, spare, neighbour)
	}
	if got := f.Sign("a.example"); !slices.Equal(got, []dkim.Ref{key.Ref()}) {
		t.Errorf("it is signed with %v", got)
	}
}

// TestRepeats: throttling, 5xx after the effect and lost answers are repeated, and no key is imported twice.
func TestRepeats(t *testing.T) {
	k := signertest.Keys(t, 2)
	f := mailguntest.Start(t, "a.example")
	f.Before = func(n int, w http.ResponseWriter, _ *http.Request) bool {
		if n%4 == 1 {
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusTooManyRequests)
		}
		return n%4 == 1
	}
	f.After = func(n int, w http.ResponseWriter) bool {
		if n%5 == 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		if n%7 == 6 {
			panic(http.ErrAbortHandler)
		}
		return n%5 == 3
	}
	for i, selector := range []string{"s1", "s2", "s1", "s2"} {
		key := signertest.At("a.example", selector, k[i%2])
		activate(t, at(t, f), key)
		if got := f.Sign("a.example"); !slices.Equal(got, []dkim.Ref{key.Ref()}) {
			t.Errorf("it is signed with %v", got)
		}
	}
	for range 2 {
		if err := at(t, f).Forget(t.Context(), []dkim.Ref{signertest.At("a.example", "s1", k[0]).Ref()}); err != nil {
			t.Error(err)
		}
	}
	if len(f.Domains["a.example"]) != 1 {
		t.Errorf("%d keys", len(f.Domains["a.example"]))
	}
}

// TestRead guards I6: of a list only the keys that sign mail as the domain count, in whatever form they are shown.
func TestRead(t *testing.T) {
	k := signertest.Keys(t, 1)[0].Public()
	got, err := read("a.example", []byte(`{"items":[
		{"signing_domain":"A.example","selector":"S1","dns_record":{"active":true,"value":"`+dkim.NewRecord(k, "").String()+`"}},
		{"signing_domain":"sub.a.example","selector":"s2","dns_record":{"is_active":true}},
		{"signing_domain":"a.example","selector":"s3","dns_record":{"is_active":false,"value":"k=rsa; p="}}]}`))
	if want := (keys{"s1": {ID: k.ID(), Active: true}, "s3": {}}); err != nil || !maps.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
}

// FuzzRead: whatever answers, nothing is taken for a list that does not say of each key of the domain whether it is
// active.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{`{"items":[]}`, `{"items":null}`, `[]`, `{"items":[{}]}`,
		`{"items":[{"signing_domain":"a.example","selector":"s1"}]}`,
		`{"items":[{"signing_domain":"a.example","selector":"s1","dns_record":{"is_active":true,"value":"k=rsa; p="}}]}`,
		`{"items":[{"signing_domain":"A.example","selector":"S1","dns_record":{"active":true,"value":"\u0000"}}]}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		got, err := read("a.example", []byte(body))
		if err != nil && (got != nil || strings.ContainsAny(err.Error(), "\n\x00\x1b")) {
			t.Errorf("%v, %q", got, err)
		}
		if err == nil && got == nil {
			t.Error("a list is taken for a domain that is missing")
		}
		for selector := range got {
			if selector == "" || selector != strings.ToLower(selector) {
				t.Errorf("selector %q", selector)
			}
		}
	})
}

// BenchmarkSwitch switches 1,000 domains. Mailgun takes 300 requests a minute.
func BenchmarkSwitch(b *testing.B) {
	var names []string
	for d := range 1000 {
		names = append(names, fmt.Sprintf("d%04d.example", d))
	}
	f := mailguntest.Start(b, names...)
	s, k := at(b, f), signertest.Keys(b, 2)
	switchAll := func(i int) {
		var keys []dkim.SigningKey
		for _, name := range names {
			keys = append(keys, signertest.At(name, fmt.Sprintf("s%d", i%2+1), k[i%2]))
		}
		activate(b, s, keys...)
	}
	switchAll(0)
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		for _, name := range names { // as after a replacement: the next key is not there yet
			f.Domains[name] = slices.DeleteFunc(f.Domains[name], func(k *mailguntest.Key) bool { return !k.Active })
		}
		f.Requests, f.Writes = 0, 0
		b.StartTimer()
		switchAll(i + 1)
	}
	b.ReportMetric(float64(f.Requests), "requests/op")
	b.ReportMetric(float64(f.Writes), "writes/op")
	b.ReportMetric(float64(f.Requests)/perMinute*60, "seconds-at-Mailgun/op")
}
