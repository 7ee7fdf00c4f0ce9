package opendkim

import (
	"context"
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// theirs makes a directory that belongs to the daemon's user, who may do there as it likes.
func theirs(t *testing.T, d *signertest.OpenDKIM) string {
	t.Helper()
	needRoot(t)
	dir := filepath.Join(d.Dir, "theirs")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	u := daemonUser(t)
	chown(t, dir, u.UID, u.GID)
	return dir
}

func daemonUser(t *testing.T) keyfiles.Owner {
	t.Helper()
	u, err := user.Lookup("opendkim")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	return keyfiles.Owner{UID: uid, GID: gid}
}

// victim is a file or directory of root's that nothing may happen to.
type victim struct {
	path, text string
	info       os.FileInfo
}

func newVictim(t *testing.T, dir, name string, isDir bool) victim {
	t.Helper()
	v := victim{path: filepath.Join(dir, name), text: "root's own\n"}
	if isDir {
		if err := os.Mkdir(v.path, 0o755); err != nil {
			t.Fatal(err)
		}
	} else if err := os.WriteFile(v.path, []byte(v.text), 0o600); err != nil {
		t.Fatal(err)
	}
	v.info, _ = os.Stat(v.path)
	return v
}

func (v victim) check(t *testing.T) {
	t.Helper()
	info, err := os.Stat(v.path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != v.info.Mode() || keyfiles.OwnerOf(info) != keyfiles.OwnerOf(v.info) {
		t.Fatalf("%s: %v %v; want %v %v", v.path, info.Mode(), keyfiles.OwnerOf(info), v.info.Mode(), keyfiles.OwnerOf(v.info))
	}
	if info.IsDir() {
		if files, _ := os.ReadDir(v.path); len(files) > 0 {
			t.Fatalf("%s holds %v", v.path, files)
		}
	} else if got := read(t, v.path); got != v.text {
		t.Fatalf("%s holds %q", v.path, got)
	}
}

// TestPlanted: symbolic links that the daemon's user put where root works lead nowhere: nothing behind them is
// opened, given away or written, and the way out is named. Key files continue to be written where no link is
// in the way.
func TestPlanted(t *testing.T) {
	needRoot(t)
	k := signertest.Keys(t, 1)
	key := signertest.At("a.example", "s1", k[0])
	name := filepath.Join("a.example", "s1-"+key.Key.ID()[:8]+".private")
	for what, test := range map[string]struct {
		link     func(s *Signer) string
		dir      bool // the victim is one
		harmless bool
	}{
		"key_dir.new":            {func(s *Signer) string { return s.cfg.KeyDir + ".new" }, true, true},
		"key_dir":                {func(s *Signer) string { return s.cfg.KeyDir }, true, false},
		"domain's directory":     {func(s *Signer) string { return filepath.Join(s.cfg.KeyDir, "a.example") }, true, false},
		"key file":               {func(s *Signer) string { return filepath.Join(s.cfg.KeyDir, name) }, false, true},
		"old temporary key file": {func(s *Signer) string { return filepath.Join(s.cfg.KeyDir, name+".new") }, false, true},
		"KeyTable":               {func(s *Signer) string { return s.keyTable }, false, false},
		"SigningTable":           {func(s *Signer) string { return s.signTable }, false, false},
		"lock":                   {func(s *Signer) string { return s.keyTable + ".dkimbot-lock" }, false, false},
		"marker":                 {func(s *Signer) string { return s.keyTable + ".dkimbot-pending" }, false, false},
		"old temporary table":    {func(s *Signer) string { return s.keyTable + ".dkimbot-new" }, false, true},
	} {
		t.Run(what, func(t *testing.T) {
			d := signertest.StartOpenDKIM(t)
			dir := theirs(t, d)
			s := newSigner(t, d, func(c *Config) {
				c.KeyDir, c.KeyTable, c.SigningTable = filepath.Join(dir, "keys"), filepath.Join(dir, "key.table"),
					filepath.Join(dir, "signing.table")
				c.Owner, c.Milter, c.Reload = "opendkim", "", []string{"true"}
			})
			v := newVictim(t, d.Dir, "victim", test.dir)
			link, u := test.link(s), daemonUser(t)
			for dir := filepath.Dir(link); dir != d.Dir && dir != filepath.Dir(s.keyTable); dir = filepath.Dir(dir) {
				if err := os.MkdirAll(dir, 0o700); err != nil {
					t.Fatal(err)
				}
				chown(t, dir, u.UID, u.GID)
				if dir == filepath.Dir(link) && dir != s.cfg.KeyDir {
					chown(t, s.cfg.KeyDir, u.UID, u.GID)
				}
			}
			if err := os.Symlink(v.path, link); err != nil {
				t.Fatal(err)
			}
			if err := os.Lchown(link, u.UID, u.GID); err != nil {
				t.Fatal(err)
			}
			err := s.Activate(t.Context(), []dkim.SigningKey{key})
			v.check(t)
			if test.harmless {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			wantWords(t, err, "symbolic link")
			v.check(t)
		})
	}
}

// TestTrustedLinks: links that root made in root's directories are followed, and stay.
func TestTrustedLinks(t *testing.T) {
	d := signertest.StartOpenDKIM(t)
	links := filepath.Join(d.Dir, "etc")
	if err := os.Mkdir(links, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{"keys": d.KeyDir, "key.table": d.KeyTable, "signing.table": d.SigningTable} {
		if err := os.Symlink(path, filepath.Join(links, name)); err != nil {
			t.Fatal(err)
		}
	}
	s := newSigner(t, d, func(c *Config) {
		c.KeyDir, c.KeyTable, c.SigningTable = filepath.Join(links, "keys"), filepath.Join(links, "key.table"),
			filepath.Join(links, "signing.table")
	})
	k := signertest.Keys(t, 2)
	for i, key := range []dkim.SigningKey{signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1])} {
		activate(t, s, key)
		wantActive(t, s, key)
		if ref := d.SignsWith(t, "a.example", k[i]); ref != key.Ref() {
			t.Errorf("signed with %+v", ref)
		}
	}
	for _, name := range []string{"keys", "key.table", "signing.table"} {
		if info, err := os.Lstat(filepath.Join(links, name)); err != nil || info.Mode()&os.ModeSymlink == 0 {
			t.Errorf("%s is no link any more: %v", name, err)
		}
	}
}

// TestOddFiles: what is not a regular file of a table's size is reported by name, at once.
func TestOddFiles(t *testing.T) {
	k := signertest.Keys(t, 1)
	key := signertest.At("a.example", "s1", k[0])
	fifo := func(path string) error { return syscall.Mkfifo(path, 0o600) }
	zero := func(path string) error { return os.Symlink("/dev/zero", path) }
	for name, test := range map[string]struct {
		make func(path string) error
		at   func(s *Signer) string
	}{
		"pipe as KeyTable":           {fifo, func(s *Signer) string { return s.keyTable }},
		"pipe as SigningTable":       {fifo, func(s *Signer) string { return s.signTable }},
		"pipe as marker":             {fifo, func(s *Signer) string { return s.pendingPath() }},
		"pipe as lock":               {fifo, func(s *Signer) string { return s.keyTable + ".dkimbot-lock" }},
		"pipe as directory":          {fifo, func(s *Signer) string { return filepath.Join(s.cfg.KeyDir, "a.example") }},
		"endless table":              {zero, func(s *Signer) string { return s.keyTable }},
		"endless table of addresses": {zero, func(s *Signer) string { return s.signTable }},
	} {
		t.Run(name, func(t *testing.T) {
			s := undisturbed(t, nil)
			path := test.at(s)
			if err := test.make(path); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			wantWords(t, s.Activate(ctx, []dkim.SigningKey{key}), filepath.Base(path))
			if path == s.keyTable || path == s.signTable || path == s.pendingPath() {
				_, err := s.Active(ctx, []string{"a.example"})
				wantWords(t, err, "not a regular file")
				_, err = ReadExisting(s.keyTable, s.signTable)
				wantWords(t, err, "table")
			}
			if ctx.Err() != nil {
				t.Error("it took a minute")
			}
		})
	}
	s := undisturbed(t, nil)
	pipe := filepath.Join(s.cfg.KeyDir, "pipe")
	if err := fifo(pipe); err != nil {
		t.Fatal(err)
	}
	write(t, s.keyTable, "x a.example:mail:"+pipe+"\n")
	write(t, s.signTable, "*@a.example x\n")
	if active, err := s.Active(t.Context(), []string{"a.example"}); err != nil || active["a.example"].KeyID != "" {
		t.Errorf("active: %v, %v", active, err)
	}
	_, err := ExistingKey{Path: pipe}.Read()
	wantWords(t, err, "not a regular file")
}

// TestOddKeyFiles: what stands at a key file's usual name and can't be a key neither stops the switch
// (I7) nor is touched, and it is not read to its end: the key gets another name.
func TestOddKeyFiles(t *testing.T) {
	key := signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])
	for name, plant := range map[string]func(path string) error{
		"pipe": func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"large": func(path string) error {
			return errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, 1<<40))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := undisturbed(t, nil)
			path := s.keyPath(key.Ref())
			if err := errors.Join(os.Mkdir(filepath.Dir(path), 0o700), plant(path)); err != nil {
				t.Fatal(err)
			}
			before, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := s.Activate(ctx, []dkim.SigningKey{key}); err != nil {
				t.Fatal(err)
			}
			wantActive(t, s, key)
			after, err := os.Lstat(path)
			if err != nil || !os.SameFile(before, after) || after.Size() != before.Size() || after.Mode() != before.Mode() {
				t.Errorf("what stood at %s was touched: %v, %v", path, after, err)
			}
		})
	}
}

