package maps

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// TestOthersLines guards I6 and I1: lines of a person sign before the first switch, are told, and are kept byte for
// byte, without effect, after it; the key that they had in use may be replaced later.
func TestOthersLines(t *testing.T) {
	d, s := start(t, nil)
	k := signertest.Keys(t, 4)
	write(t, filepath.Join(d.KeyDir, "a.example.mail.key"), string(k[0].PEM()))
	write(t, filepath.Join(d.KeyDir, "b.example.mail.key"), string(k[0].PEM()))
	for _, name := range []string{"a", "b"} {
		if err := os.Chmod(filepath.Join(d.KeyDir, name+".example.mail.key"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	own := "# by hand\r\nA.example   mail # mine\nb.example mail\n\nc.example"
	write(t, s.cfg.SelectorMap, own)
	mail := signertest.At("a.example", "mail", k[0])
	becomes(t, d, mail.Ref(), k, dkim.Ref{})
	active, err := s.Active(t.Context(), []string{"a.example", "b.example", "c.example"})
	if err != nil || len(active) != 2 || active["a.example"] != mail.Ref() {
		t.Fatalf("Active: %v, %v", active, err)
	}
	before := mail.Ref()
	for _, key := range []dkim.SigningKey{signertest.At("a.example", "s2", k[1]), signertest.At("a.example", "mail", k[2]),
		signertest.At("a.example", "s2", k[3])} {
		activate(t, s, key)
		becomes(t, d, key.Ref(), k, before)
		before = key.Ref()
		if text := read(t, s.cfg.SelectorMap); !strings.HasPrefix(text, own+"\n# BEGIN") {
			t.Errorf("the map holds\n%s\nwant it to begin with\n%s", text, own)
		}
	}
	if ref := d.SignsWith(t, "b.example", k...); ref != signertest.At("b.example", "mail", k[0]).Ref() {
		t.Errorf("b.example is signed with %+v", ref)
	}
}

// TestUnsafeIsRefused guards I1 and I2: what could not be switched so that every instant is right is refused by name, by
// Screen and by Activate, before anything is changed.
func TestUnsafeIsRefused(t *testing.T) {
	k := signertest.Keys(t, 2)
	for name, tc := range map[string]struct {
		prepare func(d *signertest.Rspamd, s *Signer)
		code    string
		words   []string
	}{
		"one file whatever the selector": {func(d *signertest.Rspamd, s *Signer) {
			write(t, s.cfg.SelectorMap, "a.example mail\n")
			write(t, filepath.Join(d.KeyDir, "a.example.mail.key"), string(k[1].PEM()))
			write(t, s.cfg.PathMap, "a.example /etc/keys/a.pem\n")
		}, "foreign-signer-line", []string{"/etc/keys/a.pem", "$domain.$selector.key"}},
		"no line for a domain that is signed": {func(d *signertest.Rspamd, s *Signer) {
			write(t, s.cfg.SelectorMap, "a.example mail\n")
			write(t, filepath.Join(d.KeyDir, "a.example.mail.key"), string(k[1].PEM()))
		}, "foreign-signer-line", []string{"has no line for it", "mail"}},
		"keys elsewhere": {func(d *signertest.Rspamd, s *Signer) {
			write(t, s.cfg.SelectorMap, "a.example mail\n")
			write(t, s.cfg.PathMap, "a.example "+s.template()+"\n")
		}, "foreign-signer-line", []string{"lacks its key", "path ="}},
		"keys for root alone": {func(d *signertest.Rspamd, s *Signer) { os.Chown(d.KeyDir, 0, 0) }, "key-owner",
			[]string{"_rspamd"}},
		"others may write": {func(d *signertest.Rspamd, s *Signer) { os.Chmod(d.KeyDir, 0o777) }, "unsafe-key-dir",
			[]string{"rspamd could not use"}},
		"map can't be read": {func(d *signertest.Rspamd, s *Signer) {
			write(t, s.cfg.SelectorMap, "")
			os.Chmod(s.cfg.SelectorMap, 0o600)
		}, "unreadable-table", []string{"chmod g+r"}},
		"damaged block": {func(d *signertest.Rspamd, s *Signer) { write(t, s.cfg.PathMap, "# BEGIN dkimbot\n") },
			"damaged-block", []string{"# END dkimbot"}},
		"another signer's": {func(d *signertest.Rspamd, s *Signer) {
			write(t, s.cfg.SelectorMap, "# BEGIN dkimbot for signer \"mx\"\n# END dkimbot\n")
		}, "other-signer", []string{"mx"}},
		"damaged notes": {func(d *signertest.Rspamd, s *Signer) { write(t, s.cfg.SelectorMap+".dkimbot-keys", "{}") }, "",
			[]string{"another form", "move it away"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := signertest.NewRspamd(t)
			s := adapter(d, func(c *Config) { c.PathMap = d.Path("paths.map") })
			tc.prepare(d, s)
			maps := s.cfg.SelectorMap
			before, _ := os.ReadFile(maps)
			_, screened := s.Screen(t.Context(), []dkim.SigningKey{{Name: dkim.Name{Domain: "a.example", Selector: "s1"}}})
			signertest.WantCode(t, screened, tc.code, tc.words...)
			signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{signertest.At("a.example", "s1", k[0])}), tc.code,
				tc.words...)
			after, _ := os.ReadFile(maps)
			if _, err := os.Stat(filepath.Join(d.KeyDir, "a.example.s1.key")); err == nil || string(before) != string(after) {
				t.Errorf("something was written: %s", after)
			}
		})
	}
}

// TestOthersKeys guards I6: a key that dkimbot did not write, and that did not sign its domain, is neither replaced nor
// removed.
func TestOthersKeys(t *testing.T) {
	d := signertest.NewRspamd(t)
	s := adapter(d, nil)
	k := signertest.Keys(t, 3)
	file := filepath.Join(d.KeyDir, "a.example.s2.key")
	write(t, file, string(k[1].PEM()))
	next := signertest.At("a.example", "s2", k[2])
	each, whichever := s.Screen(t.Context(), []dkim.SigningKey{
		{Name: next.Name, Record: dkim.NewRecord(next.Key.Public(), "").String()}})
	err := s.Activate(t.Context(), []dkim.SigningKey{next})
	if whichever != nil || fmt.Sprint(each["a.example"]) != fmt.Sprint(err) {
		t.Errorf("foreseen: %v, %v; came: %v", whichever, each, err)
	}
	signertest.WantCode(t, err, "foreign-key-file", "did not write", file)
	if err := s.Forget(t.Context(), []dkim.Ref{signertest.At("a.example", "s2", k[1]).Ref()}); err != nil {
		t.Error(err)
	}
	if read(t, file) != string(k[1].PEM()) {
		t.Error("the file was changed")
	}
}

// TestForget: a key that a map names is kept; another one goes, and what a crash left; a newer key under the
// selector stays.
func TestForget(t *testing.T) {
	d := signertest.NewRspamd(t)
	s := adapter(d, everyMap)
	k := signertest.Keys(t, 3)
	s1, s2 := signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1])
	activate(t, s, s1)
	activate(t, s, s2)
	signertest.WantCode(t, (later{s}).Forget(t.Context(), []dkim.Ref{s2.Ref()}), "key-in-use", "s2")
	write(t, s.cfg.ArcSelectorMap, strings.Replace(read(t, s.cfg.ArcSelectorMap), "a.example s2", "a.example s1", 1))
	signertest.WantCode(t, (later{s}).Forget(t.Context(), []dkim.Ref{s1.Ref()}), "key-in-use", ".arc")
	if active, err := s.Active(t.Context(), []string{"a.example"}); err != nil || len(active) > 0 {
		t.Errorf("two selectors sign, and Active says %v, %v", active, err)
	}
	activate(t, s, s2)
	write(t, filepath.Join(d.KeyDir, ".a.example.s1.key.new-123"), "left by a crash")
	for range 2 {
		if err := (later{s}).Forget(t.Context(), []dkim.Ref{s1.Ref(), signertest.At("a.example", "s2", k[2]).Ref()}); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob(filepath.Join(d.KeyDir, "*a.example*"))
	if err != nil || len(files) != 1 || filepath.Base(files[0]) != "a.example.s2.key" {
		t.Errorf("key files: %v, %v", files, err)
	}
}

