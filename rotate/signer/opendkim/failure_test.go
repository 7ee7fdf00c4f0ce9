package opendkim

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

func wantActive(t testing.TB, s *Signer, want dkim.SigningKey) {
	t.Helper()
	active, err := s.Active(t.Context(), []string{want.Domain})
	if err != nil || active[want.Domain] != want.Ref() {
		t.Fatalf("Active: %+v, %v; want %+v", active, err, want.Ref())
	}
}

// TestReloadLeftOut: the command says that all is well and does nothing. The
// proof notices (I10), the old key continues signing (I1), and the next try
// completes the switch.
func TestReloadLeftOut(t *testing.T) {
	d := signertest.StartOpenDKIM(t)
	k := signertest.Keys(t, 2)
	old, now := signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1])
	activate(t, newSigner(t, d, nil), old)
	s := newSigner(t, d, func(c *Config) { c.Reload, c.ReloadTimeout = []string{"true"}, 2*time.Second })
	for range 2 {
		err := withTime(s, func() error { return s.Activate(t.Context(), []dkim.SigningKey{now}) }, "signs with selector")
		wantWords(t, err, "signs with selector s1", "s2._domainkey.a.example", "reload true reaches")
		faulttest.Shown(t, err)
		if fault.KindOf(err) != fault.Transient {
			t.Errorf("kind is %v; want Transient", fault.KindOf(err))
		}
		wantActive(t, s, old)
		wantSelectors(t, d, "a.example", "s1")
	}
	s = newSigner(t, d, nil)
	activate(t, s, now)
	wantActive(t, s, now)
	wantSelectors(t, d, "a.example", "s2")
}

// TestSameSelectorUnproved: a new key at the selector that signs already shows
// only in the signature, so that is verified.
func TestSameSelectorUnproved(t *testing.T) {
	d := signertest.StartOpenDKIM(t)
	k := signertest.Keys(t, 2)
	old, now := signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s1", k[1])
	activate(t, newSigner(t, d, nil), old)
	s := newSigner(t, d, func(c *Config) { c.Reload, c.ReloadTimeout = []string{"true"}, 2*time.Second })
	try := func() error { return s.Activate(t.Context(), []dkim.SigningKey{now}) }
	wantWords(t, withTime(s, try, "does not verify"), "does not verify with the new key")
	wantActive(t, s, old)
	if ref := d.SignsWith(t, "a.example", k...); ref != old.Ref() {
		t.Errorf("signed with %+v", ref)
	}
}

// TestReloadFails: a change stays outstanding until a reload succeeded, also
// when no file differs any more and nothing can be proved.
func TestReloadFails(t *testing.T) {
	k := signertest.Keys(t, 2)
	old, now := signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1])
	for name, test := range map[string]struct {
		reload []string
		words  []string
	}{
		"fails": {[]string{"sh", "-c", "echo no such unit >&2; exit 5"}, []string{"exit status 5", "no such unit"}},
		"hangs": {[]string{"sh", "-c", "echo waiting; sleep 60 & wait"},
			[]string{"waiting", "timed out and was killed"}},
		"is not there":  {[]string{"/nonexistent/reload"}, []string{"/nonexistent/reload", "without a shell"}},
		"babbles":       {[]string{"sh", "-c", "yes word | head -c 1000000; exit 1"}, []string{"exit status 1", "…"}},
		"is killed off": {[]string{"sh", "-c", "kill -9 $$"}, []string{"signal: killed"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := signertest.StartOpenDKIM(t)
			good := newSigner(t, d, withoutMilter)
			activate(t, good, old)
			settles(t, good, d, "s1") // the daemon reads its tables when it is asked next
			bad := newSigner(t, d, func(c *Config) {
				c.Milter, c.Reload, c.ReloadTimeout = "", test.reload, time.Minute
				if name == "hangs" {
					c.ReloadTimeout = time.Second
				}
			})
			for range 2 {
				err := withTime(bad, func() error { return bad.Activate(t.Context(), []dkim.SigningKey{now}) }, test.words[0])
				wantWords(t, err, append(test.words, "reload")...)
				if len(err.Error()) > 1000 {
					t.Errorf("the error has %d octets", len(err.Error()))
				}
				wantActive(t, bad, old)
				wantSelectors(t, d, "a.example", "s1")
			}
			activate(t, good, now)
			wantActive(t, good, now)
			settles(t, good, d, "s2")
		})
	}
}

// withTime tries with ever more time for the reload and the proof until the error says this: on a busy
// machine a program, or the daemon, may need longer than the test wants to wait.
func withTime(s *Signer, try func() error, says string) error {
	for {
		err := try()
		if err == nil || strings.Contains(err.Error(), says) || s.cfg.ReloadTimeout > time.Minute {
			return err
		}
		s.cfg.ReloadTimeout *= 2
	}
}

// settles gives the daemon a while to sign new connections with the selector.
func settles(t testing.TB, s *Signer, d *signertest.OpenDKIM, selector string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !slices.Equal(d.Mail(t, "a.example").Selectors("a.example"),
		[]string{selector}); {
		if time.Now().After(deadline) {
			t.Fatalf("%s does not sign new connections", selector)
		}
	}
}

