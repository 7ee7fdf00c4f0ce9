package file_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/dkimbot/dkimbot/keystore"
	"github.com/dkimbot/dkimbot/keystore/file"
	"github.com/dkimbot/dkimbot/keystore/keystoretest"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
)

var name = dkim.Name{Domain: "example.com", Selector: "s1"}

func TestConformance(t *testing.T) {
	keystoretest.Run(t, func(t *testing.T) func() keystore.Keystore {
		dir := filepath.Join(t.TempDir(), "keys")
		return func() keystore.Keystore { return open(t, dir) }
	})
}

// I11: reading, also where there is nothing, makes no file and no directory.
func TestReadOnlyCreatesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	r, err := file.OpenReadOnly(dir, unused)
	if err != nil {
		t.Fatal(err)
	}
	if key, v, err := r.Get(t.Context(), name, 0); key != nil || v != 0 || err != nil {
		t.Errorf("Get in a directory that does not exist = %v, %d, %v", key, v, err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("reading made %s: %v", dir, err)
	}
	if _, ok := any(r).(interface{ Destroy() }); ok {
		t.Error("the reader can destroy")
	}
	key := put(t, open(t, dir), 0)
	before := tree(t, dir)
	if got, _, err := r.Get(t.Context(), name, 0); err != nil || got.ID() != key.ID() {
		t.Errorf("Get = %v, %v", got, err)
	}
	r.Get(t.Context(), dkim.Name{Domain: "example.net", Selector: "s1"}, 0)
	if after := tree(t, dir); after != before {
		t.Errorf("reading changed the directory:\n%s\nto\n%s", before, after)
	}
}

// TestMissingDirectory: the directory is made for the first key. One that is missing although keys should
// be in it is not mounted, or the path is wrong: it is no empty keystore, and no key is made in its place (I4, I12).
func TestMissingDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mnt", "keys")
	used := func() (bool, error) { return true, nil }
	_, err := file.Open(dir, used)
	wantFault(t, err, fault.Refused, codes.KeystoreMissing, "mount "+dir)
	_, err = file.OpenReadOnly(dir, used)
	wantFault(t, err, fault.Refused, codes.KeystoreMissing, "mount "+dir)
	unknown := errors.New("the state can't be read")
	if _, err := file.Open(dir, func() (bool, error) { return false, unknown }); !errors.Is(err, unknown) {
		t.Errorf("with a state that can't be read: %v", err)
	}

	s, err := file.Open(dir, unused)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("opening made %s: %v", dir, err)
	}
	if key, v, err := s.Get(t.Context(), name, 0); key != nil || v != 0 || err != nil {
		t.Errorf("Get before the first key = %v, %d, %v", key, v, err)
	}
	put(t, s, 0)
	if err := os.Rename(dir, dir+".off"); err != nil {
		t.Fatal(err)
	}
	key, _ := dkim.Generate(dkim.Ed25519)
	for _, n := range []dkim.Name{name, {Domain: "example.net", Selector: "s1"}} {
		_, _, err = s.Get(t.Context(), n, 0)
		wantFault(t, err, fault.Refused, codes.KeystoreMissing, "mount "+dir)
		_, err = s.Put(t.Context(), n, key, 0)
		wantFault(t, err, fault.Refused, codes.KeystoreMissing, "mount "+dir)
		wantFault(t, s.Destroy(t.Context(), n, 1), fault.Refused, codes.KeystoreMissing, "mount "+dir)
	}
	if err := os.Rename(dir+".off", dir); err != nil {
		t.Fatal(err)
	}
	if got, _, err := s.Get(t.Context(), name, 0); got == nil || err != nil {
		t.Errorf("Get after it came back = %v, %v", got, err)
	}
}

func TestLayoutAndModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	s := open(t, dir)
	put(t, s, 0)
	put(t, s, 1)
	if err := s.Destroy(t.Context(), name, 1); err != nil {
		t.Fatal(err)
	}
	want := `-rw------- example.com/s1/1.pem
-rw------- example.com/s1/2.pem
drwx------ .
drwx------ example.com
drwx------ example.com/s1`
	if got := tree(t, dir); got != want {
		t.Errorf("directory holds\n%s\nwant\n%s", got, want)
	}
	destroyed, err := os.ReadFile(filepath.Join(dir, "example.com/s1/1.pem"))
	if err != nil || strings.Contains(string(destroyed), "BEGIN") {
		t.Errorf("the destroyed version's file still holds a key, or: %v", err)
	}
}

