package opendkim

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// TestUnsafeDirectories: what OpenDKIM would turn mail away for is refused
// before anything is changed, and the daemon agrees with the judgement.
func TestUnsafeDirectories(t *testing.T) {
	needRoot(t)
	k := signertest.Keys(t, 2)
	old, now := signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1])
	for name, test := range map[string]struct {
		spoil func(t *testing.T, d *signertest.OpenDKIM) (restore func())
		words []string
	}{
		"world-writable parent": {func(t *testing.T, d *signertest.OpenDKIM) func() { return chmod(t, d.Dir, 0o777) },
			[]string{"by everybody", "chmod o-w"}},
		"sticky is no excuse": {func(t *testing.T,
			d *signertest.OpenDKIM) func() {
			return chmod(t, d.Dir, 0o777|os.ModeSticky)
		}, []string{"by everybody", "chmod o-w"}},
		"parent of another user": {func(t *testing.T, d *signertest.OpenDKIM) func() {
			chown(t, d.Dir, 1, -1)
			return func() { chown(t, d.Dir, 0, -1) }
		}, []string{"belongs to user daemon", "RequireSafeKeys"}},
		"group with others": {func(t *testing.T, d *signertest.OpenDKIM) func() {
			chown(t, d.Dir, -1, 1)
			back := chmod(t, d.Dir, 0o775)
			return func() { back(); chown(t, d.Dir, -1, 0) }
		}, []string{"by group daemon, to which daemon belongs"}},
		"can't be entered": {func(t *testing.T, d *signertest.OpenDKIM) func() { return chmod(t, d.Dir, 0o700) },
			[]string{"can't be entered by opendkim"}},
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
			code := "unsafe-key-dir"
			if slices.Contains(test.words, "chmod o-w") { // the tables stand there, too
				code = "unsafe-file"
			}
			signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{now}), code, test.words...)
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
		t.Fatal(err)
	}
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
	wantWords(t, s.Activate(t.Context(), []dkim.SigningKey{signertest.At("link.example", "s1", k[0])}),
		"link.example", "escapes")
	if files, _ := os.ReadDir(outside); len(files) != 0 {
		t.Errorf("files outside of the key directory: %v", files)
	}

	activate(t, s, signertest.At("a.example", "s1", k[0]))
	path := s.keyPath(signertest.At("a.example", "s2", k[1]).Ref())
	write(t, path, "somebody else's")
	activate(t, s, signertest.At("a.example", "s2", k[1]))
	if read(t, path) != "somebody else's" {
		t.Error("the file was overwritten")
	}
	wantSelectors(t, d, "a.example", "s2")
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
		if err != nil || info.Mode() != 0o600 || keyfiles.OwnerOf(info) != keyfiles.OwnerOf(dir) {
			t.Errorf("key file: %v %v, %v", info.Mode(), keyfiles.OwnerOf(info), err)
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

	// One with a second name may be somebody's: its owner and mode are not changed.
	if err := errors.Join(os.Link(path, filepath.Join(d.Dir, "also")), os.Chmod(path, 0o644)); err != nil {
		t.Fatal(err)
	}
	activate(t, s, key)
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o644 {
		t.Errorf("key file: %v, %v", info, err)
	}
}

// TestForget: only what nothing uses is removed.
func TestForget(t *testing.T) {
	d := signertest.StartOpenDKIM(t)
	s := newSigner(t, d, nil)
	k := signertest.Keys(t, 3)
	s1, s2, next := signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1]),
		signertest.At("a.example", "s1", k[2])
	activate(t, s, s1)
	activate(t, s, s2)
	signertest.WantCode(t, s.Forget(t.Context(), []dkim.Ref{s2.Ref()}), "key-in-use", "s2")
	keyed, link := read(t, d.KeyTable), filepath.Join(d.Dir, "link") // a link of theirs is another name of the file
	if err := os.Symlink(s.keyPath(s1.Ref()), link); err != nil {
		t.Fatal(err)
	}
	write(t, d.KeyTable, keyed+"own b.example:own:"+link+"\n")
	signertest.WantCode(t, s.Forget(t.Context(), []dkim.Ref{s1.Ref()}), "key-in-use", "s1")
	write(t, d.KeyTable, keyed)
	write(t, s.keyPath(next.Ref())+".new", "left by a crash")
	if err := s.Forget(t.Context(),
		[]dkim.Ref{s1.Ref(), next.Ref(),
			{Name: dkim.Name{Domain: "absent.example", Selector: "s1"}, KeyID: k[0].ID()}}); err != nil {
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

	// A line of a person's own that is found first has taken the place of ours.
	s = newSigner(t, d, nil) // reloads the daemon of now
	b1 := signertest.At("b.example", "s1", k[0])
	activate(t, s, b1)
	sign, own := read(t, d.SigningTable), filepath.Join(d.KeyDir, "own.private")
	if err := os.Link(s.keyPath(b1.Ref()), own); err != nil {
		t.Fatal(err)
	}
	write(t, d.KeyTable, read(t, d.KeyTable)+"own b.example:own:"+own+"\n")
	write(t, d.SigningTable, "*@b.example own\n"+sign)
	if err := s.Forget(t.Context(), []dkim.Ref{b1.Ref()}); err != nil {
		t.Fatal(err)
	}
	if sign := read(t, d.SigningTable); strings.Contains(sign, "b.example s1") ||
		!strings.Contains(sign, "*@b.example own") || !strings.Contains(sign, "*@a.example s2") {
		t.Errorf("SigningTable:\n%s", sign)
	}
	d.Restart(t)
	wantSelectors(t, d, "a.example", "s2")
	wantSelectors(t, d, "b.example", "own")

	// The key that may still sign because a change is not confirmed is kept.
	failing := newSigner(t, d, func(c *Config) { c.Reload = []string{"false"} })
	if err := failing.Activate(t.Context(), []dkim.SigningKey{next}); err == nil {
		t.Fatal("no error from a reload that fails")
	}
	signertest.WantCode(t, s.Forget(t.Context(), []dkim.Ref{s2.Ref()}), "key-in-use")
}