// TestGoesBack guards I1: when the daemon can't use the new key the old one
// signs again.
func TestGoesBack(t *testing.T) {
	needRoot(t)
	ed, err := dkim.Generate(dkim.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	k := signertest.Keys(t, 3)
	for name, test := range map[string]struct {
		edit  func(*Config)
		key   dkim.SigningKey
		words []string
	}{
		"key file of another user": {func(c *Config) { c.Owner, c.AllowUnsafeKeys = "root", true },
			signertest.At("a.example", "s2", k[1]), []string{"451", "were restored", "owner and mode"}},
		"same selector, new key": {func(c *Config) { c.Owner, c.AllowUnsafeKeys = "root", true },
			signertest.At("a.example", "s1", k[1]), []string{"451", "were restored"}},
		"other algorithm": {nil, signertest.At("a.example", "s2", ed),
			[]string{"were restored", "SignatureAlgorithm"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := signertest.StartOpenDKIM(t)
			old := signertest.At("a.example", "s1", k[0])
			activate(t, newSigner(t, d, nil), old)
			s := newSigner(t, d, test.edit)
			s.cfg.ReloadTimeout = time.Second
			err := withTime(s, func() error {
				return s.Activate(t.Context(), []dkim.SigningKey{test.key, signertest.At("b.example", "s1", k[2])})
			}, "were restored")
			wantWords(t, err, test.words...)
			settles(t, s, d, "s1")
			wantActive(t, s, old)
			if ref := d.SignsWith(t, "a.example", k...); ref != old.Ref() {
				t.Errorf("a.example is signed with %+v", ref)
			}
			d.Restart(t)
			if ref := d.SignsWith(t, "a.example", k...); ref != old.Ref() {
				t.Errorf("after a restart a.example is signed with %+v", ref)
			}
		})
	}
}

// TestEd25519: accepted where it can be proved and the daemon is set up for it.
func TestEd25519(t *testing.T) {
	ed, err := dkim.Generate(dkim.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	d := signertest.StartOpenDKIM(t, "SignatureAlgorithm ed25519-sha256")
	key := signertest.At("a.example", "s1", ed)
	signertest.WantCode(t, newSigner(t, d, withoutMilter).Activate(t.Context(), []dkim.SigningKey{key}), "unproven-algorithm",
		"milter socket")
	activate(t, newSigner(t, d, nil), key)
	if ref := d.SignsWith(t, "a.example", ed); ref != key.Ref() {
		t.Errorf("signed with %+v", ref)
	}
}

// TestUnreadableKeyFile: a key file that can't be read is told for its own
// domain, and hides what the others are signed with from nobody.
func TestUnreadableKeyFile(t *testing.T) {
	dir, k := t.TempDir(), signertest.Keys(t, 1)
	good, bad := filepath.Join(dir, "good.private"), filepath.Join(dir, "good.private", "bad.private")
	write(t, good, string(k[0].PEM())) // which is no directory: root can't read the bad one either
	s, err := New(Config{Name: "mx1", KeyDir: dir, KeyTable: filepath.Join(dir, "key.table"),
		SigningTable: filepath.Join(dir, "signing.table"), Reload: []string{"true"}})
	if err != nil {
		t.Fatal(err)
	}
	write(t, s.keyTable, "a a.example:s1:"+good+"\nb b.example:s1:"+bad+"\n")
	write(t, s.signTable, "*@a.example a\n*@b.example b\n")

	active, err := s.Active(t.Context(), []string{"a.example", "b.example", "c.example"})
	var part *signer.PartialError
	if !errors.As(err, &part) || len(part.Failed) != 1 {
		t.Fatalf("error is %v; want one that names b.example alone", err)
	}
	wantWords(t, part.Failed["b.example"], bad)
	if want := signertest.At("a.example", "s1", k[0]).Ref(); len(active) != 1 || active["a.example"] != want {
		t.Errorf("Active: %v; want %v", active, want)
	}
	_, err = s.Active(t.Context(), []string{"b.example"})
	wantWords(t, err, bad)
}

// TestUnfitAlgorithm guards I1 with the real daemon: where opendkim.conf has an algorithm that does not fit the key,
// that is what is said, no switch is proved, and no file of the key goes.
func TestUnfitAlgorithm(t *testing.T) {
	k := signertest.Keys(t, 2)
	s1, s2 := signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1])
	d := signertest.StartOpenDKIM(t)
	s := newSigner(t, d, nil)
	activate(t, s, s1)
	restart := fromBackup(t, d)
	activate(t, s, s2)
	usual := read(t, d.Conf)
	wrong := usual + "SignatureAlgorithm ed25519-sha256\n"
	write(t, d.Conf, wrong)
	restart(t)
	s.cfg.Reload = d.Reload()
	active, err := s.Active(t.Context(), []string{"a.example"})
	if is := active["a.example"]; err != nil || is.Name != s1.Name || dkim.UnfitFor(is.KeyID) != "ed25519-sha256" {
		t.Errorf("Active: %v, %v", active, err)
	}
	signertest.WantCode(t, s.Forget(t.Context(), []dkim.Ref{s1.Ref()}), "key-in-use", "signs with it")
	write(t, d.Conf, wrong)
	d.Restart(t)
	s.cfg.ReloadTimeout, s.cfg.Reload = time.Second, d.Reload()
	wantWords(t, s.Activate(t.Context(), []dkim.SigningKey{s2}), "algorithm ed25519-sha256, which does not fit",
		"SignatureAlgorithm")
	write(t, d.Conf, usual)
	d.Restart(t)
	activate(t, newSigner(t, d, nil), s2)
	wantActive(t, newSigner(t, d, nil), s2)
}
