package stalwart

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/settings"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
	"github.com/dkimbot/dkimbot/rotate/signer/stalwart/stalwarttest"
)

// domains are those of the conformance suite, and some more.
func domains() (out []string) {
	out = []string{"a.example", "b.example"}
	for i := range 20 {
		out = append(out, fmt.Sprintf("d%02d.example", i), fmt.Sprintf("c%d.example", i))
	}
	return out
}

func at(t testing.TB, f *stalwarttest.Server) *Signer {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(stalwarttest.Token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := open(Config{Name: "mx", URL: f.URL, Token: settings.FromFile(file), Timeout: time.Minute}, time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
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
		f := stalwarttest.Start(t, domains()...)
		return signertest.Subject{Signer: at(t, f), Stop: func(*testing.T) { f.Close() },
			SignsWith: func(t *testing.T, domain string) dkim.Ref {
				all := f.Sign(domain)
				if len(all) > 1 {
					t.Fatalf("%s is signed %d times: %v", domain, len(all), all)
				}
				return append(all, dkim.Ref{})[0]
			},
			Backup: func(t *testing.T) func() {
				var kept []stalwarttest.Signature
				for _, g := range f.Signatures {
					kept = append(kept, *g)
				}
				return func() {
					f.Signatures = nil
					for _, g := range kept {
						f.Add("a.example", g.Selector, g.Type, g.Stage, g.Key)
					}
				}
			}}
	})
}

// TestEveryInstant guards I1: whichever write of Stalwart's a message comes after, it is signed with one key where mail of
// the domain came between the last two requests, and else with at least one, of those two.
func TestEveryInstant(t *testing.T) {
	f := stalwarttest.Start(t, "a.example")
	s, k := at(t, f), signertest.Keys(t, 3)
	activate(t, s, signertest.At("a.example", "s1", k[0]))
	f.Before = func(int, http.ResponseWriter) bool { // mail that comes all the time
		f.SignNow("a.example", true)
		return false
	}
	seen := 0
	f.Instant = func() {
		seen++
		if warm := f.SignNow("a.example", true); len(warm) != 1 {
			t.Errorf("after write %d it is signed with %v", seen, warm)
		}
		if cold := f.SignNow("a.example", false); len(cold) < 1 || len(cold) > 2 {
			t.Errorf("after write %d a first message is signed with %v", seen, cold)
		}
	}
	for _, key := range []dkim.SigningKey{signertest.At("a.example", "s2", k[1]), signertest.At("a.example", "s1", k[2]),
		signertest.At("a.example", "s2", k[1])} {
		activate(t, s, key)
		if got := f.Sign("a.example"); !slices.Equal(got, []dkim.Ref{key.Ref()}) {
			t.Errorf("it is signed with %v", got)
		}
	}
	if seen != 3*3-1 { // create, active, retiring; the key that was there is not created again
		t.Errorf("%d writes", seen)
	}
}

// TestKilled guards I1 and I7: the process may end before or after any request, and the next one leads to the same end.
// Meanwhile and afterwards the domain is signed with one key.
func TestKilled(t *testing.T) {
	k := signertest.Keys(t, 2)
	for n := 1; ; n++ {
		killed := false
		for _, effect := range []bool{false, true} {
			f := stalwarttest.Start(t, "a.example", "b.example")
			activate(t, at(t, f), signertest.At("a.example", "s1", k[0]), signertest.At("b.example", "s1", k[0]))
			f.Sign("a.example")
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
			next := []dkim.SigningKey{signertest.At("a.example", "s2", k[1]), signertest.At("b.example", "s2", k[1])}
			err := at(t, f).Activate(ctx, next)
			kill()
			f.Before, f.After = nil, nil
			if killed && err == nil {
				t.Errorf("killed at request %d: no error", n)
			}
			for _, key := range next {
				if got := f.Sign(key.Domain); len(got) != 1 {
					t.Errorf("killed at request %d (effect %t): %s is signed with %v", n, effect, key.Domain, got)
				}
			}
			activate(t, at(t, f), next...)
			for _, key := range next {
				if got := f.Sign(key.Domain); !slices.Equal(got, []dkim.Ref{key.Ref()}) {
					t.Errorf("after request %d: %s is signed with %v", n, key.Domain, got)
				}
			}
			if len(f.Signatures) != 4 {
				t.Errorf("after request %d: %d signatures", n, len(f.Signatures))
			}
		}
		if !killed {
			if n < 8 {
				t.Errorf("only %d requests", n-1)
			}
			return
		}
	}
}

