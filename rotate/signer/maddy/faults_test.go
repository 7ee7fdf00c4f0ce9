package maddy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
	"github.com/dkimbot/dkimbot/rotate/signer/milter"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// idle returns an adapter without a maddy, in a directory of its own.
func idle(t testing.TB, edit func(*Config)) *Signer {
	t.Helper()
	dir := signertest.SafeDir(t)
	cfg := Config{Name: "mx1", KeyDir: filepath.Join(dir, "keys"), File: filepath.Join(dir, "dkimbot.conf"), Owner: "root",
		Restart: []string{"true"}, Ask: "127.0.0.1:1", Answer: filepath.Join(dir, "answer/socket")}
	if edit != nil {
		edit(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestBothKinds: RSA and Ed25519, and a change of the kind at the same selector; a second program verifies it. Mail
// through all directives carries one signature of its domain.
func TestBothKinds(t *testing.T) {
	m := signertest.StartMaddy(t)
	s := newSigner(t, m, nil)
	k := signertest.Keys(t, 2)
	small, err := dkim.Generate(dkim.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	b := signertest.At("b.example", "s1", k[1])
	for i, key := range []dkim.SigningKey{signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", small),
		signertest.At("a.example", "s1", small), signertest.At("a.example", "s1", k[1])} {
		activate(t, s, key, b)
		a := m.Mail(t, "a.example")
		if len(a.Signatures) != 1 || a.Signatures[0].Selector != key.Selector {
			t.Fatalf("%d: %v; want one signature with %s", i, a, key.Selector)
		}
		if !a.Signatures[0].VerifyWithDkimpy(t, key.Key) {
			t.Errorf("dkimpy: the signature with %s does not verify: %s", key.Selector, a.Signatures[0].Value)
		}
		if got := m.SignsWith(t, "b.example", k...); got != b.Ref() {
			t.Errorf("b.example is signed with %+v", got)
		}
	}
}

// TestReloadIsNoRestart guards I1: a maddy before 0.9 reads nothing again at SIGUSR2, and that is noticed.
func TestReloadIsNoRestart(t *testing.T) {
	m := signertest.StartMaddy(t)
	s := newSigner(t, m, nil)
	k := signertest.Keys(t, 2)
	old, next := signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1])
	activate(t, s, old)
	signalled := newSigner(t, m, func(c *Config) {
		c.Restart, c.RestartTimeout = []string{"sh", "-c", "kill -USR2 $(cat " + m.Dir + "/pid)"}, 2e9
	})
	signertest.WantCode(t, signalled.Activate(t.Context(), []dkim.SigningKey{next}), "", "signs with selector s1", "restarts")
	active, err := signalled.Active(t.Context(), []string{"a.example"})
	if got := m.SignsWith(t, "a.example", k...); got != old.Ref() || err != nil || active["a.example"] != got {
		t.Errorf("signed with %+v; Active says %v, %v", got, active, err)
	}
	activate(t, s, next)
	if got := m.SignsWith(t, "a.example", k...); got != next.Ref() {
		t.Errorf("signed with %+v", got)
	}
}

// TestBadRestart guards I1: where the check fails maddy is left alone; where it does not come back, or does worse than
// before, it signs with the key from before again. One that can't be asked is not restarted.
func TestBadRestart(t *testing.T) {
	m := signertest.StartMaddy(t)
	k := signertest.Keys(t, 2)
	old, next := signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1])
	activate(t, newSigner(t, m, nil), old)
	was := read(t, m.File)
	asBefore := func() {
		t.Helper()
		m.Await(t)
		if got := m.SignsWith(t, "a.example", k...); got != old.Ref() || read(t, m.File) != was {
			t.Errorf("signed with %+v; the file:\n%s", got, read(t, m.File))
		}
	}
	script := read(t, m.Restart()[0])

	s := newSigner(t, m, func(c *Config) { c.Check = []string{"sh", "-c", "echo line 7 is wrong; exit 2"} })
	count := 0
	s.step = func(operation string) error {
		if operation == "restart" {
			count++
		}
		return nil
	}
	signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{next}), "", "line 7 is wrong", "correct maddy.conf")
	if asBefore(); count != 0 {
		t.Error("maddy was restarted, and its configuration is wrong")
	}

	// The first restart fails, the second one works.
	s = newSigner(t, m, nil)
	runs := filepath.Join(m.Dir, "runs")
	first := func(fails string) {
		os.Remove(runs)
		write(t, m.Restart()[0], "#!/bin/sh\necho >>"+runs+"\n[ $(wc -l <"+runs+") -gt 1 ] || { "+fails+"; }\n"+
			strings.TrimPrefix(script, "#!/bin/sh\n"))
	}
	first("echo no; exit 3")
	signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{next}), "", "exit status 3", "it said: no")
	if asBefore(); read(t, runs) != "\n\n" {
		t.Errorf("it was restarted %d times", len(read(t, runs)))
	}

	// The time is up in the first one: who knows what it has done. The second one is not cut short with it.
	first("sleep 600")
	ctx, cancel := context.WithCancel(t.Context())
	s.step = func(operation string) error {
		if operation == "restart" {
			time.AfterFunc(200*time.Millisecond, cancel)
		}
		return nil
	}
	if err := s.Activate(ctx, []dkim.SigningKey{next}); err == nil {
		t.Error("no error")
	}
	if asBefore(); read(t, runs) != "\n\n" {
		t.Errorf("it was restarted %d times", len(read(t, runs)))
	}

	// maddy does not sign with the new file.
	write(t, m.Restart()[0], "#!/bin/sh\ncp "+m.File+" "+m.Dir+"/kept\nif grep -q s2 "+m.File+"; then : >"+m.File+"; fi\n"+
		strings.TrimPrefix(script, "#!/bin/sh\n"))
	s = newSigner(t, m, func(c *Config) { c.RestartTimeout = 5e9 })
	signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{next}), "", "was restored", "without a signature")
	asBefore()

	m.Stop(t)
	s.step = func(operation string) error { return fmt.Errorf("%s while maddy can't be asked", operation) }
	signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{next}), "", "does not answer", "examples/maddy")
}

