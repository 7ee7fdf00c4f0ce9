package haraka

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

func TestMain(m *testing.M) {
	signertest.Main(m, func(name string, cfg Config, step func(string) error) (signertest.Signer, error) {
		cfg.Name = name
		s, err := New(cfg)
		if err == nil {
			s.step = step
		}
		return s, err
	})
}

// idle returns an adapter for a Haraka that does not run.
func idle(t testing.TB) *Signer {
	t.Helper()
	config := filepath.Join(signertest.SafeDir(t), "config")
	if err := os.MkdirAll(filepath.Join(config, "dkim"), 0o755); err != nil {
		t.Fatal(err)
	}
	return newSigner(t, config)
}

func newSigner(t testing.TB, config string) *Signer {
	t.Helper()
	s, err := New(Config{Name: "ha", Config: config, Owner: "root"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func activate(t testing.TB, s *Signer, keys ...dkim.SigningKey) {
	t.Helper()
	if err := s.Activate(t.Context(), keys); err != nil {
		t.Fatalf("Activate: %v (%s)", err, fault.HintOf(err))
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestConformance guards I1 and I10, by what Haraka reads; TestUnderMail has the real one.
func TestConformance(t *testing.T) {
	signertest.Run(t, func(t *testing.T) signertest.Subject { return signertest.Subject{Signer: idle(t)} })
}

// TestUnderMail guards I1 and I2 with the real Haraka: while keys switch, every message carries one signature, with a
// selector and the key that belongs to it; each switch is in effect within the lag, and after a restart. A second
// program verifies it. What signed before, by the plugin's two files or by those of the parent domain, signs until then.
func TestUnderMail(t *testing.T) {
	h := signertest.NewHaraka(t)
	k := signertest.Keys(t, 3)
	for _, domain := range []string{"a.example", "parent.example"} {
		dir := filepath.Join(h.Config, "dkim", domain)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, "private"), string(k[2].PEM()))
		write(t, filepath.Join(dir, "selector"), "mail\n")
	}
	write(t, filepath.Join(h.Config, "smtp.json"), `{"!banner_x": ["own"], "!smtpgreeting": ["hello"]}`)
	h.Start(t)
	s := newSigner(t, h.Config)
	if got, err := s.Active(t.Context(), []string{"a.example"}); err != nil || got["a.example"] != h.SignsWith(t, "a.example", k...) {
		t.Fatalf("Active: %v, %v", got, err)
	}
	// A pair of selector and key for each state of each domain.
	belongs := map[string]map[string]*dkim.PrivateKey{
		"a.example":          {"mail": k[2], "s1": k[0], "s2": k[1]},
		"new.parent.example": {"mail": k[2], "s1": k[0], "s2": k[1]},
	}
	var flow sync.WaitGroup
	stop := make(chan struct{})
	sent := map[string]int{}
	var mu sync.Mutex
	for domain, pairs := range belongs {
		flow.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				a := h.Mail(t, domain)
				if len(a.Signatures) != 1 || pairs[a.Signatures[0].Selector] == nil ||
					a.Signatures[0].Verify(pairs[a.Signatures[0].Selector]) != nil {
					t.Errorf("%s: %v", domain, a)
					return
				}
				mu.Lock()
				sent[domain+" "+a.Signatures[0].Selector]++
				mu.Unlock()
			}
		})
	}
	for round, selector := range []string{"s1", "s2", "s1"} {
		var keys []dkim.SigningKey
		for domain := range belongs {
			keys = append(keys, signertest.At(domain, selector, belongs[domain][selector]))
		}
		began := time.Now()
		activate(t, s, keys...)
		for _, key := range keys {
			for {
				a := h.Mail(t, key.Domain)
				if len(a.Signatures) == 1 && a.Signatures[0].Selector == selector {
					if !a.Signatures[0].VerifyWithDkimpy(t, key.Key) {
						t.Errorf("dkimpy: the signature with %s does not verify: %s", selector, a.Signatures[0].Value)
					}
					break
				}
				if time.Since(began) > s.Lag()+reread {
					t.Fatalf("round %d: %s is still signed with %v", round, key.Domain, a)
				}
			}
		}
		t.Logf("round %d: in effect after %v", round, time.Since(began))
	}
	close(stop)
	flow.Wait()
	t.Logf("sent: %v", sent)
	h.Stop()
	h.Start(t)
	for domain := range belongs {
		if got := h.SignsWith(t, domain, k...); got.Selector != "s1" {
			t.Errorf("after a restart %s is signed with %+v", domain, got)
		}
	}
	if text := read(t, s.path()); !strings.Contains(text, `"!banner_x": ["own"]`) {
		t.Errorf("smtp.json:\n%s", text)
	}
}

