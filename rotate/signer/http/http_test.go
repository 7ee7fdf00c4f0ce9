package http

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/settings"
	"github.com/dkimbot/dkimbot/rotate/signer/protocol"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

const token = "t0ken-of-the-endpoint"

// fake is an endpoint of an operator's: it keeps what it was told under each Idempotency-Key, as the page asks for.
type fake struct {
	*httptest.Server
	mu       sync.Mutex
	signs    map[string]protocol.Entry
	answers  map[string][]byte // by Idempotency-Key
	effects  int               // requests that were carried out
	requests []*http.Request
	bodies   []string
	// before and after, when not nil, answer a request themselves by returning true; after, when it had its effect.
	before, after func(w http.ResponseWriter, n int) bool
}

func start(t testing.TB) *fake {
	f := &fake{signs: map[string]protocol.Entry{}, answers: map[string][]byte{}}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests, f.bodies = append(f.requests, r), append(f.bodies, string(body))
	n := len(f.requests)
	if f.before != nil && f.before(w, n) {
		return
	}
	if r.Header.Get("Authorization") != "Bearer "+token {
		http.Error(w, "who is "+r.Header.Get("Authorization")+"?", http.StatusUnauthorized)
		return
	}
	answer := f.carryOut(r.Header.Get("Idempotency-Key"), body)
	if f.after != nil && f.after(w, n) {
		return
	}
	w.Write(answer)
}

func (f *fake) carryOut(key string, body []byte) []byte {
	if known := f.answers[key]; known != nil {
		return known
	}
	var req protocol.Request
	if err := json.Unmarshal(body, &req); err != nil {
		return []byte(err.Error())
	}
	active := map[string]any{}
	for _, e := range req.Domains {
		if req.Action == protocol.Activate {
			f.signs[e.Domain] = e
			f.effects++
		}
		if now, ok := f.signs[e.Domain]; ok {
			active[e.Domain] = map[string]string{"selector": now.Selector, "key_id": now.KeyID}
		}
	}
	answer, _ := json.Marshal(map[string]any{"active": active})
	if key != "" {
		f.answers[key] = answer
	}
	return answer
}

// signer returns a signer that asks the fake, with its token in a file.
func (f *fake) signer(t testing.TB, edit func(*Config)) *Signer {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := Config{Name: "hook", URL: f.URL + "/dkim", Token: settings.FromFile(file), Timeout: time.Minute}
	if edit != nil {
		edit(&cfg)
	}
	s, err := open(cfg, time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) {
	signertest.Run(t, func(t *testing.T) signertest.Subject {
		f := start(t)
		return signertest.Subject{Signer: f.signer(t, func(c *Config) { c.SendKey, c.Batch = true, 7 }),
			Stop: func(*testing.T) { f.Close() },
			SignsWith: func(t *testing.T, domain string) dkim.Ref {
				f.mu.Lock()
				defer f.mu.Unlock()
				e, ok := f.signs[domain]
				if !ok {
					return dkim.Ref{}
				}
				key, err := dkim.ParsePrivateKey([]byte(e.PrivateKey))
				if err != nil || key.ID() != e.KeyID || dkim.NewRecord(key.Public(), "").String() != e.Record {
					t.Errorf("%+v: %v", e, err)
				}
				return dkim.Ref{Name: dkim.Name{Domain: domain, Selector: e.Selector}, KeyID: e.KeyID}
			}}
	})
}

// TestRequest pins what an endpoint is sent: the documents of the exec signer, its login, and an Idempotency-Key with
// what changes something.
func TestRequest(t *testing.T) {
	f := start(t)
	s := f.signer(t, nil)
	k := signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])
	if err := s.Activate(t.Context(), []dkim.SigningKey{k}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Active(t.Context(), []string{"a.example"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Forget(t.Context(), []dkim.Ref{k.Ref()}); err != nil {
		t.Fatal(err)
	}
	id, record := k.Ref().KeyID, dkim.NewRecord(k.Key.Public(), "").String()
	want := []string{
		`{"format_version":1,"action":"activate","signer":"hook","domains":[` +
			`{"domain":"a.example","selector":"s1","key_id":"` + id + `","record":"` + record + `"}]}`,
		`{"format_version":1,"action":"active","signer":"hook","domains":[{"domain":"a.example"}]}`,
		`{"format_version":1,"action":"forget","signer":"hook","domains":[` +
			`{"domain":"a.example","selector":"s1","key_id":"` + id + `"}]}`,
	}
	if d := cmp.Diff(want, f.bodies); d != "" {
		t.Errorf("bodies (-want +got):\n%s", d)
	}
	for i, r := range f.requests {
		key := r.Header.Get("Idempotency-Key")
		if r.Method != "POST" || r.URL.Path != "/dkim" || r.Header.Get("Content-Type") != "application/json" ||
			r.Header.Get("Authorization") != "Bearer "+token || r.Header.Get("User-Agent") != "dkimbot" ||
			(key == "") != (i == 1) || key != "" && (len(key) != 28 || key[0] != '"') {
			t.Errorf("%s %s: %v", r.Method, r.URL, r.Header)
		}
	}
}

// TestRepeats guards I7: what was carried out and not answered is not carried out twice, and the same switch later is
// a request of its own, or a domain that went back to s1 would stay with s2.
func TestRepeats(t *testing.T) {
	f := start(t)
	s := f.signer(t, nil)
	k := signertest.Keys(t, 2)
	lose := map[string]func(w http.ResponseWriter, n int) bool{
		"502 after the effect": func(w http.ResponseWriter, n int) bool {
			if n%3 != 0 {
				w.WriteHeader(http.StatusBadGateway)
			}
			return n%3 != 0
		},
		"connection lost after the effect": func(_ http.ResponseWriter, n int) bool {
			if n%3 != 0 {
				panic(http.ErrAbortHandler)
			}
			return false
		},
	}
	for name, after := range lose {
		f.requests, f.effects, f.after = nil, 0, after
		for i, key := range []dkim.SigningKey{signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1]),
			signertest.At("a.example", "s1", k[0])} {
			if err := s.Activate(t.Context(), []dkim.SigningKey{key}); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if f.effects != i+1 || len(f.requests) != 3*(i+1) || f.signs["a.example"].Selector != key.Selector {
				t.Errorf("%s: %d requests, %d effects, %s signs", name, len(f.requests), f.effects, f.signs["a.example"].Selector)
			}
		}
	}
}