// TestMissingKey guards I2: maddy would make a key where a file is missing, and sign with it; so it is not restarted,
// unless the file is one that is written before.
func TestMissingKey(t *testing.T) {
	m := signertest.StartMaddy(t)
	s := newSigner(t, m, nil)
	k := signertest.Keys(t, 2)
	a, b := signertest.At("a.example", "s1", k[0]), signertest.At("b.example", "s1", k[1])
	activate(t, s, a, b)
	missing := filepath.Join(m.KeyDir, "b.example_s1.1.key")
	ask := func() preflight.Answer { // of the file that maddy.conf imports, for a.example
		t.Helper()
		return preflight.Ask(t.Context(), []preflight.Part{{Kind: "signer", Name: "mx1",
			Questions: s.Check([]preflight.Subject{{Name: a.Name}})}}, preflight.Usual)[1]
	}
	next := signertest.At("a.example", "s2", k[1])
	for text, word := range map[string]string{"": "no such file", "rubbish": "no private key"} {
		if err := os.Remove(missing); err != nil {
			t.Fatal(err)
		}
		if text != "" {
			write(t, missing, text)
		}
		signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{next}), "unloadable-line", word, "nobody has published")
		_, whichever := s.Screen(t.Context(), []dkim.SigningKey{next})
		signertest.WantCode(t, whichever, "unloadable-line", word)
		write(t, missing, "")
	}
	if got := m.SignsWith(t, "a.example", k...); got != a.Ref() {
		t.Errorf("signed with %+v", got)
	}
	if err := os.Remove(missing); err != nil {
		t.Fatal(err)
	}
	signertest.WantCode(t, ask().Err, "unloadable-line", "no such file")
	activate(t, s, next, b)
	if got := m.SignsWith(t, "b.example", k...); got != b.Ref() {
		t.Errorf("b.example is signed with %+v", got)
	}

	// The keystore has the keys: of the other domain, and of a maddy that is down without them.
	known := map[string]dkim.Ref{"a.example": next.Ref(), "b.example": b.Ref()}
	s.KnowOthers(func(context.Context) (map[string]dkim.Ref, error) { return maps.Clone(known), nil })
	s.KnowKeys(func(_ context.Context, n dkim.Name) (*dkim.PrivateKey, error) {
		return map[dkim.Name]*dkim.PrivateKey{a.Name: a.Key, b.Name: b.Key, next.Name: next.Key}[n], nil
	})
	lose := func() {
		t.Helper()
		files, _ := filepath.Glob(filepath.Join(m.KeyDir, "*.key"))
		for _, file := range files {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		}
	}
	both := func(of dkim.Ref) {
		t.Helper()
		if got := m.SignsWith(t, "a.example", k...); got != of {
			t.Errorf("a.example is signed with %+v", got)
		}
		if got := m.SignsWith(t, "b.example", k...); got != b.Ref() {
			t.Errorf("b.example is signed with %+v", got)
		}
	}
	lose()
	if _, whichever := s.Screen(t.Context(), []dkim.SigningKey{a}); whichever != nil {
		t.Errorf("foreseen: %v", whichever)
	}
	if got := ask(); got.Err != nil || !strings.Contains(got.Found, "warning: ") ||
		!strings.Contains(got.Found, "example_s") || !strings.Contains(got.Found, "dkimbot repair") {
		t.Errorf("%s: %v, found %q", got.What, got.Err, got.Found)
	}
	activate(t, s, a)
	both(a.Ref())
	if got := ask(); got.Err != nil || got.Found != "" {
		t.Errorf("with all files: %v, found %q", got.Err, got.Found)
	}
	known["a.example"] = a.Ref()
	m.Stop(t)
	lose()
	if active, err := s.Active(t.Context(), []string{"a.example", "b.example"}); err != nil || len(active) > 0 {
		t.Errorf("down, and can't start: %v, %v", active, err)
	}
	activate(t, s, b)
	both(a.Ref())
}