// TestCrash guards I1 and I7: wherever the process is killed, what Haraka reads is one pair, the old one or the new one,
// and running again completes the switch and leaves no copy of a key behind.
func TestCrash(t *testing.T) {
	s := idle(t)
	k := signertest.Keys(t, 3)
	completed := false
	for n := int32(1); !completed; n++ {
		domain, fresh := fmt.Sprintf("k%d.example", n), fmt.Sprintf("new%d.example", n)
		old, now := signertest.At(domain, "s1", k[0]), signertest.At(domain, "s2", k[1])
		activate(t, s, old)
		killed, err := signertest.Elsewhere(t, "ha", s.cfg, n, now, signertest.At(fresh, "s2", k[1]))
		if err != nil {
			t.Fatal(err)
		}
		if completed = !killed; completed && n < 5 {
			t.Fatalf("only %d operations; the test does not see them", n)
		}
		active, err := s.Active(t.Context(), []string{domain, fresh})
		if is := active[domain]; err != nil || is != old.Ref() && is != now.Ref() {
			t.Fatalf("killed before operation %d: %+v, %v", n, active, err)
		}
		if is, ok := active[fresh]; ok && is.Selector != "s2" || ok != (active[domain] == now.Ref()) {
			t.Fatalf("killed before operation %d: %+v", n, active)
		}
		if active[domain] == old.Ref() { // and it stays at that: nothing is written
			activate(t, s, old)
		}
		left, _ := filepath.Glob(filepath.Join(s.cfg.Config, ".*new*"))
		activate(t, s, now, signertest.At(fresh, "s2", k[1]))
		if active, err := s.Active(t.Context(), []string{domain, fresh}); err != nil || active[domain] != now.Ref() || len(active) != 2 {
			t.Fatalf("after running again: %+v, %v", active, err)
		}
		more, _ := filepath.Glob(filepath.Join(s.cfg.Config, ".*new*"))
		if left = append(left, more...); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
	if info, err := os.Stat(s.path()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("smtp.json: %v, %v", info.Mode(), err)
	}
}

// TestTwoProcesses guards I8: neither loses the other's members.
func TestTwoProcesses(t *testing.T) {
	s := idle(t)
	k := signertest.Keys(t, 2)
	var wg sync.WaitGroup
	for p := range 4 {
		wg.Go(func() {
			for round := range 3 {
				key := signertest.At(fmt.Sprintf("p%d.example", p), fmt.Sprintf("s%d", round%2+1), k[round%2])
				if _, err := signertest.Elsewhere(t, "ha", s.cfg, 0, key); err != nil {
					t.Errorf("process %d: %v", p, err)
				}
			}
		})
	}
	wg.Wait()
	for p := range 4 {
		want := signertest.At(fmt.Sprintf("p%d.example", p), "s1", k[0]).Ref()
		if active, err := s.Active(t.Context(), []string{want.Domain}); err != nil || active[want.Domain] != want {
			t.Errorf("Active: %+v, %v; want %+v", active, err, want)
		}
	}
}

// TestOthersMembers guards I6: what others wrote stays as it stands, and is in force until the domain's first switch.
func TestOthersMembers(t *testing.T) {
	s := idle(t)
	k := signertest.Keys(t, 3)
	lines, err := json.Marshal(strings.Split(strings.TrimSpace(string(k[0].PEM())), "\n"))
	if err != nil {
		t.Fatal(err)
	}
	s.store.Owner = "65534" // Haraka's user has to read what stands there, whoever it was for before, and nobody else
	own := `"!dkim/a.example/selector": ["earlier"], "!dkim/a.example/private": ` + string(lines) + `, "!dkim/a.example/selector": ["Mail"], "x": {"y":  1.50}`
	write(t, s.path(), "{"+own+"}")
	for _, domain := range []string{"a.example", "b.example"} {
		if err := os.Mkdir(filepath.Join(s.store.Path, domain), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	mail := signertest.At("a.example", "mail", k[0]).Ref()
	if active, err := s.Active(t.Context(), []string{"a.example", "b.example", "c.example"}); err != nil || len(active) != 1 ||
		active["a.example"] != mail {
		t.Fatalf("Active: %v, %v", active, err)
	}
	for _, key := range []dkim.SigningKey{signertest.At("a.example", "s1", k[1]), signertest.At("a.example", "s2", k[2])} {
		activate(t, s, key)
		if active, err := s.Active(t.Context(), []string{"a.example"}); err != nil || active["a.example"] != key.Ref() {
			t.Fatalf("Active: %v, %v", active, err)
		}
		if info, err := os.Stat(s.path()); err != nil || info.Mode() != 0o600 || keyfiles.OwnerOf(info).UID != 65534 {
			t.Errorf("smtp.json is %v of %v, %v", info.Mode(), keyfiles.OwnerOf(info), err)
		}
		text := read(t, s.path())
		for part := range strings.SplitSeq(own, ", ") {
			if strings.Count(text, part) != 1 {
				t.Errorf("%.30q stands %d times", part, strings.Count(text, part))
			}
		}
	}
}

// TestRefused: what would leave mail unsigned is refused before anything is changed, by Screen and by Activate (I1).
func TestRefused(t *testing.T) {
	small, err := dkim.Generate(dkim.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	key := signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])
	for name, tc := range map[string]struct {
		edit       func(s *Signer) error
		code, word string
	}{
		"no JSON": {func(s *Signer) error { return os.WriteFile(s.path(), []byte("{'a': 1}"), 0o644) },
			"damaged-block", "start without keys"},
		"more behind": {func(s *Signer) error { return os.WriteFile(s.path(), []byte("{} {}"), 0o644) }, "damaged-block", "follows"},
		"a list":      {func(s *Signer) error { return os.WriteFile(s.path(), []byte("[]"), 0o644) }, "damaged-block", "no JSON object"},
		"odd mark": {func(s *Signer) error { return os.WriteFile(s.path(), []byte(`{"dkimbot":1}`), 0o644) },
			"damaged-block", "as dkimbot wrote it"},
		"YAML": {func(s *Signer) error {
			return os.WriteFile(filepath.Join(s.cfg.Config, "smtp.yaml"), []byte("a: 1\n"), 0o644)
		}, "foreign-signer-line", "smtp.yaml"},
		"another signer's": {func(s *Signer) error {
			return os.WriteFile(s.path(), []byte(`{"dkimbot":{"signer":"mx","domains":[]}}`), 0o644)
		}, "other-signer", "mx"},
		"others may write": {func(s *Signer) error { return os.Chmod(s.store.Path, 0o777) }, "unsafe-key-dir", "others could replace them"},
		"two names": {func(s *Signer) error {
			return os.Link(filepath.Join(s.cfg.Config, "me"), s.path())
		}, "table-names", "cp -p"},
	} {
		t.Run(name, func(t *testing.T) {
			s := idle(t)
			write(t, filepath.Join(s.cfg.Config, "me"), "mail.example\n")
			if err := tc.edit(s); err != nil {
				t.Fatal(err)
			}
			before, _ := os.ReadFile(s.path())
			_, screened := s.Screen(t.Context(), []dkim.SigningKey{key})
			signertest.WantCode(t, screened, tc.code, tc.word)
			signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{key}), tc.code, tc.word)
			after, _ := os.ReadFile(s.path())
			if dirs, _ := os.ReadDir(s.store.Path); len(dirs) > 0 || string(before) != string(after) {
				t.Errorf("something was written: %v", dirs)
			}
		})
	}
	s := idle(t)
	ed := signertest.At("a.example", "e1", small)
	each, _ := s.Screen(t.Context(), []dkim.SigningKey{ed})
	signertest.WantCode(t, each["a.example"], "unproven-algorithm", "RSA")
	signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{ed}), "unproven-algorithm")
	activate(t, s, key)
	signertest.WantCode(t, s.Forget(t.Context(), []dkim.Ref{key.Ref()}), "key-in-use", "Haraka signs with it")
	faulttest.Shown(t, s.Forget(t.Context(), []dkim.Ref{{Name: dkim.Name{Domain: "a..example", Selector: "s1"}}}))
	write(t, s.path(), `{"!dkim/a.example/private": "text"}`)
	_, err = s.Active(t.Context(), []string{"a.example"})
	signertest.WantCode(t, err, "foreign-signer-line", "no list of lines")
	if err := os.Remove(s.path()); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(s.store.Path, "a.example")
	write(t, filepath.Join(dir, "private"), string(key.Key.PEM()))
	write(t, filepath.Join(dir, "selector"), "two words\n")
	_, err = s.Active(t.Context(), []string{"a.example"})
	signertest.WantCode(t, err, "foreign-signer-line", "is none")
	write(t, filepath.Join(s.cfg.Config, "secret"), "token\n")
	if err := errors.Join(os.Remove(filepath.Join(dir, "selector")),
		os.Symlink(filepath.Join(s.cfg.Config, "secret"), filepath.Join(dir, "selector")), os.Chown(dir, 65534, 65534)); err != nil {
		t.Fatal(err)
	}
	if active, err := s.Active(t.Context(), []string{"a.example"}); err == nil {
		t.Errorf("a link of Haraka's user was followed, and is shown (I9): %v", active)
	}
	s.cfg.Owner, s.cfg.Config = "", "/"
	_, err = s.Active(t.Context(), []string{"a.example"})
	signertest.WantCode(t, err, "key-owner", "owner: haraka")
	_, err = New(Config{Name: "ha"})
	faulttest.Shown(t, err)
}

