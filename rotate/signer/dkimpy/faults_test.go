package dkimpy

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
	"github.com/dkimbot/dkimbot/rotate/signer/milter"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// idle returns an adapter without a daemon, in a directory of its own.
func idle(t testing.TB, edit func(*Config)) *Signer {
	t.Helper()
	dir := signertest.SafeDir(t)
	cfg := Config{Name: "py", KeyDir: filepath.Join(dir, "keys"), KeyTable: filepath.Join(dir, "key.table"),
		SigningTable: filepath.Join(dir, "signing.table"), Restart: []string{"true"}, Milter: "unix:" + dir + "/socket"}
	if edit != nil {
		edit(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestBadRestart guards I1: a daemon that does not come back, or does worse than before, signs with the key from before
// again, by tables as they were.
func TestBadRestart(t *testing.T) {
	d := signertest.StartDkimpyMilter(t, false)
	s := newSigner(t, d, nil)
	k := signertest.Keys(t, 2)
	old, next := signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1])
	activate(t, s, old)
	was := read(t, d.SigningTable)
	script := read(t, d.Restart()[0])

	// The first restart fails, the second one works.
	runs := filepath.Join(d.Dir, "runs")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, fails := range []string{"echo no; exit 3", "sleep 600"} {
		os.Remove(runs)
		write(t, d.Restart()[0], "#!/bin/sh\necho >>"+runs+"\n[ $(wc -l <"+runs+") -gt 1 ] || { "+fails+"; }\n"+
			strings.TrimPrefix(script, "#!/bin/sh\n"))
		if err := s.Activate(ctx, []dkim.SigningKey{next}); fails != "sleep 600" {
			signertest.WantCode(t, err, "", "exit status 3", "it said: no")
		} else if err == nil {
			t.Error("no error")
		}
		d.Await(t)
		if got := d.SignsWith(t, "a.example", k...); got != old.Ref() || read(t, d.SigningTable) != was ||
			read(t, runs) != "\n\n" {
			t.Errorf("signed with %+v, restarted %d times; the table:\n%s", got, len(read(t, runs)), read(t, d.SigningTable))
		}
		s.step = func(operation string) error { // the time is up in the first one; the second is not cut short with it
			if operation == "restart" {
				time.AfterFunc(200*time.Millisecond, cancel)
			}
			return nil
		}
	}
	s.step = nil

	// The daemon has a second table of keys that dkimbot does not know of: our mail would be turned away.
	write(t, d.Restart()[0], script)
	write(t, filepath.Join(d.Dir, "other"), "none none.invalid:none:/dev/null\n"+
		name(old.Ref())+" a.example:s1:/dev/null\n")
	write(t, d.Conf, read(t, d.Conf)+"KeyTableEd25519 file:"+filepath.Join(d.Dir, "other")+"\n")
	s.cfg.RestartTimeout = 5e9
	err := s.Activate(t.Context(), []dkim.SigningKey{next})
	signertest.WantCode(t, err, "", "was restored", "KeyTableEd25519")
	d.Await(t)
	if got := d.SignsWith(t, "a.example", k...); got != old.Ref() || read(t, d.SigningTable) != was {
		t.Errorf("signed with %+v; the table:\n%s", got, read(t, d.SigningTable))
	}
}

// TestForget: what the SigningTable, a line of others or the running daemon uses is kept; the entry goes before the file.
func TestForget(t *testing.T) {
	d := signertest.StartDkimpyMilter(t, false)
	s := newSigner(t, d, nil)
	k := signertest.Keys(t, 2)
	s1, s2 := signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1])
	activate(t, s, s1)
	activate(t, s, s2)
	signertest.WantCode(t, s.Forget(t.Context(), []dkim.Ref{s2.Ref()}), "key-in-use", "tables of the signer use it")
	signed := read(t, d.SigningTable)
	write(t, d.SigningTable, strings.Replace(signed, name(s2.Ref()), name(s1.Ref()), 1))
	signertest.WantCode(t, s.Forget(t.Context(), []dkim.Ref{s2.Ref()}), "key-in-use", "signs with it")
	write(t, d.SigningTable, signed)
	keyed, link := read(t, d.KeyTable), filepath.Join(d.Dir, "link") // a link of theirs is another name of the file
	if err := os.Symlink(s.store.File(s1.Ref()), link); err != nil {
		t.Fatal(err)
	}
	write(t, d.KeyTable, "own b.example:own:"+link+"\n"+keyed)
	signertest.WantCode(t, s.Forget(t.Context(), []dkim.Ref{s1.Ref()}), "key-in-use", "tables of the signer use it")
	write(t, d.KeyTable, keyed)
	s.step = func(operation string) error { // a table that names a file that is gone keeps the daemon from starting
		if operation == "fill "+filepath.Base(d.KeyTable) {
			return syscall.EIO
		}
		return nil
	}
	signertest.WantCode(t, s.Forget(t.Context(), []dkim.Ref{s1.Ref()}), "", "write table")
	if _, err := os.Stat(s.store.File(s1.Ref())); err != nil {
		t.Errorf("the table still names the file: %v", err)
	}
	s.step = nil
	for range 2 {
		if err := s.Forget(t.Context(), []dkim.Ref{s1.Ref()}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(s.store.File(s1.Ref())); err == nil || strings.Contains(read(t, d.KeyTable), s1.Selector+"-") {
		t.Errorf("the table:\n%s", read(t, d.KeyTable))
	}
	d.Start(t)
	if got := d.SignsWith(t, "a.example", k...); got != s2.Ref() {
		t.Errorf("signed with %+v", got)
	}
	faulttest.Shown(t, s.Forget(t.Context(), []dkim.Ref{{Name: dkim.Name{Domain: "a..example", Selector: "s1"}}}))

	// What the daemon signs with can't be asked: nothing is removed.
	b1 := signertest.At("b.example", "s1", k[0])
	activate(t, s, s1, b1)
	activate(t, s, s2, signertest.At("b.example", "s2", k[1]))
	d.Stop(t)
	for _, refs := range [][]dkim.Ref{{s1.Ref()}, {s1.Ref(), b1.Ref()}} {
		err := s.Forget(t.Context(), refs)
		if faulttest.Shown(t, err); err == nil || len(s.store.Kept(s1.Name)) != 1 || len(s.store.Kept(b1.Name)) != 1 {
			t.Errorf("%v, %v, %v", err, s.store.Kept(s1.Name), s.store.Kept(b1.Name))
		}
	}
}

// TestFaults: the texts that other tests don't show.
func TestFaults(t *testing.T) {
	s := idle(t, func(c *Config) { c.KeyTableEd25519 = filepath.Join(filepath.Dir(c.KeyTable), "ed.table") })
	n := dkim.Name{Domain: "a.example", Selector: "s1"}
	for verdict := milter.OtherKey; verdict <= milter.Unreachable; verdict++ {
		faulttest.Shown(t, s.doubt(n, verdict, errors.New("it says so")))
	}
	_, err := s.Active(t.Context(), []string{"a.example"})
	faulttest.Shown(t, err)
	s.cfg.Restart = []string{"/nonexistent/restart"}
	signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])}),
		"command-missing", "restart")
	_, err = New(Config{Name: "py", KeyDir: "/k", KeyTable: "/t", SigningTable: "/t", Restart: []string{"true"},
		Milter: "unix:/s"})
	faulttest.Shown(t, err)
	_, err = New(Config{Name: "py"})
	faulttest.Shown(t, err)
}