// TestOthers guards I6 and I1: a directive of a person in maddy.conf is told before the first switch, with its key where
// that lies in key_dir, and signs a second time after it, which is told and holds the switch until it is taken out.
// Lines of others in dkimbot's file, and a file of another signer, are refused and stay as they are.
func TestOthers(t *testing.T) {
	m := signertest.NewMaddy(t)
	conf := read(t, m.Conf)
	k := signertest.Keys(t, 2)
	manual := filepath.Join(m.KeyDir, "a.example_mail.1.key")
	write(t, manual, string(k[1].PEM()))
	write(t, m.Conf, strings.Replace(conf, "import", "dkim a.example mail {\n key_path "+manual+"\n}\n import", 1))
	m.Start(t)
	t.Cleanup(func() { m.Stop(t) })
	s := newSigner(t, m, func(c *Config) { c.RestartTimeout = 5e9 })
	active, err := s.Active(t.Context(), []string{"a.example"})
	if err != nil || active["a.example"] != signertest.At("a.example", "mail", k[1]).Ref() {
		t.Errorf("Active: %v, %v", active, err)
	}
	if err := os.Rename(manual, manual+".kept"); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the file is gone, then a directory stands in its place
		active, err = s.Active(t.Context(), []string{"a.example"})
		if err != nil || active["a.example"].KeyID != signer.UnknownKey {
			t.Errorf("Active: %v, %v", active, err)
		}
		if err := os.MkdirAll(manual, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Remove(manual), os.Rename(manual+".kept", manual)); err != nil {
		t.Fatal(err)
	}
	next := signertest.At("a.example", "s1", k[0])
	signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{next}), "", "mail", "s1", "directive of its own")
	_, err = s.Active(t.Context(), []string{"a.example"})
	signertest.WantCode(t, err, "", "signs with", "mail", "leave one dkim directive")
	write(t, m.Conf, conf)
	m.Start(t)
	activate(t, s, next)
	was := read(t, m.File)
	for text, code := range map[string]string{was + "dkim x.example s1\n": "foreign-signer-line",
		"# mine\n" + was: "foreign-signer-line", strings.Replace(was, "mx1", "mx2", 1): "other-signer"} {
		write(t, m.File, text)
		signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{signertest.At("a.example", "s2", k[1])}), code)
		_, whichever := s.Screen(t.Context(), []dkim.SigningKey{next})
		signertest.WantCode(t, whichever, code)
		if read(t, m.File) != text {
			t.Errorf("%q became %q", text, read(t, m.File))
		}
	}
	s.KnownAs("mx2")
	write(t, m.File, strings.Replace(was, "mx1", "mx2", 1))
	activate(t, s, signertest.At("a.example", "s2", k[1]))
	if got := m.SignsWith(t, "a.example", k...); got.Selector != "s2" {
		t.Errorf("signed with %+v", got)
	}
}