// TestMeanwhile: another program that writes smtp.json, or a process that hangs, is named (I8, I10).
func TestMeanwhile(t *testing.T) {
	s := idle(t)
	key := signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])
	s.step = func(operation string) error {
		if operation == "rename smtp.json" {
			s.cfg.Config += "-gone"
		}
		return nil
	}
	signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{key}), "", "something else", "another program")

	// Another key at the same selector; one who waits for the lock waits for a parent's directory to be hidden, too.
	s, other := idle(t), idle(t)
	activate(t, other, signertest.At("a.example", "s1", signertest.Keys(t, 2)[1]))
	s.step = func(operation string) error {
		if operation == "rename smtp.json" {
			s.cfg.Config = other.cfg.Config
		}
		return nil
	}
	signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{key}), "", "something else", "another program")
	held, err := s.open(t.Context())
	if err != nil || held.LongestHold < 2*reread {
		t.Fatalf("%v, %v", held.LongestHold, err)
	}
	held.Close()
	if write(t, filepath.Join(s.store.Path, "f.example"), ""); s.has("f.example") {
		t.Error("a file is taken for a domain's directory")
	}
}

// TestCutShort: what is interrupted before a parent's directory may be hidden is completed by running again.
func TestCutShort(t *testing.T) {
	s := idle(t)
	if err := os.Mkdir(filepath.Join(s.store.Path, "parent.example"), 0o755); err != nil {
		t.Fatal(err)
	}
	key := signertest.At("new.parent.example", "s1", signertest.Keys(t, 1)[0])
	ctx, cancel := context.WithCancelCause(t.Context())
	s.step = func(operation string) error {
		if operation == "rename smtp.json" {
			cancel(errors.New("the time is up"))
		}
		return nil
	}
	signertest.WantCode(t, s.Activate(ctx, []dkim.SigningKey{key}), "", "the time is up", "parent domains")
	if active, err := s.Active(t.Context(), []string{key.Domain}); err != nil || len(active) > 0 {
		t.Errorf("Active: %v, %v", active, err)
	}
}

