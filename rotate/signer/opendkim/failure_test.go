//go:build linux

package opendkim

import (
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
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
// proof notices (I10), the old key goes on signing (I1), and the next try
// completes the switch.
func TestReloadLeftOut(t *testing.T) {
	d := signertest.StartOpenDKIM(t)
	k := signertest.Keys(t, 2)
	old, now := signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1])
	activate(t, newSigner(t, d, nil), old)
	s := newSigner(t, d, func(c *Config) { c.Reload, c.ReloadTimeout = []string{"true"}, 300*time.Millisecond })
	for range 2 {
		err := s.Activate(t.Context(), []dkim.SigningKey{now})
		wantWords(t, err, "signs with selector s1", "s2._domainkey.a.example", `reload ["true"]`)
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

// TestReloadFails: a change stays outstanding until a reload succeeded, also
// when no file differs any more and nothing can be proved.
func TestReloadFails(t *testing.T) {
	k := signertest.Keys(t, 2)
	old, now := signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1])
	for name, test := range map[string]struct {
		reload []string
		words  []string
	}{
		"fails":         {[]string{"sh", "-c", "echo no such unit >&2; exit 5"}, []string{"exit status 5", "no such unit"}},
		"hangs":         {[]string{"sh", "-c", "echo waiting; sleep 60 & wait"}, []string{"timed out and was killed", "waiting"}},
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
				c.Milter, c.Reload, c.ReloadTimeout = "", test.reload, 300*time.Millisecond
			})
			for range 2 {
				err := bad.Activate(t.Context(), []dkim.SigningKey{now})
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

// settles gives the daemon its Lag to sign with the selector.
func settles(t testing.TB, s *Signer, d *signertest.OpenDKIM, selector string) {
	t.Helper()
	for deadline := time.Now().Add(s.Lag()); !slices.Equal(d.Mail(t, "a.example").Selectors("a.example"), []string{selector}); {
		if time.Now().After(deadline) {
			t.Fatalf("%s does not sign after Lag", selector)
		}
	}
}

// TestGoesBack guards I1: when the daemon can't use the new key the old one
// signs again.
func TestGoesBack(t *testing.T) {
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
		"key file of another user": {func(c *Config) { c.Owner, c.AllowUnsafeKeys = "root", true }, signertest.At("a.example", "s2", k[1]), []string{"451", "back at what they were", "owner and mode"}},
		"same selector, new key":   {func(c *Config) { c.Owner, c.AllowUnsafeKeys = "root", true }, signertest.At("a.example", "s1", k[1]), []string{"451", "back at what they were"}},
		"other algorithm":          {nil, signertest.At("a.example", "s2", ed), []string{"back at what they were", "SignatureAlgorithm"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := signertest.StartOpenDKIM(t)
			old := signertest.At("a.example", "s1", k[0])
			activate(t, newSigner(t, d, nil), old)
			s := newSigner(t, d, test.edit)
			s.cfg.ReloadTimeout = 300 * time.Millisecond
			err := s.Activate(t.Context(), []dkim.SigningKey{test.key, signertest.At("b.example", "s1", k[2])})
			wantWords(t, err, test.words...)
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
	wantCode(t, newSigner(t, d, withoutMilter).Activate(t.Context(), []dkim.SigningKey{key}), "unproven-algorithm", "milter socket")
	activate(t, newSigner(t, d, nil), key)
	if ref := d.SignsWith(t, "a.example", ed); ref != key.Ref() {
		t.Errorf("signed with %+v", ref)
	}
}

// TestUnsafeDirectories: what OpenDKIM would turn mail away for is refused
// before anything is changed, and the daemon agrees with the judgement.
func TestUnsafeDirectories(t *testing.T) {
	k := signertest.Keys(t, 2)
	old, now := signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1])
	for name, test := range map[string]struct {
		spoil func(t *testing.T, d *signertest.OpenDKIM) (restore func())
		words []string
	}{
		"world-writable parent": {func(t *testing.T, d *signertest.OpenDKIM) func() { return chmod(t, d.Dir, 0o777) }, []string{"by everybody", "RequireSafeKeys"}},
		"sticky is no excuse":   {func(t *testing.T, d *signertest.OpenDKIM) func() { return chmod(t, d.Dir, 0o777|os.ModeSticky) }, []string{"by everybody"}},
		"parent of another user": {func(t *testing.T, d *signertest.OpenDKIM) func() {
			chown(t, d.Dir, 1, -1)
			return func() { chown(t, d.Dir, 0, -1) }
		}, []string{"belongs to user 1"}},
		"group with others": {func(t *testing.T, d *signertest.OpenDKIM) func() {
			chown(t, d.Dir, -1, 1)
			back := chmod(t, d.Dir, 0o775)
			return func() { back(); chown(t, d.Dir, -1, 0) }
		}, []string{"by group 1, to which daemon belongs"}},
		"can't be entered": {func(t *testing.T, d *signertest.OpenDKIM) func() { return chmod(t, d.Dir, 0o700) }, []string{"can't be entered by opendkim"}},
		"domain directory": {func(t *testing.T, d *signertest.OpenDKIM) func() {
			return chmod(t, filepath.Join(d.KeyDir, "a.example"), 0o777)
		}, []string{"by everybody", "0700"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := signertest.StartOpenDKIM(t)
			s := newSigner(t, d, nil)
			activate(t, s, old)
			keys, signs := read(t, d.KeyTable), read(t, d.SigningTable)
			restore := test.spoil(t, d)
			defer restore()
			if a := d.Mail(t, "a.example"); !a.Refused {
				t.Errorf("the daemon does not mind: %v", a)
			}
			wantCode(t, s.Activate(t.Context(), []dkim.SigningKey{now}), "unsafe-key-dir", test.words...)
			if read(t, d.KeyTable) != keys || read(t, d.SigningTable) != signs {
				t.Error("the tables were changed")
			}
			if files, _ := os.ReadDir(filepath.Join(d.KeyDir, "a.example")); len(files) != 1 {
				t.Errorf("key files: %v; want one", files)
			}
			restore()
			activate(t, s, now)
		})
	}
}

func chmod(t testing.TB, path string, mode os.FileMode) (restore func()) {
	t.Helper()
	info, err := os.Stat(path)
	if err == nil {
		err = os.Chmod(path, mode)
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() { os.Chmod(path, info.Mode()) }
}

func chown(t testing.TB, path string, uid, gid int) {
	t.Helper()
	if err := os.Chown(path, uid, gid); err != nil {
		t.Fatalf("this test needs root: %v", err)
	}
}

// mount mounts a tiny tmpfs at dir with the daemon's ownership.
func mount(t testing.TB, dir, options string) {
	t.Helper()
	u, err := user.Lookup("opendkim")
	if err != nil {
		t.Fatalf("install opendkim: %v", err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options+",mode=0700,uid="+u.Uid+",gid="+u.Gid); err != nil {
		t.Fatalf("this test needs root: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
}

// TestNoRoom: a full or read-only disk is an error, and everything is as it was.
func TestNoRoom(t *testing.T) {
	k := signertest.Keys(t, 2)
	old, now := signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1])
	for name, test := range map[string]struct {
		full  bool
		where func(d *signertest.OpenDKIM) string
		words []string
	}{
		"full key directory":         {true, func(d *signertest.OpenDKIM) string { return d.KeyDir }, []string{"no space left", "free space", "write key file"}},
		"full table directory":       {true, func(d *signertest.OpenDKIM) string { return filepath.Dir(d.KeyTable) }, []string{"no space left", "free space"}},
		"read-only key directory":    {false, func(d *signertest.OpenDKIM) string { return d.KeyDir }, []string{"read-only file system", "ReadWritePaths"}},
		"read-only tables directory": {false, func(d *signertest.OpenDKIM) string { return filepath.Dir(d.KeyTable) }, []string{"read-only file system", "ReadWritePaths"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := signertest.StartOpenDKIM(t)
			tables := filepath.Join(d.Dir, "tables")
			if err := os.Mkdir(tables, 0o755); err != nil {
				t.Fatal(err)
			}
			mount(t, d.KeyDir, "size=64k")
			mount(t, tables, "size=64k")
			if err := os.Chmod(tables, 0o755); err != nil {
				t.Fatal(err)
			}
			moveTables(t, d, tables)
			s := newSigner(t, d, nil)
			activate(t, s, old)
			keys, signs := read(t, d.KeyTable), read(t, d.SigningTable)
			undo := spoil(t, test.where(d), test.full)
			err := s.Activate(t.Context(), []dkim.SigningKey{now})
			wantWords(t, err, test.words...)
			if read(t, d.KeyTable) != keys || read(t, d.SigningTable) != signs {
				t.Error("the tables were changed")
			}
			wantActive(t, s, old)
			d.Restart(t)
			wantSelectors(t, d, "a.example", "s1")
			undo()
			s = newSigner(t, d, nil)
			activate(t, s, now)
			wantSelectors(t, d, "a.example", "s2")
		})
	}
}

func moveTables(t *testing.T, d *signertest.OpenDKIM, dir string) {
	t.Helper()
	conf := read(t, d.Conf)
	for _, table := range []*string{&d.KeyTable, &d.SigningTable} {
		moved := filepath.Join(dir, filepath.Base(*table))
		conf = strings.ReplaceAll(conf, *table, moved)
		*table = moved
		write(t, moved, "")
	}
	write(t, d.Conf, conf)
	d.Restart(t)
}

// spoil fills a file system or makes it read-only.
func spoil(t *testing.T, dir string, full bool) (undo func()) {
	t.Helper()
	if !full {
		if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
			t.Fatal(err)
		}
		return func() { syscall.Mount("", dir, "", syscall.MS_REMOUNT, "") }
	}
	filler := filepath.Join(dir, "filler")
	f, err := os.Create(filler)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 1024))
	}
	return func() { os.Remove(filler) }
}