// TestForget: what the file or the running maddy uses is kept.
func TestForget(t *testing.T) {
	m := signertest.StartMaddy(t)
	s := newSigner(t, m, nil)
	k := signertest.Keys(t, 3)
	s1, s2 := signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1])
	activate(t, s, s1)
	activate(t, s, s2)
	signertest.WantCode(t, s.Forget(t.Context(), []dkim.Ref{s2.Ref()}), "key-in-use", "signed with it")
	was := read(t, m.File)
	write(t, m.File, strings.ReplaceAll(was, " s2 ", " s1 "))
	signertest.WantCode(t, s.Forget(t.Context(), []dkim.Ref{s2.Ref()}), "key-in-use", "signs with it")
	write(t, m.File, was)
	activate(t, s, signertest.At("a.example", "s2", k[2])) // a second number
	for range 2 {
		if err := s.Forget(t.Context(), []dkim.Ref{s1.Ref()}); err != nil {
			t.Fatal(err)
		}
		if err := s.Forget(t.Context(), []dkim.Ref{s2.Ref()}); err != nil {
			t.Fatal(err)
		}
	}
	if files, _ := filepath.Glob(m.KeyDir + "/*"); len(files) != 1 || filepath.Base(files[0]) != "a.example_s2.2.key" {
		t.Errorf("left: %v", files)
	}
	m.Start(t)
	if got := m.SignsWith(t, "a.example", k...); got.KeyID != k[2].ID() {
		t.Errorf("signed with %+v", got)
	}
	faulttest.Shown(t, s.Forget(t.Context(), []dkim.Ref{{Name: dkim.Name{Domain: "a..example", Selector: "s1"}}}))

	// What maddy signs with can't be asked: nothing is removed. A copy that a crash left goes with the next switch.
	b1, left := signertest.At("b.example", "s1", k[0]), filepath.Join(m.KeyDir, ".c.example_s1.1.key.new-x")
	write(t, left, "")
	activate(t, s, s1, b1)
	activate(t, s, s2, signertest.At("b.example", "s2", k[1]))
	m.Stop(t)
	for _, refs := range [][]dkim.Ref{{s1.Ref()}, {s1.Ref(), b1.Ref()}} {
		signertest.WantCode(t, s.Forget(t.Context(), refs), "", "does not answer")
	}
	if err := os.Chmod(filepath.Dir(m.Answer), 0o711); err != nil {
		t.Fatal(err)
	}
	signertest.WantCode(t, s.Forget(t.Context(), []dkim.Ref{s1.Ref(), b1.Ref()}), "unsafe-key-dir", "others can enter")
	if files, _ := filepath.Glob(m.KeyDir + "/[ab]*_s1.*"); len(files) != 2 {
		t.Errorf("left: %v", files)
	}
	if _, err := os.Stat(left); err == nil {
		t.Errorf("%s is there still", left)
	}
}

// TestFaults: the texts that other tests don't show, and which verdicts bring the file of before back (I1).
func TestFaults(t *testing.T) {
	for v, back := range map[milter.Verdict][2]bool{milter.OtherKey: {false, false}, milter.Unsigned: {false, true},
		milter.TurnedAway: {true, true}, milter.Unverifiable: {true, true}, milter.Several: {false, false},
		milter.Unreachable: {true, true}} {
		if got := [2]bool{worse(v, false), worse(v, true)}; got != back {
			t.Errorf("verdict %d: %v", v, got)
		}
	}
	s := idle(t, nil)
	n := dkim.Name{Domain: "a.example", Selector: "s1"}
	for verdict := milter.OtherKey; verdict <= milter.Unreachable; verdict++ {
		faulttest.Shown(t, s.doubt(n, verdict, errors.New("it says so")))
	}
	_, err := s.Active(t.Context(), []string{"a.example"})
	faulttest.Shown(t, err)
	_, err = s.identify(milter.Answer{Domain: "a.example", Refused: errors.New("it answered 550 no")}, nil)
	faulttest.Shown(t, err)
	s.cfg.Check = []string{"/nonexistent/verify"}
	key := signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])
	signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{key}), "command-missing", "check")
	s.cfg.Restart = []string{"/nonexistent/restart"}
	signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{key}), "command-missing", "restart")
	_, err = New(Config{Name: "mx1"})
	faulttest.Shown(t, err)
}

