package exec

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/preflight/preflighttest"
	"github.com/dkimbot/dkimbot/rotate/signer/protocol"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

const hook = "../../../examples/signers/set-selector"

func newSigner(t testing.TB, cfg Config) *Signer {
	t.Helper()
	cfg.Name = "hook"
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// script returns a signer whose command is a shell script.
func script(t testing.TB, text string, edit func(*Config)) *Signer {
	t.Helper()
	cfg := Config{Command: []string{"sh", "-c", text}}
	if edit != nil {
		edit(&cfg)
	}
	return newSigner(t, cfg)
}

// TestConformance runs the suite with the hook of the examples.
func TestConformance(t *testing.T) {
	signertest.Run(t, func(t *testing.T) signertest.Subject {
		dir := t.TempDir()
		s := newSigner(t, Config{Command: []string{hook, dir}})
		return signertest.Subject{Signer: s, SignsWith: func(t *testing.T, domain string) dkim.Ref {
			data, err := os.ReadFile(filepath.Join(dir, domain))
			if err != nil {
				return dkim.Ref{}
			}
			f := strings.Fields(string(data))
			return dkim.Ref{Name: dkim.Name{Domain: domain, Selector: f[0]}, KeyID: f[1]}
		}, Backup: func(t *testing.T) func() {
			backup := filepath.Join(t.TempDir(), "backup")
			if err := os.CopyFS(backup, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			return func() {
				if err := errors.Join(os.RemoveAll(dir), os.CopyFS(dir, os.DirFS(backup))); err != nil {
					t.Fatal(err)
				}
			}
		}}
	})
}

// TestFetches: a command that gets its keys elsewhere can be switched by a key's record alone, as
// an emergency needs it while the keystore does not answer; one that is sent keys can't.
func TestFetches(t *testing.T) {
	key, err := dkim.Generate(dkim.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	named := dkim.SigningKey{Name: dkim.Name{Domain: "a.example", Selector: "s1"},
		Record: dkim.NewRecord(key.Public(), "").String()}
	s := newSigner(t, Config{Command: []string{hook, t.TempDir()}})
	if err := s.Activate(t.Context(), []dkim.SigningKey{named}); err != nil || !s.Fetches() {
		t.Errorf("%v; fetches %t", err, s.Fetches())
	}
	if got, err := s.Active(t.Context(), []string{"a.example"}); err != nil || got["a.example"].KeyID != key.ID() {
		t.Errorf("%+v, %v", got, err)
	}
	sent := newSigner(t, Config{Command: []string{hook, t.TempDir()}, SendKey: true})
	if err := sent.Activate(t.Context(), []dkim.SigningKey{named}); err == nil || sent.Fetches() {
		t.Errorf("%v; fetches %t", err, sent.Fetches())
	}
}

// TestHookIsSound: the example is what it says, POSIX sh.
func TestHookIsSound(t *testing.T) {
	out, err := osexec.Command("shellcheck", hook).CombinedOutput()
	if errors.Is(err, osexec.ErrNotFound) {
		t.Fatal("shellcheck is not installed; on Debian: apt-get install shellcheck")
	}
	if err != nil {
		t.Errorf("shellcheck: %s", out)
	}
	s := newSigner(t, Config{Command: []string{hook, t.TempDir() + "/absent"}})
	if _, err := s.Active(t.Context(), []string{"a.example"}); err == nil ||
		!strings.Contains(err.Error(), "make it first") {
		t.Errorf("without its directory: %v", err)
	}
}

// TestRequest pins what the command is given: the document, the environment,
// and the private key only when that was asked for (I9).
func TestRequest(t *testing.T) {
	k := signertest.Keys(t, 1)[0]
	one, two := signertest.At("a.example", "s1", k), signertest.At("b.example", "s2", k)
	record := dkim.NewRecord(k.Public(), "").String()
	unread := dkim.SigningKey{Name: one.Name, Record: dkim.NewRecord(k.Public(), "monthly").String()}
	full := func(key dkim.SigningKey) protocol.Entry {
		return protocol.Entry{Domain: key.Domain, Selector: key.Selector, KeyID: k.ID(), Record: record}
	}
	secret := full(one)
	secret.PrivateKey = string(k.PEM())
	single := []string{"DKIMBOT_DOMAIN=a.example", "DKIMBOT_KEY_ID=" + k.ID(), "DKIMBOT_SELECTOR=s1"}
	activate := func(keys ...dkim.SigningKey) func(*Signer) {
		return func(s *Signer) { s.Activate(t.Context(), keys) }
	}
	for name, test := range map[string]struct {
		sendKey bool
		call    func(*Signer)
		want    protocol.Request
		env     []string
	}{
		"activate one": {false, activate(one),
			protocol.Request{FormatVersion: 1,
				Action: "activate", Signer: "hook", Domains: []protocol.Entry{full(one)}}, single},
		"activate two": {false, activate(two, one),
			protocol.Request{FormatVersion: 1,
				Action: "activate", Signer: "hook", Domains: []protocol.Entry{full(one), full(two)}}, nil},
		"one whose private key can't be read": {false, activate(unread),
			protocol.Request{FormatVersion: 1,
				Action: "activate", Signer: "hook", Domains: []protocol.Entry{full(one)}}, single},
		"with the key": {true, activate(one),
			protocol.Request{FormatVersion: 1, Action: "activate", Signer: "hook", Domains: []protocol.Entry{secret}}, single},
		"active": {false, func(s *Signer) { s.Active(t.Context(), []string{"a.example"}) },
			protocol.Request{FormatVersion: 1,
				Action: "active", Signer: "hook", Domains: []protocol.Entry{{Domain: "a.example"}}}, single[:1]},
		"forget": {true, func(s *Signer) { s.Forget(t.Context(), []dkim.Ref{one.Ref()}) },
			protocol.Request{FormatVersion: 1,
				Action: "forget", Signer: "hook", Domains: []protocol.Entry{{Domain: "a.example", Selector: "s1", KeyID: k.ID()}}},
			single},
		"nothing asked": {false, func(s *Signer) { s.Active(t.Context(), nil) }, protocol.Request{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("VAULT_TOKEN", "hvs.secret")
			dir := t.TempDir()
			test.call(script(t, "cat >"+dir+"/in; env >"+dir+"/env; echo '{}'", func(c *Config) { c.SendKey = test.sendKey }))
			input, err := os.ReadFile(dir + "/in")
			if test.want.FormatVersion == 0 {
				if err == nil {
					t.Error("the command ran")
				}
				return
			}
			var got protocol.Request
			if err := json.Unmarshal(input, &got); err != nil {
				t.Fatalf("%v: %s", err, input)
			}
			if d := cmp.Diff(test.want, got); d != "" {
				t.Errorf("request (-want +got):\n%s", d)
			}
			env, _ := os.ReadFile(dir + "/env")
			var ours []string
			for line := range strings.Lines(string(env)) {
				switch name, _, _ := strings.Cut(line, "="); {
				case strings.HasPrefix(name, "DKIMBOT_"):
					ours = append(ours, strings.TrimSpace(line))
				case !slices.Contains([]string{"PATH", "HOME", "LANG", "PWD", "OLDPWD", "SHLVL", "_"}, name):
					// the shell sets some itself
					t.Errorf("environment holds %q", line)
				}
			}
			slices.Sort(ours)
			want := append([]string{"DKIMBOT_ACTION=" + test.want.Action, "DKIMBOT_SIGNER=hook"}, test.env...)
			slices.Sort(want)
			if d := cmp.Diff(want, ours); d != "" {
				t.Errorf("environment (-want +got):\n%s", d)
			}
		})
	}
}

// TestAnswers: whatever the command answers, only what it confirms counts (I10).
func TestAnswers(t *testing.T) {
	k := signertest.Keys(t, 2)
	id, other := k[0].ID(), k[1].ID()
	for name, test := range map[string]struct {
		answer string
		words  string // of the error; "" for none
		failed []string
	}{
		"confirmed": {answer: `{"active":{"a.example":{"selector":"s2","key_id":"` + id +
			`"},"b.example":{"selector":"s2"}}}`},
		"unknown fields": {answer: ` {"x":1,"active":{"c.example":{},"a.example":{"selector":"s2","y":[]},"b.example":{"selector":"s2"}}}` + "\n\n"},
		"one missing": {answer: `{"active":{"a.example":{"selector":"s2"}}}`, words: "does not confirm",
			failed: []string{"b.example"}},
		"other selector": {answer: `{"active":{"a.example":{"selector":"s1"},"b.example":{"selector":"s2"}}}`,
			words: `"s1" signs`, failed: []string{"a.example"}},
		"other key": {answer: `{"active":{"a.example":{"selector":"s2","key_id":"` + other +
			`"},"b.example":{"selector":"s2"}}}`, words: "another key", failed: []string{"a.example"}},
		"none": {answer: `{"active":{}}`, words: "2 of the domains failed",
			failed: []string{"a.example", "b.example"}},
		"nothing":              {answer: "", words: "wrote nothing"},
		"garbage":              {answer: "done.", words: "is not the JSON document"},
		"another document":     {answer: `["a.example"]`, words: "is not the JSON document"},
		"two documents":        {answer: `{"active":{}} {"active":{}}`, words: "is not the JSON document"},
		"cut off":              {answer: `{"active":{"a.example":{"selec`, words: "is not the JSON document"},
		"without active":       {answer: `{"ok":true}`, words: `no "active"`},
		"selector is a number": {answer: `{"active":{"a.example":{"selector":2}}}`, words: "is not the JSON document"},
	} {
		t.Run(name, func(t *testing.T) {
			s := script(t, "cat >/dev/null; printf '%s' '"+test.answer+"'", nil)
			err := s.Activate(t.Context(),
				[]dkim.SigningKey{signertest.At("a.example", "s2", k[0]), signertest.At("b.example", "s2", k[0])})
			if test.words == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			faulttest.Shown(t, err)
			if err == nil || !strings.Contains(err.Error(), test.words) || fault.HintOf(err) == "" {
				t.Fatalf("error is %v (hint %q); want %q", err, fault.HintOf(err), test.words)
			}
			var failed []string
			var p interface{ FailedDomains() map[string]error }
			if errors.As(err, &p) {
				for d := range p.FailedDomains() {
					failed = append(failed, d)
				}
			}
			if slices.Sort(failed); !slices.Equal(failed, test.failed) {
				t.Errorf("failed domains: %q; want %q", failed, test.failed)
			}
		})
	}
}

// TestActiveAnswers: what the command says is checked here too.
func TestActiveAnswers(t *testing.T) {
	got, err := script(t, `echo '{"active":{"a.example":{"selector":"s1"},"x.example":{"selector":"s1"}}}'`,
		nil).Active(t.Context(), []string{"a.example", "b.example"})
	want := map[string]dkim.Ref{"a.example": {Name: dkim.Name{Domain: "a.example", Selector: "s1"}}}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
	for _, selector := range []string{"", "../s1", "S1"} {
		if got, err := script(t, `echo '{"active":{"a.example":{"selector":"`+selector+`"}}}'`, nil).Active(t.Context(),
			[]string{"a.example"}); err == nil {
			t.Errorf("selector %q: %v", selector, got)
		}
	}
}

// TestMixedUpAnswers: a command that puts the private key, or a part of it, where other fields belong
// can't carry it into an error, nor into what is stored (I9).
func TestMixedUpAnswers(t *testing.T) {
	id := strings.Repeat("0a", 32)
	for _, alg := range []dkim.Algorithm{dkim.Ed25519, dkim.RSA2048} {
		k, err := dkim.Generate(alg)
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(k.PEM())
		der := block.Bytes
		for name, text := range map[string]string{
			"PEM":            string(k.PEM()),
			"line of PEM":    strings.Split(string(k.PEM()), "\n")[1],
			"lower case":     strings.ToLower(strings.Split(string(k.PEM()), "\n")[1][:63]),
			"hex":            hex.EncodeToString(der),
			"hex, 64 digits": hex.EncodeToString(der[len(der)-32:]),
			"hex, colons":    strings.ReplaceAll(fmt.Sprintf("% x", der[len(der)-32:]), " ", ":"),
			"base64url":      base64.URLEncoding.EncodeToString(der[len(der)-32:]),
			"short lines":    strings.Join(strings.Split(base64.StdEncoding.EncodeToString(der)[40:60], ""), " "),
			"labels": strings.ToLower(hex.EncodeToString(der[len(der)-20:]) + "." +
				hex.EncodeToString(der[len(der)-32:len(der)-20])),
			"half a key id": id[:40] + hex.EncodeToString(der[len(der)-12:]),
		} {
			quoted, _ := json.Marshal(text)
			for where, said := range map[string]string{
				"selector": `echo '{"active":{"a.example":{"selector":` + string(quoted) + `}}}'`,
				"key_id":   `echo '{"active":{"a.example":{"selector":"s2","key_id":` + string(quoted) + `}}}'`,
				"stderr":   "echo '" + text + "' >&2; exit 1",
			} {
				s := script(t, "cat >/dev/null; "+strings.ReplaceAll(said, `\n`, `\\n`), func(c *Config) { c.SendKey = true })
				err := s.Activate(t.Context(), []dkim.SigningKey{signertest.At("a.example", "s2", k)})
				if err == nil {
					t.Errorf("%s, %s in %s: no error", alg, name, where)
					continue
				}
				shown := err.Error() // the hint names the command, and that is the script here
				for i := 0; i+20 <= len(text); i += 4 {
					if piece := text[i : i+20]; strings.Contains(shown, piece) && !strings.Contains(piece, "PRIVATE") &&
						!strings.Contains(id, piece) {
						t.Errorf("%s, %s in %s: %q is in the error: %v", alg, name, where, piece, err)
						break
					}
				}
			}
			if name == "hex, 64 digits" || name == "labels" || name == "half a key id" || name == "lower case" {
				continue // has the form of a key id or of a selector, and no key was given with the question
			}
			for _, answer := range []string{`"selector":` + string(quoted), `"selector":"s2","key_id":` + string(quoted)} {
				got, err := script(t, "cat >/dev/null; printf '%s' '{\"active\":{\"a.example\":{"+answer+"}}}'",
					nil).Active(t.Context(), []string{"a.example"})
				if err == nil || len(text) > 4 && strings.Contains(err.Error(), text[:5]) {
					t.Errorf("%s, %s: %v, %v", alg, name, got, err)
				}
			}
		}
	}
}

// TestFailures: every bad end of the command is an error that says so and holds
// no secret (I9).
func TestFailures(t *testing.T) {
	k := signertest.Keys(t, 1)[0]
	text := string(k.PEM())
	for name, test := range map[string]struct {
		script string
		words  []string
		kind   fault.Kind
	}{
		"fails":          {"echo trouble >&2; exit 4", []string{"exit status 4", "trouble"}, fault.Transient},
		"hangs":          {"echo waiting >&2; sleep 60", []string{"timed out", "waiting"}, fault.Transient},
		"says its input": {"cat >&2; exit 1", []string{"exit status 1"}, fault.Transient},
		"says the bare key": {`tr -d '\n' | sed 's/.*"private_key":"//; s/".*//; s/\\n/\n/g' >&2; exit 1`,
			[]string{"exit status 1", "END PRIVATE KEY"}, fault.Transient},
		"answers its input":  {"cat; echo", []string{"no \"active\""}, fault.Transient},
		"answers garbage":    {"echo x; head -c 1000; cat >/dev/null", []string{"is not the JSON document"}, fault.Transient},
		"writes for ever":    {"cat >/dev/null; yes", []string{"timed out"}, fault.Transient},
		"fails with garbage": {"printf '\\377\\000x' >&2; exit 1", []string{"exit status 1"}, fault.Transient},
	} {
		t.Run(name, func(t *testing.T) {
			s := script(t, test.script, func(c *Config) {
				c.SendKey, c.Timeout = true, time.Minute
				if slices.Contains(test.words, "timed out") {
					c.Timeout = 2 * time.Second // long enough to write what it does
				}
			})
			try := func() error { return s.Activate(t.Context(), []dkim.SigningKey{signertest.At("a.example", "s2", k)}) }
			err := try()
			for last := test.words[len(test.words)-1]; err != nil && s.cfg.Timeout < time.Minute &&
				!strings.Contains(err.Error(), last); err = try() {
				s.cfg.Timeout *= 2 // on a busy machine it did not come so far
			}
			faulttest.Shown(t, err)
			if err == nil || fault.KindOf(err) != test.kind || fault.HintOf(err) == "" {
				t.Fatalf("error is %v (hint %q)", err, fault.HintOf(err))
			}
			for _, w := range append(test.words, "a.example", "hook") {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error is %v; want %q in it", err, w)
				}
			}
			for line := range strings.Lines(text) {
				if line = strings.TrimSpace(line); !strings.HasPrefix(line, "-") &&
					strings.Contains(err.Error()+fault.HintOf(err), line) {
					t.Errorf("a line of the key, %q, is in the error: %v", line, err)
				}
			}
			if len(err.Error()) > 1000 {
				t.Errorf("the error has %d octets", len(err.Error()))
			}
		})
	}
	s := newSigner(t, Config{Command: []string{"dkimbot-no-such-command"}})
	if err := s.Activate(t.Context(),
		[]dkim.SigningKey{signertest.At("a.example", "s2", k)}); fault.KindOf(err) != fault.Permanent {
		t.Errorf("a command that is not there: %v", err)
	} else {
		faulttest.Shown(t, err)
	}
	for _, bad := range []Config{{}, {Command: []string{"true"}, Timeout: -1}} {
		bad.Name = "hook"
		_, err := New(bad)
		faulttest.Shown(t, err)
	}
}

// TestCancel: Ctrl-C ends the command, also while it waits for its turn.
func TestCancel(t *testing.T) {
	s := script(t, "sleep 60", nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := s.Active(ctx, []string{"a.example"})
			done <- err
		}()
	}
	time.AfterFunc(50*time.Millisecond, cancel)
	for range 2 {
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("error is %v; want Canceled", err)
		}
	}
}

