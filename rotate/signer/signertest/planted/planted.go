// Package planted tests adapters that write key files where the daemon's own user may write, too: something stands in
// the place of the key that follows.
//
// It is for tests only. It may import the leaves, rotate/signer/keyfiles and rotate/signer/signertest.
package planted

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// Signer is an adapter that foresees and forgets.
type Signer interface {
	signertest.Signer
	Screen(ctx context.Context, next []dkim.SigningKey) (each map[string]error, whichever error)
	Forget(ctx context.Context, keys []dkim.Ref) error
}

// Subject is one adapter under test, signing for nothing yet.
type Subject struct {
	Signer Signer
	Place  func(dkim.Ref) string // where the key's file is when nothing else stands there
	// SignsWith tells by other means than the adapter which of the keys signs mail of the domain now; nil where none can.
	SignsWith func(t testing.TB, domain string, keys ...*dkim.PrivateKey) dkim.Ref
	Aside     bool // what stands there is moved aside; else it stays, and the key gets another name
}

// things is what a user plants.
var things = map[string]plants{
	"pipe": func(t *testing.T, path string, _, _ *dkim.PrivateKey) { must(t, syscall.Mkfifo(path, 0o600)) },
	"socket": func(t *testing.T, path string, _, _ *dkim.PrivateKey) {
		must(t, syscall.Mknod(path, syscall.S_IFSOCK|0o600, 0))
	},
	"link": func(t *testing.T, path string, _, _ *dkim.PrivateKey) {
		victim := filepath.Join(t.TempDir(), "victim")
		write(t, victim, "root's own")
		was := sum(t, victim)
		t.Cleanup(func() {
			if is := sum(t, victim); is != was {
				t.Errorf("the link was followed: %s, now %s", was, is)
			}
		})
		must(t, os.Symlink(victim, path))
	},
	"link in a circle": func(t *testing.T, path string, _, _ *dkim.PrivateKey) { must(t, os.Symlink(path, path)) },
	"directory": func(t *testing.T, path string, _, _ *dkim.PrivateKey) {
		must(t, os.MkdirAll(filepath.Join(path, "x"), 0o700))
	},
	"huge file": func(t *testing.T, path string, _, _ *dkim.PrivateKey) {
		write(t, path, "")
		must(t, os.Truncate(path, 40<<30))
	},
	"empty file":  func(t *testing.T, path string, _, _ *dkim.PrivateKey) { write(t, path, "") },
	"rubbish":     func(t *testing.T, path string, _, _ *dkim.PrivateKey) { write(t, path, "rubbish") },
	"another key": func(t *testing.T, path string, _, other *dkim.PrivateKey) { write(t, path, string(other.PEM())) },
	"another name of the key": func(t *testing.T, path string, key, _ *dkim.PrivateKey) {
		write(t, path, string(key.PEM()))
		must(t, os.Chmod(path, 0o644))
		must(t, os.Link(path, filepath.Join(t.TempDir(), "also")))
	},
}

// Run guards I1 and I6: what the daemon's user puts in the place of the key that follows, whose name the key record
// tells, or of the one that is in use, does not keep the signer from leaving a compromised key, nor from being given
// its own again. only names a few things, for a daemon that is slow to switch; none means all.
func Run(t *testing.T, start func(t *testing.T) Subject, only ...string) {
	k := signertest.Keys(t, 3)
	for name, plant := range things {
		if len(only) > 0 && !slices.Contains(only, name) {
			continue
		}
		t.Run(name, func(t *testing.T) { beforeUse(t, start(t), name, plant, k) })
		t.Run(name+" in use", func(t *testing.T) { inUse(t, start(t), name, plant, k) })
	}
}

// plants puts something of a user's at a path; other is a key that is not dkimbot's.
type plants func(t *testing.T, path string, key, other *dkim.PrivateKey)

func keys(k []*dkim.PrivateKey) (first, next dkim.SigningKey) {
	return signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1])
}