// TestWritersAtOnce: another program that writes the map, or a process that hangs, is named (I8, I10).
func TestWritersAtOnce(t *testing.T) {
	d := signertest.NewRspamd(t)
	s := adapter(d, nil)
	key := signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])
	held, err := s.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("the time is up"))
	if err := s.Activate(ctx, []dkim.SigningKey{key}); err == nil {
		t.Error("activated while another holds the lock")
	}
	held.close()
	s.step = func(operation string) error {
		if operation == "rename selectors.map" {
			s.cfg.SelectorMap += ".other"
		}
		return nil
	}
	signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{key}), "", "something else", "another program")
}

// TestPlanted: symbolic links that rspamd's user put where root works lead nowhere (I6). TestPlantedKeyFile has those in
// the place of keys.
func TestPlanted(t *testing.T) {
	key := signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])
	for what, link := range map[string]func(s *Signer) string{
		"map":      func(s *Signer) string { return s.cfg.SelectorMap },
		"path map": func(s *Signer) string { return s.cfg.PathMap },
		"lock":     func(s *Signer) string { return s.cfg.SelectorMap + ".dkimbot-lock" },
		"notes":    func(s *Signer) string { return s.cfg.SelectorMap + ".dkimbot-keys" },
	} {
		t.Run(what, func(t *testing.T) {
			d := signertest.NewRspamd(t)
			s := adapter(d, func(c *Config) {
				c.SelectorMap, c.PathMap = filepath.Join(d.KeyDir, "map"), filepath.Join(d.KeyDir, "paths")
			})
			signertest.PlantedLink(t, d.Dir, d.KeyDir, link(s), false, func() error {
				return s.Activate(t.Context(), []dkim.SigningKey{key})
			})
		})
	}
}