// TestNoEscape: neither a name nor a symbolic link leads out of the key
// directory, and a file that is not ours is not overwritten (I6).
func TestNoEscape(t *testing.T) {
	d := signertest.StartOpenDKIM(t)
	s := newSigner(t, d, nil)
	k := signertest.Keys(t, 2)
	outside := filepath.Join(d.Dir, "outside")
	if err := os.Mkdir(outside, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(d.KeyDir, "link.example")); err != nil {
		t.Fatal(err)
	}
	wantWords(t, s.Activate(t.Context(), []dkim.SigningKey{signertest.At("link.example", "s1", k[0])}), "link.example", "escapes")
	if files, _ := os.ReadDir(outside); len(files) != 0 {
		t.Errorf("files outside of the key directory: %v", files)
	}

	activate(t, s, signertest.At("a.example", "s1", k[0]))
	path := s.keyPath(signertest.At("a.example", "s2", k[1]).Ref())
	write(t, path, "somebody else's")
	wantCode(t, s.Activate(t.Context(), []dkim.SigningKey{signertest.At("a.example", "s2", k[1])}), "foreign-key-file", path)
	if read(t, path) != "somebody else's" {
		t.Error("the file was overwritten")
	}
	wantSelectors(t, d, "a.example", "s1")
}

// TestKeyFiles: mode and owner are what the daemon needs, also of a file that
// was there already.
func TestKeyFiles(t *testing.T) {
	d := signertest.StartOpenDKIM(t)
	s := newSigner(t, d, nil)
	key := signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])
	path := s.keyPath(key.Ref())
	check := func() {
		t.Helper()
		info, err := os.Stat(path)
		dir, _ := os.Stat(d.KeyDir)
		if err != nil || info.Mode() != 0o600 || ownerOf(info) != ownerOf(dir) {
			t.Errorf("key file: %v %v, %v", info.Mode(), ownerOf(info), err)
		}
	}
	activate(t, s, key)
	check()
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		chown(t, path, 0, 0)
	}
	activate(t, s, key)
	check()
}