// TestPartOfASet guards I1: Stalwart may carry out one change of a set and not another. No domain stays without a key
// that signs, none is confirmed, and the next run ends it.
func TestPartOfASet(t *testing.T) {
	k := signertest.Keys(t, 2)
	for name, c := range map[string]struct {
		refuse func(operation string, g *stalwarttest.Signature) *stalwarttest.Refusal
		signs  int // keys after the run that fails
	}{
		"the new key does not become active": {func(op string, g *stalwarttest.Signature) *stalwarttest.Refusal {
			if op == "update" && g.Selector == "s2" && g.Stage == "active" {
				return &stalwarttest.Refusal{Type: "notFound"}
			}
			return nil
		}, 1},
		"the key before does not retire": {func(op string, g *stalwarttest.Signature) *stalwarttest.Refusal {
			if op == "update" && g.Stage == "retiring" {
				return &stalwarttest.Refusal{Type: "rateLimit", Description: "slow down"}
			}
			return nil
		}, 2},
		"the store fails in between": {func(op string, g *stalwarttest.Signature) *stalwarttest.Refusal {
			if op == "update" && g.Stage == "retiring" {
				return &stalwarttest.Refusal{Type: stalwarttest.Fail}
			}
			return nil
		}, 2},
		"the key is not created": {func(op string, g *stalwarttest.Signature) *stalwarttest.Refusal {
			if op == "create" {
				return &stalwarttest.Refusal{Type: "overQuota", Description: "too many keys"}
			}
			return nil
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			f := stalwarttest.Start(t, "a.example", "b.example")
			s := at(t, f)
			activate(t, s, signertest.At("a.example", "s1", k[0]), signertest.At("b.example", "s1", k[0]))
			ofA := f.Domains[0].ID
			f.Refuse = func(op string, g *stalwarttest.Signature) *stalwarttest.Refusal {
				if g.DomainID != ofA {
					return nil
				}
				return c.refuse(op, g)
			}
			next := []dkim.SigningKey{signertest.At("a.example", "s2", k[1]), signertest.At("b.example", "s2", k[1])}
			err := s.Activate(t.Context(), next)
			if err == nil || fault.HintOf(err) == "" {
				t.Errorf("error is %v", err)
			}
			if got := f.SignNow("a.example", false); len(got) != c.signs {
				t.Errorf("a.example is signed with %v", got)
			}
			f.Refuse = nil
			activate(t, s, next...)
			for _, key := range next {
				if got := f.SignNow(key.Domain, false); !slices.Equal(got, []dkim.Ref{key.Ref()}) {
					t.Errorf("%s is signed with %v", key.Domain, got)
				}
			}
		})
	}
}