// TestOneWrite: however many domains, each map is written once.
func TestOneWrite(t *testing.T) {
	d := signertest.NewRspamd(t)
	s := adapter(d, everyMap)
	writes := map[string]int{}
	s.step = func(operation string) error {
		if strings.Contains(operation, "rename selectors.map") {
			writes[operation]++
		}
		return nil
	}
	var keys []dkim.SigningKey
	for i := range 300 {
		keys = append(keys, signertest.At("d"+string(rune('a'+i%26))+string(rune('a'+i/26))+".example", "s1",
			signertest.Keys(t, 1)[0]))
	}
	for range 2 { // nothing is written the second time
		activate(t, s, keys...)
		for operation, n := range writes {
			if n != 1 || len(writes) != 5 {
				t.Fatalf("%s: %d times; %v", operation, n, writes)
			}
		}
	}
}

// TestRenamed: a block with the signer's former name is its own, and gets the new one with the next change.
func TestRenamed(t *testing.T) {
	d := signertest.NewRspamd(t)
	k := signertest.Keys(t, 2)
	activate(t, adapter(d, everyMap), signertest.At("a.example", "s1", k[0]))
	s := adapter(d, func(c *Config) { everyMap(c); c.Name = "mail" })
	s.KnownAs("rs")
	activate(t, s, signertest.At("a.example", "s2", k[1]))
	if text := read(t, s.cfg.SelectorMap); !strings.HasPrefix(text, format.FirstLine("mail")) {
		t.Errorf("the map:\n%s", text)
	}
}