// TestOutOfTime: who has no more time is told what holds it up.
func TestOutOfTime(t *testing.T) {
	s := script(t, "sleep 60", nil)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	done := make(chan error, 2)
	for range 2 { // the one that runs, and the one that waits for its turn
		go func() {
			_, err := s.Active(ctx, []string{"a.example"})
			done <- err
		}()
	}
	for range 2 {
		faulttest.Shown(t, <-done)
	}
}

// TestCheckNamesWhatFails: a command that is missing, and one that does not answer as it should, are told beforehand.
func TestCheckNamesWhatFails(t *testing.T) {
	for name, c := range map[string]struct {
		signer *Signer
		code   string
		words  string
		asked  int
	}{
		"missing": {newSigner(t, Config{Command: []string{"dkimbot-no-such-command"}}), "command-missing",
			"without a shell", 1},
		"fails": {script(t, "echo trouble >&2; exit 4", nil), "", "trouble", 2},
	} {
		answers := preflight.Ask(t.Context(), []preflight.Part{{Questions: c.signer.Check([]preflight.Subject{
			{Name: dkim.Name{Domain: "a.example", Selector: "s1"}}})}}, preflight.Usual)
		err := preflighttest.Wrong(answers)
		if err == nil || string(fault.CodeOf(err)) != c.code || !strings.Contains(err.Error()+fault.HintOf(err), c.words) {
			t.Errorf("%s: code %q of %v, hint %q", name, fault.CodeOf(err), err, fault.HintOf(err))
		}
		asked := 0
		for _, a := range answers {
			if !a.Unasked {
				asked++
			}
			if a.Err != nil {
				faulttest.Shown(t, a.Err)
			}
		}
		if asked != c.asked {
			t.Errorf("%s: %d questions were asked, want %d", name, asked, c.asked)
		}
	}
}

// BenchmarkSwitch switches 1,000 domains by runs of the hook of the examples.
func BenchmarkSwitch(b *testing.B) {
	dir, log := b.TempDir(), filepath.Join(b.TempDir(), "runs")
	run := fmt.Sprintf("echo >>%s; exec %s %s", log, hook, dir)
	signertest.Switch1000(b, newSigner(b, Config{Command: []string{"sh", "-c", run}, Timeout: 10 * time.Minute}),
		func() map[string]int {
			runs, _ := os.ReadFile(log)
			return map[string]int{"runs": len(runs)}
		})
}