// TestKilled guards I1 and I7: the process may end before or after any request; the next one leads to the same end, and
// every domain signs with one key all the time.
func TestKilled(t *testing.T) {
	k := signertest.Keys(t, 2)
	batch := func(selector string, key *dkim.PrivateKey) (out []dkim.SigningKey) {
		for i := range 3 {
			out = append(out, signertest.At(fmt.Sprintf("d%d.example", i), selector, key))
		}
		return out
	}
	for n := 1; n <= 3; n++ {
		for _, effect := range []bool{false, true} {
			f := start(t)
			one := func(c *Config) { c.Batch = 1 }
			if err := f.signer(t, one).Activate(t.Context(), batch("s1", k[0])); err != nil {
				t.Fatal(err)
			}
			ctx, kill := context.WithCancel(t.Context())
			f.requests = nil
			die := func(_ http.ResponseWriter, at int) bool {
				if at >= n {
					kill()
					panic(http.ErrAbortHandler)
				}
				return false
			}
			if f.before = die; effect {
				f.before, f.after = nil, die
			}
			if err := f.signer(t, one).Activate(ctx, batch("s2", k[1])); err == nil {
				t.Errorf("killed at request %d: no error", n)
			}
			f.before, f.after = nil, nil
			for d, e := range f.signs {
				if e.Selector == "s1" && e.KeyID != k[0].ID() || e.Selector == "s2" && e.KeyID != k[1].ID() {
					t.Errorf("%s signs with %+v", d, e)
				}
			}
			if err := f.signer(t, one).Activate(t.Context(), batch("s2", k[1])); err != nil {
				t.Error(err)
			}
			for d, e := range f.signs {
				if e.Selector != "s2" || e.KeyID != k[1].ID() {
					t.Errorf("%s signs with %+v", d, e)
				}
			}
		}
	}
}

// TestPartOfABatch: a request that fails lets the domains of the others switch.
func TestPartOfABatch(t *testing.T) {
	f := start(t)
	s := f.signer(t, func(c *Config) { c.Batch = 2 })
	f.before = func(w http.ResponseWriter, n int) bool {
		if n == 2 {
			http.Error(w, "no", http.StatusUnprocessableEntity)
		}
		return n == 2
	}
	var keys []dkim.SigningKey
	for i := range 6 {
		keys = append(keys, signertest.At(fmt.Sprintf("d%d.example", i), "s1", signertest.Keys(t, 1)[0]))
	}
	err := s.Activate(t.Context(), keys)
	var partial interface{ FailedDomains() map[string]error }
	if !errors.As(err, &partial) || len(partial.FailedDomains()) != 2 || partial.FailedDomains()["d2.example"] == nil ||
		partial.FailedDomains()["d3.example"] == nil {
		t.Errorf("%v", err)
	}
}

// TestTokenIsReadAgain: a token that was replaced counts from the next request on.
func TestTokenIsReadAgain(t *testing.T) {
	f := start(t)
	file := filepath.Join(t.TempDir(), "token")
	s := f.signer(t, func(c *Config) { c.Token = settings.FromFile(file) })
	for _, text := range []string{"an-old-one", token} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Active(t.Context(), []string{"a.example"}); (err == nil) != (text == token) ||
			err != nil && strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// BenchmarkSwitch switches 1,000 domains.
func BenchmarkSwitch(b *testing.B) {
	f := start(b)
	s := f.signer(b, func(c *Config) { c.SendKey = true })
	k := signertest.Keys(b, 2)
	for i := range b.N {
		f.requests, f.bodies = nil, nil
		var keys []dkim.SigningKey
		for d := range 1000 {
			keys = append(keys, signertest.At(fmt.Sprintf("d%04d.example", d), fmt.Sprintf("s%d", i%2+1), k[i%2]))
		}
		if err := s.Activate(b.Context(), keys); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(f.requests)), "requests/op")
}