// BenchmarkSwitch switches 1,000 domains with one write of each map, which rspamd watches.
func BenchmarkSwitch(b *testing.B) {
	s := adapter(signertest.NewRspamd(b), nil)
	step, counts := signertest.Counting(func(operation string) string {
		if strings.Contains(operation, "rename selectors.map") {
			return "writes"
		}
		return ""
	})
	s.step = step
	signertest.Switch1000(b, s, counts)
}

// TestLostPath guards I1: a map of paths that lost dkimbot's line signs nothing, or may; the line is written again, and
// those of others stay. A switch is refused only where mail is signed by a line of others.
func TestLostPath(t *testing.T) {
	d := signertest.NewRspamd(t)
	s := adapter(d, everyMap)
	k := signertest.Keys(t, 2)
	s1, s2 := signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1])
	activate(t, s, s1)
	now := s1
	for i, tc := range []struct {
		text  string
		to    dkim.SigningKey
		names bool
	}{{"", s1, true}, {"b.example x\n", s2, true}, {"a.example /nowhere/$domain.key\n", s2, false},
		{"a.example /nowhere/$domain.key\n", s1, false}} {
		write(t, s.cfg.PathMap, tc.text)
		active, err := s.Active(t.Context(), []string{"a.example"})
		if err != nil || len(active) != 0 {
			t.Errorf("%d: with %q it signs with %v, %v", i, tc.text, active, err)
		}
		if says := s.Overruled(t.Context(), []string{"a.example"})["a.example"]; tc.names && !strings.Contains(says, s.cfg.PathMap) {
			t.Errorf("%d: the map is not named: %q", i, says)
		}
		if _, err := s.Screen(t.Context(), []dkim.SigningKey{tc.to}); err != nil {
			t.Errorf("%d: foreseen: %v", i, err)
		}
		activate(t, s, tc.to)
		now = tc.to
		if text := read(t, s.cfg.PathMap); !strings.HasPrefix(text, tc.text) || !strings.Contains(text, "a.example "+s.template()) {
			t.Errorf("%d: the map holds\n%s", i, text)
		}
	}
	write(t, filepath.Join(d.Dir, "copy.pem"), string(now.Key.PEM()))
	write(t, s.cfg.PathMap, "a.example "+filepath.Join(d.Dir, "copy.pem")+"\n")
	signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{s2}), "foreign-signer-line", "copy.pem")
	activate(t, s, s1)
	if active, err := s.Active(t.Context(), []string{"a.example"}); err != nil || active["a.example"] != s1.Ref() {
		t.Errorf("%v, %v", active, err)
	}
}

// TestLeftFile guards I1: the key file that a switch left stays until no process of rspamd can have the map from before
// it, also where a compromised key is left, and goes then.
func TestLeftFile(t *testing.T) {
	d := signertest.NewRspamd(t)
	s := adapter(d, nil)
	k := signertest.Keys(t, 2)
	s1, s2 := signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1])
	activate(t, s, s1)
	activate(t, s, s2)
	clock := time.Now()
	s.now = func() time.Time { return clock }
	activate(t, s, s2) // repeated, it is no switch
	file := filepath.Join(d.KeyDir, "a.example.s1.key")
	for _, left := range []time.Duration{0, s.Lag() - time.Minute} {
		clock = time.Now().Add(left)
		err := s.Forget(t.Context(), []dkim.Ref{s1.Ref()})
		signertest.WantCode(t, err, "", "map from before the switch", "nothing needs to be done")
		if _, missing := os.Stat(file); missing != nil || fault.KindOf(err) != fault.Transient {
			t.Errorf("%v after the switch: %v, %v", left, err, missing)
		}
	}
	clock = time.Now().Add(s.Lag())
	if err := s.Forget(t.Context(), []dkim.Ref{s1.Ref()}); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("the file is there for ever")
	}
}