// The files can be used without dkimbot.
func TestOpenSSLReadsEntry(t *testing.T) {
	dir := t.TempDir()
	os.Chmod(dir, 0o700)
	put(t, open(t, dir), 0)
	out, err := exec.Command("openssl", "pkey", "-noout", "-check", "-in",
		filepath.Join(dir, "example.com/s1/1.pem")).CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		t.Fatal("openssl is missing; install the package openssl")
	}
	if err != nil {
		t.Errorf("openssl: %v\n%s", err, out)
	}
}

// I6: files that dkimbot did not write are left alone, and refused where a key belongs.
func TestForeignFiles(t *testing.T) {
	genuine, err := dkim.Generate(dkim.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	for title, test := range map[string]struct {
		file, content string
		code          codes.Code
		kind          fault.Kind
	}{
		"readme":         {"README", "hello", "", 0},
		"backup":         {"1.pem.bak", "hello", "", 0},
		"not a number":   {"x.pem", "hello", "", 0},
		"padded number":  {"01.pem", "hello", "", 0},
		"zero":           {"0.pem", "hello", "", 0},
		"somebody's key": {"2.pem", string(genuine.PEM()), codes.ForeignSecret, fault.Refused},
		"text":           {"2.pem", "hello", codes.ForeignSecret, fault.Refused},
		"empty":          {"2.pem", "", codes.ForeignSecret, fault.Refused},
		"key of another name": {"2.pem", "# dkimbot private key: s2._domainkey.example.com version 2 id " + genuine.ID() +
			"\n" + string(genuine.PEM()), codes.ForeignSecret, fault.Refused},
		"of another version": {"2.pem", "# dkimbot private key: s1._domainkey.example.com version 1 id " + genuine.ID() +
			"\n" + string(genuine.PEM()), codes.ForeignSecret, fault.Refused},
		"id of another key": {"2.pem", "# dkimbot private key: s1._domainkey.example.com version 2 id 00\n" +
			string(genuine.PEM()), codes.DamagedKey, fault.Permanent},
		"ours, but no key in it": {"2.pem", "# dkimbot private key: s1._domainkey.example.com version 2 id 00\n",
			codes.DamagedKey, fault.Permanent},
	} {
		t.Run(title, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "keys")
			s := open(t, dir)
			first := put(t, s, 0)
			path := filepath.Join(dir, "example.com/s1", test.file)
			if err := os.WriteFile(path, []byte(test.content), 0o600); err != nil {
				t.Fatal(err)
			}
			key, _, err := s.Get(t.Context(), name, 0)
			if test.code == "" {
				if err != nil || key.ID() != first.ID() {
					t.Errorf("Get = %v, %v; want the first key", key, err)
				}
				put(t, s, 1)
			} else {
				wantFault(t, err, test.kind, test.code, "")
				_, err = s.Put(t.Context(), name, genuine, 2)
				wantFault(t, err, test.kind, test.code, "")
				if test.kind == fault.Refused {
					wantFault(t, s.Destroy(t.Context(), name, 2), test.kind, test.code, "")
				}
			}
			if got, err := os.ReadFile(path); err != nil || test.kind == fault.Refused && string(got) != test.content {
				t.Errorf("the file now holds %q, %v", got, err)
			}
		})
	}
}

func TestUnsafePermissions(t *testing.T) {
	for path, mode := range map[string]fs.FileMode{
		".":                    0o755,
		"example.com":          0o777,
		"example.com/s1":       0o750,
		"example.com/s1/1.pem": 0o644,
	} {
		t.Run(path, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "keys")
			s := open(t, dir)
			key := put(t, s, 0)
			if err := os.Chmod(filepath.Join(dir, path), mode); err != nil {
				t.Fatal(err)
			}
			hint := "chmod -R go= " + dir
			_, _, err := s.Get(t.Context(), name, 0)
			wantFault(t, err, fault.Permanent, "", hint)
			if want := filepath.Join(dir, path) + fmt.Sprintf(" has mode %04o", mode); !strings.Contains(err.Error(), want) ||
				strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q does not say %q, or says more", err, want)
			}
			_, err = s.Put(t.Context(), name, key, 1)
			wantFault(t, err, fault.Permanent, "", hint)
			if path == "." {
				_, err = file.Open(dir, unused)
				wantFault(t, err, fault.Permanent, "", hint)
				_, err = file.OpenReadOnly(dir, unused)
				wantFault(t, err, fault.Permanent, "", hint)
			}
			// The hint cures it.
			if out, err := exec.Command("sh", "-c", hint).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v %s", hint, err, out)
			}
			if got, _, err := s.Get(t.Context(), name, 0); err != nil || got.ID() != key.ID() {
				t.Errorf("after %s: %v, %v", hint, got, err)
			}
		})
	}
}