// TestRepeats: 5xx after the effect, a lost connection and 429 are repeated, and no signature is made twice.
func TestRepeats(t *testing.T) {
	k := signertest.Keys(t, 2)
	for name, lose := range map[string]func(n int, w http.ResponseWriter) bool{
		"5xx": func(n int, w http.ResponseWriter) bool {
			if n%7 == 3 {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			return n%7 == 3
		},
		"429": nil,
	} {
		f := stalwarttest.Start(t, "a.example")
		s := at(t, f)
		if f.After = lose; lose == nil {
			f.Before = func(n int, w http.ResponseWriter) bool {
				if n%2 == 1 {
					w.Header().Set("Retry-After", "0")
					w.WriteHeader(http.StatusTooManyRequests)
				}
				return n%2 == 1
			}
		}
		for i, selector := range []string{"s1", "s2", "s1"} {
			key := signertest.At("a.example", selector, k[i%2])
			err := s.Activate(t.Context(), []dkim.SigningKey{key})
			for try := 0; err != nil && try < 3; try++ { // a creation that may have been carried out is not repeated
				err = s.Activate(t.Context(), []dkim.SigningKey{key})
			}
			if got := f.Sign("a.example"); err != nil || !slices.Equal(got, []dkim.Ref{key.Ref()}) {
				t.Errorf("%s: %v, it is signed with %v", name, err, got)
			}
		}
		if len(f.Signatures) != 2 {
			t.Errorf("%s: %d signatures", name, len(f.Signatures))
		}
	}
}

// TestCutOff guards I10: Stalwart wrote a switch and did not forget the signers in its memory, once and twice in a row.
// The old key still signs; that is not confirmed as a switch, and the next run ends it.
func TestCutOff(t *testing.T) {
	k := signertest.Keys(t, 2)
	for times := 1; times <= 3; times++ {
		f := stalwarttest.Start(t, "a.example")
		activate(t, at(t, f), signertest.At("a.example", "s1", k[0]))
		f.Before = func(int, http.ResponseWriter) bool {
			f.SignNow("a.example", true)
			return false
		}
		sets := 0
		f.CutOff = func() bool {
			sets++
			return sets > 1 && sets <= 1+times // the first one creates the key
		}
		next := signertest.At("a.example", "s2", k[1])
		for try := 1; ; try++ {
			err := at(t, f).Activate(t.Context(), []dkim.SigningKey{next})
			got := f.Sign("a.example")
			if err == nil && !slices.Equal(got, []dkim.Ref{next.Ref()}) {
				t.Fatalf("cut off %d times: the switch is confirmed, and mail is signed with %v", times, got)
			}
			if err == nil {
				break
			}
			if len(got) != 1 || try > times {
				t.Fatalf("cut off %d times: %v, mail is signed with %v", times, err, got)
			}
		}
	}
}

// TestOthersAreKept guards I6: what somebody else made is not destroyed, and signs no more after the first switch.
func TestOthersAreKept(t *testing.T) {
	k := signertest.Keys(t, 3)
	f := stalwarttest.Start(t, "a.example", "b.example")
	s := at(t, f)
	theirs := f.Add("a.example", "mail", "Dkim1RsaSha256", "active", k[2])
	dkim2 := f.Add("a.example", "new", "Dkim2RsaSha256", "active", k[2])
	spare := f.Add("a.example", "spare", "Dkim1RsaSha256", "pending", k[2])
	neighbour := f.Add("b.example", "mail", "Dkim1RsaSha256", "active", k[2])
	got, err := s.Active(t.Context(), []string{"a.example"})
	if err != nil || got["a.example"].Selector != "mail" || got["a.example"].KeyID != k[2].ID() {
		t.Errorf("%v, %v", got, err)
	}
	key := signertest.At("a.example", "s1", k[0])
	activate(t, s, key)
	if err := s.Forget(t.Context(), []dkim.Ref{signertest.At("a.example", "s2", k[1]).Ref()}); err != nil {
		t.Error(err)
	}
	if theirs.Stage != "retiring" || dkim2.Stage != "active" || spare.Stage != "pending" || neighbour.Stage != "active" ||
		len(f.Signatures) != 5 {
		t.Errorf("%v %v %v %v", theirs, dkim2, spare, neighbour)
	}
	if got := f.Sign("a.example"); !slices.Equal(got, []dkim.Ref{key.Ref()}) {
		t.Errorf("it is signed with %v", got)
	}
}

// BenchmarkSwitch switches 1,000 domains.
func BenchmarkSwitch(b *testing.B) {
	var names []string
	for d := range 1000 {
		names = append(names, fmt.Sprintf("d%04d.example", d))
	}
	f := stalwarttest.Start(b, names...)
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
		f.Requests, f.Writes = 0, 0
		switchAll(i + 1)
	}
	b.ReportMetric(float64(f.Requests), "requests/op")
	b.ReportMetric(float64(f.Writes), "writes/op")
}