// TestPlanted: symbolic links that Haraka's user put where root works lead nowhere (I6).
func TestPlanted(t *testing.T) {
	key := signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])
	for what, link := range map[string]func(s *Signer) string{
		"domain's directory": func(s *Signer) string { return filepath.Join(s.store.Path, "a.example") },
		"smtp.json":          func(s *Signer) string { return s.path() },
		"lock":               func(s *Signer) string { return s.path() + ".dkimbot-lock" },
	} {
		t.Run(what, func(t *testing.T) {
			s := idle(t)
			s.store.Owner, s.cfg.Owner = "65534", "65534"
			for _, dir := range []string{s.cfg.Config, s.store.Path} {
				if err := os.Chown(dir, 65534, 65534); err != nil {
					t.Fatal(err)
				}
			}
			signertest.PlantedLink(t, filepath.Dir(s.cfg.Config), filepath.Dir(link(s)), link(s), what == "domain's directory",
				func() error { return s.Activate(t.Context(), []dkim.SigningKey{key}) })
		})
	}
}

// BenchmarkSwitch switches 1,000 domains: Haraka has one file for all of them, and reads it again by itself.
func BenchmarkSwitch(b *testing.B) {
	s := idle(b)
	step, counts := signertest.Counting(func(operation string) string {
		if strings.HasPrefix(operation, "rename") {
			return "writes"
		}
		return ""
	})
	s.step = step
	signertest.Switch1000(b, s, counts)
}