// TestLocks: nobody else can hold the locks, and one that is held is reported with its holder (I8).
func TestLocks(t *testing.T) {
	s := undisturbed(t, nil)
	key := signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])
	lock := s.keyTable + ".dkimbot-lock"
	write(t, lock, "") // 0644, as an older version made it under another umask
	activate(t, s, key)
	for _, path := range []string{lock, s.signTable + ".dkimbot-lock"} {
		if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v; want mode 0600", path, info, err)
		}
	}
	f, err := os.OpenFile(s.signTable+".dkimbot-lock", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	err = nil
	for wait := 100 * time.Millisecond; wait < time.Minute; wait *= 2 { // until it comes to the lock in time
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		err = s.Activate(ctx, []dkim.SigningKey{key})
		cancel()
		if err == nil || strings.Contains(err.Error(), "signing.table.dkimbot-lock") {
			break
		}
	}
	wantWords(t, err, "signing.table.dkimbot-lock", strconv.Itoa(os.Getpid()), "end it if it hangs")
}

// TestTwoNames guards I8: two signers that know the same tables by different names neither lose each
// other's lines nor change them at the same time.
func TestTwoNames(t *testing.T) {
	d := signertest.StartOpenDKIM(t)
	links := filepath.Join(d.Dir, "links")
	if err := os.Mkdir(links, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{"k": d.KeyTable, "s": d.SigningTable} {
		if err := os.Symlink(path, filepath.Join(links, name)); err != nil {
			t.Fatal(err)
		}
	}
	k := signertest.Keys(t, 1)
	one := newSigner(t, d, nil)
	two := newSigner(t, d, func(c *Config) { c.KeyTable, c.SigningTable = filepath.Join(links, "k"), filepath.Join(links, "s") })
	keys, domains := fleet(20, "s1", k[0])
	var wg sync.WaitGroup
	for i, key := range keys {
		wg.Go(func() {
			if err := []*Signer{one, two}[i%2].Activate(t.Context(), []dkim.SigningKey{key}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, domain := range domains {
		wantSelectors(t, d, domain, "s1")
	}
	held, err := one.openTables(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer held.close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if t2, err := two.openTables(ctx); err == nil {
		t2.close()
		t.Error("two hold the locks")
	}
	wantWords(t, newSignerErr(t, d, func(c *Config) { c.SigningTable = filepath.Join(links, "k") }), "are both")
}

func newSignerErr(t *testing.T, d *signertest.OpenDKIM, edit func(*Config)) error {
	t.Helper()
	_, err := newSigner(t, d, edit).openTables(t.Context())
	return err
}

// TestHardLinks: a table with a second name would be cut from it by the first change.
func TestHardLinks(t *testing.T) {
	d := signertest.StartOpenDKIM(t)
	s := newSigner(t, d, nil)
	key := signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])
	if err := os.Link(d.KeyTable, d.KeyTable+".also"); err != nil {
		t.Fatal(err)
	}
	signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{key}), "table-names", "2 names")
	for _, command := range [][]string{{"cp", "-p", d.KeyTable, d.KeyTable + ".copy"},
		{"mv", d.KeyTable + ".copy", d.KeyTable}} {
		run(t, command...)
	}
	activate(t, s, key)
}

// TestOtherSigner guards I8: a host under two signer names is told, and the way out leads out.
func TestOtherSigner(t *testing.T) {
	d := signertest.StartOpenDKIM(t)
	k := signertest.Keys(t, 2)
	activate(t, newSigner(t, d, nil), signertest.At("a.example", "s1", k[0]))
	renamed := newSigner(t, d, func(c *Config) { c.Name = "mail" })
	s2 := signertest.At("a.example", "s2", k[1])
	tables := read(t, d.KeyTable) + read(t, d.SigningTable)
	signertest.WantCode(t, renamed.Activate(t.Context(), []dkim.SigningKey{s2}), "other-signer", `"mx1"`, "mail", d.KeyTable)
	if read(t, d.KeyTable)+read(t, d.SigningTable) != tables {
		t.Error("the tables were changed")
	}
	wantSelectors(t, d, "a.example", "s1")
	renamed.KnownAs("mx1")
	if each, whichever := renamed.Screen(t.Context(), []dkim.SigningKey{s2}); whichever != nil || len(each) > 0 {
		t.Errorf("before the switch: %v, %v", whichever, each)
	}
	if read(t, d.KeyTable)+read(t, d.SigningTable) != tables {
		t.Error("the tables were changed by a question")
	}
	activate(t, renamed, s2)
	wantSelectors(t, d, "a.example", "s2")
	if text := read(t, d.KeyTable); !strings.HasPrefix(text, flat.FirstLine("mail")) {
		t.Errorf("KeyTable:\n%s", text)
	}

	// A block of an older version names nobody, and becomes whose it is.
	for _, path := range []string{d.KeyTable, d.SigningTable} {
		write(t, path, strings.Replace(read(t, path), flat.FirstLine("mail"), flat.FirstLine(""), 1))
	}
	activate(t, newSigner(t, d, nil), signertest.At("a.example", "s1", k[0]))
	if !strings.HasPrefix(read(t, d.KeyTable), flat.FirstLine("mx1")) {
		t.Errorf("KeyTable:\n%s", read(t, d.KeyTable))
	}
}