// TestForget: only what nothing uses is removed.
func TestForget(t *testing.T) {
	d := signertest.StartOpenDKIM(t)
	s := newSigner(t, d, nil)
	k := signertest.Keys(t, 3)
	s1, s2, next := signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1]), signertest.At("a.example", "s1", k[2])
	activate(t, s, s1)
	activate(t, s, s2)
	wantCode(t, s.Forget(t.Context(), []dkim.Ref{s2.Ref()}), "key-in-use", "s2")
	write(t, s.keyPath(next.Ref())+".new", "left by a crash")
	if err := s.Forget(t.Context(), []dkim.Ref{s1.Ref(), next.Ref(), {Name: dkim.Name{Domain: "absent.example", Selector: "s1"}, KeyID: k[0].ID()}}); err != nil {
		t.Fatal(err)
	}
	files, _ := os.ReadDir(filepath.Join(d.KeyDir, "a.example"))
	if len(files) != 1 || files[0].Name() != "s2-"+k[1].ID()[:8]+".private" {
		t.Errorf("key files: %v", files)
	}
	if keys := read(t, d.KeyTable); strings.Contains(keys, "s1._domainkey") || !strings.Contains(keys, "s2._domainkey") {
		t.Errorf("KeyTable:\n%s", keys)
	}
	d.Restart(t)
	wantSelectors(t, d, "a.example", "s2")

	// The key that may still sign because a change is not confirmed is kept.
	failing := newSigner(t, d, func(c *Config) { c.Reload = []string{"false"} })
	if err := failing.Activate(t.Context(), []dkim.SigningKey{next}); err == nil {
		t.Fatal("no error from a reload that fails")
	}
	wantCode(t, s.Forget(t.Context(), []dkim.Ref{s2.Ref()}), "key-in-use")
}

// TestNewRefuses: configurations that OpenDKIM would read differently.
func TestNewRefuses(t *testing.T) {
	good := Config{Name: "mx1", KeyDir: "/k", KeyTable: "/t/key", SigningTable: "refile:/t/sign"}
	if _, err := New(good); err != nil {
		t.Fatal(err)
	}
	for i, edit := range []func(*Config){
		func(c *Config) { c.KeyDir = "keys" },
		func(c *Config) { c.KeyDir = "/a b" },
		func(c *Config) { c.KeyDir = "/a%b" },
		func(c *Config) { c.KeyTable = "" },
		func(c *Config) { c.KeyTable = "/t/key#1" },
		func(c *Config) { c.SigningTable = "dsn:mysql://x" },
		func(c *Config) { c.SigningTable = "refile:/t/key" },
		func(c *Config) { c.Milter = "8891" },
		func(c *Config) { c.Milter = "inet:8891" },
		func(c *Config) { c.Milter = "unix:sock" },
	} {
		cfg := good
		edit(&cfg)
		if _, err := New(cfg); err == nil {
			t.Errorf("case %s: no error for %+v", strconv.Itoa(i), cfg)
		}
	}
}
