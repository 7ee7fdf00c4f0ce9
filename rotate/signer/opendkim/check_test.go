package opendkim

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/preflight/preflighttest"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// What would keep a key from being used is told before one is made, each thing by itself (I1); and what the
// switch itself would refuse, Screen refuses too.
func TestCheckNamesWhatFails(t *testing.T) {
	needRoot(t)
	d := signertest.StartOpenDKIM(t)
	for name, c := range map[string]struct {
		edit   func(c *Config) error
		undo   func()
		code   string
		words  string
		passes bool // Screen, which asks no daemon, finds nothing
	}{
		"as it should be": {},
		"reload missing": {edit: func(c *Config) error { c.Reload = []string{"dkimbot-no-such-program"}; return nil },
			code: "command-missing", words: "correct reload"},
		"key_dir for everybody": {edit: func(*Config) error { return os.Chmod(d.KeyDir, 0o777) },
			undo: func() { os.Chmod(d.KeyDir, 0o700) }, code: "unsafe-key-dir", words: "can be written to by everybody"},
		"a domain's directory for everybody": {edit: func(c *Config) error {
			return errors.Join(os.Mkdir(filepath.Join(d.KeyDir, "a.example"), 0o700),
				os.Chmod(filepath.Join(d.KeyDir, "a.example"), 0o777))
		}, undo: func() { os.RemoveAll(filepath.Join(d.KeyDir, "a.example")) }, code: "unsafe-key-dir", words: "chmod 700"},
		"a file in the place of a directory": {edit: func(*Config) error {
			return os.WriteFile(filepath.Join(d.KeyDir, "a.example"), nil, 0o600)
		}, undo: func() { os.RemoveAll(filepath.Join(d.KeyDir, "a.example")) }, code: "unsafe-file", words: "a.example"},
		"owner unknown": {edit: func(c *Config) error { c.Owner = "nobody-of-that-name"; return nil },
			words: "name the user that OpenDKIM runs as"},
		"table unreadable": {edit: func(*Config) error { return os.Chmod(d.KeyTable, 0o600) },
			undo: func() { os.Chmod(d.KeyTable, 0o644) }, code: "unreadable-table", words: "chmod g+r"},
		"one table missing": {edit: func(c *Config) error { c.KeyTable = filepath.Join(d.Dir, "absent"); return nil },
			code: "missing-table", words: "absent"},
		"a link in the place of a lock": {edit: func(c *Config) error { return os.Symlink("/etc/passwd", d.SigningTable+".dkimbot-lock") },
			undo: func() { os.Remove(d.SigningTable + ".dkimbot-lock") }, code: "unsafe-file", words: "only dkimbot uses that name",
			passes: true},
		"a pipe in the place of a lock": {edit: func(c *Config) error { return syscall.Mkfifo(d.SigningTable+".dkimbot-lock", 0o600) },
			undo: func() { os.Remove(d.SigningTable + ".dkimbot-lock") }, code: "unsafe-file", words: "only dkimbot uses that name",
			passes: true},
		"milter silent": {edit: func(c *Config) error { c.Milter = "inet:127.0.0.1:1"; return nil },
			words: "does not answer", passes: true},
	} {
		t.Run(name, func(t *testing.T) {
			var err error
			s := newSigner(t, d, func(cfg *Config) {
				if c.edit != nil {
					err = c.edit(cfg)
				}
			})
			if c.undo != nil {
				defer c.undo()
			}
			if err != nil {
				t.Fatal(err)
			}
			err = preflighttest.Wrong(preflight.Ask(t.Context(), []preflight.Part{{Questions: s.Check([]preflight.Subject{
				{Name: dkim.Name{Domain: "a.example", Selector: "s1"}}})}}, preflight.Usual))
			_, screened := s.Screen(t.Context(), []dkim.SigningKey{{Name: dkim.Name{Domain: "a.example"}}})
			if (screened == nil) != (c.words == "" || c.passes) {
				t.Errorf("Screen says %v", screened)
			}
			if c.words == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || string(fault.CodeOf(err)) != c.code ||
				!strings.Contains(err.Error()+fault.HintOf(err), c.words) || fault.HintOf(err) == "" {
				t.Errorf("code %q of %v, hint %q; want code %q and %q", fault.CodeOf(err), err, fault.HintOf(err), c.code, c.words)
			}
			if screened != nil {
				faulttest.Shown(t, screened)
			}
		})
	}
}

// A process that may not write where the tables are, or give keys to OpenDKIM's user, says so before a key is
// made: a user of its own, and root in a service that lacks the capability.
func TestCheckOfAConfinedProcess(t *testing.T) {
	if dir := os.Getenv("DKIMBOT_TEST_CHECK"); dir != "" {
		s, err := New(Config{Name: "mx1", KeyDir: filepath.Join(dir, "keys"), KeyTable: filepath.Join(dir, "key.table"),
			SigningTable: filepath.Join(dir, "signing.table"), Reload: []string{"true"}, Owner: "opendkim"})
		if err == nil {
			sub := preflight.Subject{Name: dkim.Name{Domain: "a.example", Selector: "s1"}}
			err = preflighttest.Wrong(preflight.Ask(t.Context(), []preflight.Part{{Questions: preflight.Rights(
				s.Check([]preflight.Subject{sub}), true)}}, preflight.Usual))
		}
		if fault.CodeOf(err) != "not-writable" || !strings.Contains(err.Error(), os.Getenv("DKIMBOT_TEST_WANT")) ||
			!strings.Contains(fault.HintOf(err), "run as a user that may do this") {
			t.Errorf("code %q of %v, hint %q", fault.CodeOf(err), err, fault.HintOf(err))
		}
		return
	}
	needRoot(t)
	for want, flags := range map[string][]string{
		"key.table": {"--reuid=65534", "--regid=65534", "--clear-groups"},
		"CAP_CHOWN": {"--bounding-set=-chown"},
	} {
		dir := signertest.SafeDir(t)
		program := filepath.Join(dir, "program") // where everybody may run it
		text, err := os.ReadFile(os.Args[0])
		mustBeNil(t, errors.Join(err, os.WriteFile(program, text, 0o755), os.Chmod(program, 0o755)))
		cmd := exec.Command("setpriv", append(flags, program, "-test.run=^TestCheckOfAConfinedProcess$")...)
		cmd.Dir = "/"
		cmd.Env = append(os.Environ(), "DKIMBOT_TEST_CHECK="+dir, "DKIMBOT_TEST_WANT="+want)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", want, err, out)
		}
	}
}
