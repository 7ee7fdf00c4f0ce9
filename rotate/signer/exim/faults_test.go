package exim

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// TestConfig: each mistake in the configuration is named.
func TestConfig(t *testing.T) {
	for _, edit := range []func(*Config){
		func(c *Config) { c.KeyDir = "" },
		func(c *Config) { c.Table = "dkim.table" },
		func(c *Config) { c.Table = "/etc/exim4/my table" },
		func(c *Config) { c.KeyDir = "/etc/exim4:dkim" },
		func(c *Config) { c.Owner = "a b" },
		func(c *Config) { c.Owner, c.KeyDir = "", "/" },
	} {
		cfg := Config{Name: "ex", KeyDir: "/etc/exim4/dkim", Table: "/etc/exim4/dkim.table", Owner: "root"}
		edit(&cfg)
		_, err := New(cfg)
		faulttest.Shown(t, err)
	}
}

// TestRefusedFirst: what would leave mail unsigned is refused before anything is changed, by Screen, by Activate and by
// the preflight (I1).
func TestRefusedFirst(t *testing.T) {
	for name, tc := range map[string]struct {
		edit func(e *signertest.Exim) error
		code string
		word string
	}{
		"keys for root alone": {func(e *signertest.Exim) error { return os.Chown(e.KeyDir, 0, 0) }, "key-owner", "Debian-exim"},
		"others may write": {func(e *signertest.Exim) error { return os.Chmod(e.KeyDir, 0o777) }, "unsafe-key-dir",
			"Exim could not use"},
		"others may exchange the table": {func(e *signertest.Exim) error { return os.Chmod(filepath.Dir(e.Table), 0o777) },
			"unsafe-file", "by everybody"},
		"table can't be read": {func(e *signertest.Exim) error { return os.Chmod(e.Table, 0o600) }, "unreadable-table", "chmod g+r"},
		"table has two names": {func(e *signertest.Exim) error { return os.Link(e.Table, e.Table+"2") }, "table-names", "cp -p"},
		"damaged block": {func(e *signertest.Exim) error {
			return os.WriteFile(e.Table, []byte("# BEGIN dkimbot\n"), 0o644)
		}, "damaged-block", "# END dkimbot"},
		"a file that Exim reads otherwise": {func(e *signertest.Exim) error {
			return os.WriteFile(e.Table, []byte("b.example: /etc/exim4/b.pem\n"), 0o644)
		}, "foreign-signer-line", "Exim reads the file in another way"},
		"another signer's": {func(e *signertest.Exim) error {
			return os.WriteFile(e.Table, []byte("# BEGIN dkimbot for signer \"mx\"\n# END dkimbot\n"), 0o644)
		}, "other-signer", "mx"},
	} {
		t.Run(name, func(t *testing.T) {
			e := signertest.StartExim(t)
			s := newSigner(t, e, nil)
			if err := tc.edit(e); err != nil {
				t.Fatal(err)
			}
			before := read(t, e.Table)
			key := signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])
			_, screened := s.Screen(t.Context(), []dkim.SigningKey{{Name: key.Name}})
			signertest.WantCode(t, screened, tc.code, tc.word)
			signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{key}), tc.code, tc.word)
			if files, _ := os.ReadDir(e.KeyDir); len(files) > 0 || read(t, e.Table) != before {
				t.Errorf("something was written: %v", files)
			}
		})
	}
}

// TestWritersAtOnce: another program that writes the table, or a process that hangs, is named (I8, I10).
func TestWritersAtOnce(t *testing.T) {
	e := signertest.StartExim(t)
	s := newSigner(t, e, nil)
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
	held.Close()

	s.step = func(operation string) error {
		if operation == "fill dkim.table" {
			return syscall.EIO
		}
		return nil
	}
	signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{key}), "", "write table")
	var once sync.Once
	s.step = func(operation string) error { // after the rename
		if operation == "rename dkim.table" {
			once.Do(func() { s.cfg.Table += ".other" })
		}
		return nil
	}
	err = s.Activate(t.Context(), []dkim.SigningKey{key})
	signertest.WantCode(t, err, "", "something else", "another program")
}

// TestPlanted: symbolic links that Exim's user put where root works lead nowhere (I6).
func TestPlanted(t *testing.T) {
	key := signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])
	for what, link := range map[string]func(s *Signer) string{
		"domain's directory": func(s *Signer) string { return filepath.Join(s.cfg.KeyDir, "a.example") },
		"table":              func(s *Signer) string { return s.cfg.Table },
		"lock":               func(s *Signer) string { return s.cfg.Table + ".dkimbot-lock" },
	} {
		t.Run(what, func(t *testing.T) {
			e := signertest.StartExim(t)
			s := newSigner(t, e, func(c *Config) { c.Table = filepath.Join(e.KeyDir, "table") })
			signertest.PlantedLink(t, e.Dir, e.KeyDir, link(s), what == "domain's directory", func() error {
				return s.Activate(t.Context(), []dkim.SigningKey{key})
			})
			if data, _ := keyfiles.ReadTable(s.cfg.Table); entries(data)["a.example"] != "" {
				t.Errorf("the domain was switched to a key that could not be written:\n%s", data)
			}
		})
	}
}

// TestRenamed: a block with the signer's former name is its own, and gets the new one with the next change.
func TestRenamed(t *testing.T) {
	e := signertest.StartExim(t)
	keys := signertest.Keys(t, 2)
	before := newSigner(t, e, nil)
	if err := before.Activate(t.Context(), []dkim.SigningKey{signertest.At("a.example", "s1", keys[0])}); err != nil {
		t.Fatal(err)
	}
	s := newSigner(t, e, func(c *Config) { c.Name = "mail" })
	s.KnownAs(before.cfg.Name)
	if used, err := s.Active(t.Context(), []string{"a.example"}); err != nil || used["a.example"].Selector != "s1" {
		t.Errorf("%v, %v", used, err)
	}
	if err := s.Activate(t.Context(), []dkim.SigningKey{signertest.At("a.example", "s2", keys[1])}); err != nil {
		t.Fatal(err)
	}
	if text := string(read(t, e.Table)); !strings.HasPrefix(text, format.FirstLine("mail")) {
		t.Errorf("the table:\n%s", text)
	}
}

// TestUnreadableExisting: a lookup file that can't be read is named.
func TestUnreadableExisting(t *testing.T) {
	_, err := ReadExisting(t.TempDir())
	faulttest.Shown(t, err)
}

// TestOddLineStopsNoSwitch: an odd line that somebody adds to a file which Exim has signed from stops no switch, as one away
// from a compromised key.
func TestOddLineStopsNoSwitch(t *testing.T) {
	e := signertest.StartExim(t)
	s := newSigner(t, e, nil)
	k := signertest.Keys(t, 2)
	if err := s.Activate(t.Context(), []dkim.SigningKey{signertest.At("a.example", "s1", k[0])}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(e.Table, []byte(read(t, e.Table)+"b.example: /etc/exim4/b.pem\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	next := signertest.At("a.example", "s2", k[1])
	if err := s.Activate(t.Context(), []dkim.SigningKey{next}); err != nil {
		t.Fatal(err)
	}
	if got := e.SignsWith(t, "a.example", k...); got != next.Ref() {
		t.Errorf("mail is signed with %v", got)
	}
}