// TestAnswerDir guards I9: nobody else comes to see what is signed for a question.
func TestAnswerDir(t *testing.T) {
	s := idle(t, func(c *Config) { c.Owner, c.Group = "nobody", "nogroup" })
	dir := filepath.Dir(s.cfg.Answer)
	in, err := s.listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o710 || info.Sys().(*syscall.Stat_t).Uid != uint32(os.Geteuid()) {
		t.Errorf("%v, %v", info, err)
	}
	in.close()
	if _, err := os.Stat(s.cfg.Answer); err == nil {
		t.Error("the socket is still there")
	}
	for mode, word := range map[os.FileMode]string{0o711: "others can enter", 0o730: "write"} {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		_, err = s.listen(t.Context())
		signertest.WantCode(t, err, "unsafe-key-dir", word, "chmod 710")
	}
	if err := errors.Join(os.Chmod(dir, 0o710), os.Chown(dir, 0, 0)); err != nil {
		t.Fatal(err)
	}
	_, err = s.listen(t.Context())
	signertest.WantCode(t, err, "unsafe-key-dir", "can't enter", "chgrp")

	// What a process that was killed left is no hindrance.
	s = idle(t, nil)
	if in, err = s.listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(s.cfg.Answer, s.cfg.Answer+".kept"); err != nil {
		t.Fatal(err)
	}
	in.close()
	if err := os.Rename(s.cfg.Answer+".kept", s.cfg.Answer); err != nil {
		t.Fatal(err)
	}
	if in, err = s.listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	in.close()
}

// TestPlanted: symbolic links that maddy's user put where root works lead nowhere (I6).
func TestPlanted(t *testing.T) {
	key := signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])
	for what, link := range map[string]func(s *Signer) string{
		"file": func(s *Signer) string { return s.cfg.File },
		"lock": func(s *Signer) string { return s.cfg.File + ".dkimbot-lock" },
	} {
		t.Run(what, func(t *testing.T) {
			m := signertest.StartMaddy(t)
			s := newSigner(t, m, func(c *Config) { c.File, c.Owner = filepath.Join(m.KeyDir, "dkimbot.conf"), "nobody" })
			if err := os.Chown(m.KeyDir, 65534, 65534); err != nil {
				t.Fatal(err)
			}
			signertest.PlantedLink(t, m.Dir, m.KeyDir, link(s), false,
				func() error { return s.Activate(t.Context(), []dkim.SigningKey{key}) })
		})
	}
}

// BenchmarkSwitch switches 1,000 domains with one write of the file and one restart of a real maddy.
func BenchmarkSwitch(b *testing.B) {
	m := signertest.StartMaddy(b)
	s := newSigner(b, m, nil)
	step, counts := signertest.Counting(func(operation string) string {
		return map[string]string{"restart": "restarts", "rename " + filepath.Base(m.File): "writes"}[operation]
	})
	s.step = step
	signertest.Switch1000(b, s, counts)
}

// TestAnswersBeforeKeys: maddy can deliver its answers (I10), also where dkimbot is asked before anybody has made the
// key directory, or where that has root's group. A directory that maddy can't enter is refused with its group's name.
func TestAnswersBeforeKeys(t *testing.T) {
	for name, prepare := range map[string]func(s *Signer) error{
		"no key directory": func(*Signer) error { return nil },
		"root's group":     func(s *Signer) error { return os.Mkdir(s.cfg.KeyDir, 0o750) },
	} {
		t.Run(name, func(t *testing.T) {
			s := idle(t, func(c *Config) { c.Owner = "daemon" })
			if err := prepare(s); err != nil {
				t.Fatal(err)
			}
			in, err := s.listen(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			in.close()
			info, err := os.Stat(filepath.Dir(s.cfg.Answer))
			if err != nil || keyfiles.OwnerOf(info).GID != 1 || info.Mode().Perm() != 0o710 {
				t.Errorf("%v, %v, group %d; want that of daemon", err, info.Mode(), keyfiles.OwnerOf(info).GID)
			}
		})
	}
	s := idle(t, func(c *Config) { c.Owner = "daemon" })
	if err := os.Mkdir(filepath.Dir(s.cfg.Answer), 0o710); err != nil {
		t.Fatal(err)
	}
	_, err := s.listen(t.Context())
	signertest.WantCode(t, err, "unsafe-key-dir", "can't enter", "chgrp daemon")
}