// TestAmong: two signatures are told, and a key that can't be read.
func TestAmong(t *testing.T) {
	d := signertest.StartDkimpyMilter(t, true)
	s := newSigner(t, d, nil)
	k := signertest.Keys(t, 1)
	small, err := dkim.Generate(dkim.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	rsa, ed := filepath.Join(d.KeyDir, "rsa.pem"), filepath.Join(d.KeyDir, "ed.key")
	write(t, rsa, string(k[0].PEM()))
	write(t, ed, string(s.store.Text(small)))
	write(t, d.KeyTable, "both a.example:r1:"+rsa+"\none b.example:r1:"+rsa+"\n")
	write(t, d.KeyTableEd25519, "both a.example:e1:"+ed+"\none b.example:r1:/dev/null\n")
	write(t, d.SigningTable, "*@a.example both\n*@b.example one\n")
	d.Start(t)
	_, err = s.Active(t.Context(), []string{"a.example"})
	signertest.WantCode(t, err, "", "signs with", "e1", "r1")
	if err := os.Remove(rsa); err != nil {
		t.Fatal(err)
	}
	_, err = s.Active(t.Context(), []string{"b.example"})
	faulttest.Shown(t, err)
	write(t, rsa, string(k[0].PEM()))
	for i, key := range []dkim.SigningKey{signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", small)} {
		activate(t, s, key)
		if a := d.Mail(t, "a.example"); len(a.Signatures) != 1 {
			t.Errorf("%d: %v", i, a)
		}
	}
}

// TestPlanted: symbolic links that the daemon's user put where root works lead nowhere (I6).
func TestPlanted(t *testing.T) {
	key := signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])
	for what, link := range map[string]func(s *Signer) string{
		"domain's directory": func(s *Signer) string { return filepath.Join(s.cfg.KeyDir, "a.example") },
		"table":              func(s *Signer) string { return s.cfg.KeyTable },
		"lock":               func(s *Signer) string { return s.cfg.SigningTable + ".dkimbot-lock" },
	} {
		t.Run(what, func(t *testing.T) {
			s := idle(t, func(c *Config) {
				c.KeyTable, c.SigningTable = filepath.Join(c.KeyDir, "key.table"), filepath.Join(c.KeyDir, "signing.table")
			})
			if err := os.Mkdir(s.cfg.KeyDir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Chown(s.cfg.KeyDir, 65534, 65534); err != nil {
				t.Fatal(err)
			}
			signertest.PlantedLink(t, filepath.Dir(s.cfg.KeyDir), s.cfg.KeyDir, link(s), what == "domain's directory",
				func() error { return s.Activate(t.Context(), []dkim.SigningKey{key}) })
			if data, _ := keyfiles.ReadTable(s.cfg.SigningTable); strings.Contains(string(data), "a.example") {
				t.Errorf("the domain was switched to a key that could not be written:\n%s", data)
			}
		})
	}
}

// BenchmarkSwitch switches 1,000 domains with one write of each table and one restart of a real milter.
func BenchmarkSwitch(b *testing.B) {
	s := newSigner(b, signertest.StartDkimpyMilter(b, false), nil)
	step, counts := signertest.Counting(func(operation string) string {
		switch {
		case operation == "restart":
			return "restarts"
		case strings.HasPrefix(operation, "rename") && strings.HasSuffix(operation, ".table"):
			return "writes"
		}
		return ""
	})
	s.step = step
	signertest.Switch1000(b, s, counts)
}