// A symbolic link can't lead the keystore out of its directory.
func TestSymlinkOut(t *testing.T) {
	dir, outside := filepath.Join(t.TempDir(), "keys"), t.TempDir()
	s := open(t, dir)
	os.Chmod(outside, 0o700)
	if err := os.Symlink(outside, filepath.Join(dir, "example.com")); err != nil {
		t.Fatal(err)
	}
	key, _ := dkim.Generate(dkim.Ed25519)
	if _, err := s.Put(t.Context(), name, key, 0); err == nil {
		t.Error("Put followed a link out of the key directory")
	}
	if got := tree(t, outside); got != "drwx------ ." {
		t.Errorf("outside now holds\n%s", got)
	}
}

func TestNotADirectory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := file.Open(path, unused)
	wantFault(t, err, fault.Permanent, "", "keystore.path")
	_, err = file.OpenReadOnly(path, unused)
	wantFault(t, err, fault.Permanent, "", "keystore.path")

	dir := filepath.Join(t.TempDir(), "keys")
	s := open(t, dir)
	if err := os.WriteFile(filepath.Join(dir, "example.com"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	key, _ := dkim.Generate(dkim.Ed25519)
	_, err = s.Put(t.Context(), name, key, 0)
	wantFault(t, err, fault.Permanent, "", "a file stands")
	_, _, err = s.Get(t.Context(), name, 0)
	wantFault(t, err, fault.Permanent, "", "a file stands")
}

// I7: what a killed process leaves behind is purged by the next write, and
// what a living one is writing is left to it.
func TestLeftTemporaryFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	s := open(t, dir)
	put(t, s, 0)
	sel := filepath.Join(dir, "example.com/s1")
	for _, left := range []string{".new-LEFT", ".new-WRITING"} {
		if err := os.WriteFile(filepath.Join(sel, left), []byte("part of a key"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	writing, err := os.Open(filepath.Join(sel, ".new-WRITING"))
	if err != nil {
		t.Fatal(err)
	}
	defer writing.Close()
	if err := syscall.Flock(int(writing.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if _, v, err := s.Get(t.Context(), name, 0); v != 1 || err != nil {
		t.Fatalf("Get = version %d, %v", v, err)
	}
	put(t, s, 1)
	wantFiles(t, sel, ".new-WRITING", "1.pem", "2.pem")
	// Killed between the link and the removal: a second name of version 1.
	if err := os.Link(filepath.Join(sel, "1.pem"), filepath.Join(sel, ".new-LINK")); err != nil {
		t.Fatal(err)
	}
	if err := s.Destroy(t.Context(), name, 1); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, sel, ".new-WRITING", "1.pem", "2.pem")
}

// unused says that the state knows no keys.
func unused() (bool, error) { return false, nil }

// open opens the keystore, of a directory that is there.
func open(t testing.TB, dir string) *file.Store {
	t.Helper()
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		t.Fatal(err)
	}
	s, err := file.Open(dir, unused)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t testing.TB, s *file.Store, after int) *dkim.PrivateKey {
	t.Helper()
	key, err := dkim.Generate(dkim.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := s.Put(t.Context(), name, key, after); v != after+1 || err != nil {
		t.Fatalf("Put after %d = %d, %v", after, v, err)
	}
	return key
}

// tree lists modes and paths, sorted.
func tree(t testing.TB, dir string) string {
	t.Helper()
	out, err := exec.Command("sh", "-c", `cd "$1" && find . -printf '%M %P\n' | sed 's/ $/ ./' | LC_ALL=C sort`,
		"sh", dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func wantFiles(t testing.TB, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("directory holds %v, want %v", got, want)
	}
}

func wantFault(t testing.TB, err error, kind fault.Kind, code codes.Code, hint string) {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) {
		t.Fatalf("error %v is no fault", err)
	}
	faulttest.Shown(t, err)
	if f.Kind != kind || f.Code != code || !strings.Contains(f.Hint, hint) || f.Hint == "" {
		t.Errorf("fault %q: kind %d code %q hint %q, want kind %d code %q hint with %q", err, f.Kind, f.Code, f.Hint,
			kind, code, hint)
	}
	if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, f), "PRIVATE KEY") {
		t.Errorf("the error shows a key: %v", err)
	}
}