// beforeUse plants a thing in the place of the key that follows. It is neither followed nor changed, many switches
// leave no more files than one, and the key's file goes when it is forgotten, wherever it is.
func beforeUse(t *testing.T, s Subject, name string, plant plants, k []*dkim.PrivateKey) {
	first, next := keys(k)
	activate(t, s, first, k)
	if info, err := os.Stat(s.Place(first.Ref())); err != nil || info.Mode() != 0o600 {
		t.Errorf("the key file is %v, %v", info, err)
	}
	path := s.Place(next.Ref())
	plant(t, path, next.Key, k[2])
	was := sum(t, path)
	each, whichever := s.Signer.Screen(t.Context(), []dkim.SigningKey{
		{Name: next.Name, Record: dkim.NewRecord(next.Key.Public(), "").String()}})
	if whichever != nil || each["a.example"] != nil {
		t.Errorf("foreseen: %v, %v", whichever, each)
	}
	activate(t, s, next, k)
	files := len(list(t, filepath.Dir(path)))
	if is := sum(t, path); !s.Aside && is != was {
		t.Errorf("what stood there was changed: %s, now %s", was, is)
	}
	if s.Aside && !strings.Contains(strings.Join(sums(t, filepath.Dir(path)), "\n"), was) {
		t.Errorf("what stood there is gone: %s", was)
	}
	for range 3 {
		activate(t, s, first, k)
		activate(t, s, next, k)
	}
	if after := list(t, filepath.Dir(path)); len(after) != files {
		t.Errorf("%d files became %v", files, after)
	}
	activate(t, s, first, k)
	if err := os.Mkdir(filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new-x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.Signer.Forget(t.Context(), []dkim.Ref{next.Ref()}); err != nil {
		t.Fatal(err)
	}
	if left := sums(t, filepath.Dir(path)); !slices.Contains(left, was) && name != "another name of the key" &&
		name != "empty file" {
		t.Errorf("what stood there is gone with the key: %s", was)
	}
	for _, file := range list(t, filepath.Dir(path)) {
		if data, _ := keyfiles.ReadKey(file); keyfiles.KeyIDIn(data) == next.Key.ID() {
			t.Errorf("%s holds the key that was forgotten", file)
		}
	}
}

// inUse plants a thing in the place of the key that is signed with. The signer says that the key is gone, and it is
// given it again.
func inUse(t *testing.T, s Subject, name string, plant plants, k []*dkim.PrivateKey) {
	first, next := keys(k)
	activate(t, s, first, k)
	path := s.Place(first.Ref())
	must(t, os.Remove(path))
	plant(t, path, first.Key, k[2])
	was := sum(t, path)
	is, err := s.Signer.Active(t.Context(), []string{first.Domain})
	if err != nil {
		t.Errorf("what it signs with: %v", err)
	}
	if name != "another name of the key" && is[first.Domain] == first.Ref() {
		t.Errorf("it says that it signs with a key that is gone: %v", is)
	}
	activate(t, s, first, k)
	if is := sum(t, path); !s.Aside && is != was {
		t.Errorf("what stood there was changed: %s, now %s", was, is)
	}
	activate(t, s, next, k)
	activate(t, s, first, k)
}

func activate(t *testing.T, s Subject, key dkim.SigningKey, all []*dkim.PrivateKey) {
	t.Helper()
	if err := s.Signer.Activate(t.Context(), []dkim.SigningKey{key}); err != nil {
		t.Fatal(err)
	}
	if is, err := s.Signer.Active(t.Context(), []string{key.Domain}); err != nil || is[key.Domain] != key.Ref() {
		t.Fatalf("active: %v, %v", is, err)
	}
	if s.SignsWith == nil {
		return
	}
	if is := s.SignsWith(t, key.Domain, all...); is != key.Ref() {
		t.Fatalf("it signs with %v", is)
	}
}

func list(t *testing.T, dir string) (out []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		out = append(out, filepath.Join(dir, e.Name()))
	}
	return out
}

func sums(t *testing.T, dir string) (out []string) {
	for _, path := range list(t, dir) {
		out = append(out, sum(t, path))
	}
	return out
}

// sum says what stands at a path, whatever it is called.
func sum(t *testing.T, path string) string {
	t.Helper()
	info, err := os.Lstat(path)
	must(t, err)
	st := info.Sys().(*syscall.Stat_t)
	out := info.Mode().String() + " " + info.ModTime().String() + " " + string(rune('0'+st.Uid%10))
	if info.Mode()&fs.ModeSymlink != 0 {
		to, _ := os.Readlink(path)
		out += " " + to
	} else if info.Mode().IsRegular() && info.Size() < 1<<20 {
		text, err := os.ReadFile(path)
		must(t, err)
		out += " " + string(text)
	}
	return out
}

func write(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), 0o600))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
