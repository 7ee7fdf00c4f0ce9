package zonefile

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/libdns/libdns"

	"github.com/dkimbot/dkimbot/providers/zonefile/master"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
)

func setOne(t *testing.T, p *Provider) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	_, err := p.SetRecords(ctx, "example.com", []libdns.Record{libdns.TXT{Name: "x", TTL: time.Hour, Text: "x"}})
	return err
}

// Whoever may write in the directory can neither stop the process with a pipe or device in the
// place of a file, nor make it write elsewhere through a link.
func TestHostileDirectory(t *testing.T) {
	zone := corpusHead
	for name, tc := range map[string]struct {
		plant func(dir, victim string) error
		want  string // "": the change succeeds
	}{
		"pipe as zone file": {func(dir, _ string) error {
			return errors.Join(os.Remove(dir+"/example.com.zone"), syscall.Mkfifo(dir+"/example.com.zone", 0o666))
		}, "not a regular file"},
		"device as zone file": {func(dir, _ string) error {
			return errors.Join(os.Remove(dir+"/example.com.zone"), os.Symlink("/dev/zero", dir+"/example.com.zone"))
		}, "not a regular file"},
		"pipe as included file": {func(dir, _ string) error {
			return errors.Join(syscall.Mkfifo(dir+"/pipe", 0o666),
				os.WriteFile(dir+"/example.com.zone", []byte(zone+"$INCLUDE pipe\n"), 0o600))
		}, "not a regular file"},
		"endless includes": {func(dir, _ string) error {
			return os.WriteFile(dir+"/example.com.zone", []byte(zone+"$INCLUDE example.com.zone\n"), 0o600)
		}, "include each other without end"},
		"too many records": {func(dir, _ string) error {
			return os.WriteFile(dir+"/example.com.zone", []byte(zone+"$GENERATE 1-999999999 h$ A 192.0.2.1\n"), 0o600)
		}, "too many records"},
		"too many records in several steps": {func(dir, _ string) error {
			return os.WriteFile(dir+"/example.com.zone",
				[]byte(zone+"$GENERATE 1-9 h$ A 192.0.2.1\n$GENERATE 1-262144 i$ A 192.0.2.1\n"), 0o600)
		}, "line 6: too many records"},
		"records elsewhere": {func(dir, _ string) error {
			return os.WriteFile(dir+"/example.com.zone", []byte(zone+"$GENERATE 1-9999999 h$.example.net. A 192.0.2.1\n"), 0o600)
		}, "too many records"},
		"too long a record": {func(dir, _ string) error {
			return os.WriteFile(dir+"/example.com.zone",
				[]byte(zone+"$GENERATE 1-1 h TXT "+strings.Repeat("${0,999}", 1<<10)+"\n"), 0o600)
		}, "a record that is too long"},
		"too large": {func(dir, _ string) error { return os.Truncate(dir+"/example.com.zone", master.MaxFile+1) }, "too large"},
		"link as lock": {func(dir, victim string) error {
			return os.Symlink(victim, dir+"/.dkimbot-example.com.lock")
		}, "is a symbolic link, not a regular file"},
		"link to nowhere as lock": {func(dir, victim string) error {
			return os.Symlink(victim+".new", dir+"/.dkimbot-example.com.lock")
		}, "is a symbolic link, not a regular file"},
		"pipe as lock": {func(dir, _ string) error { return syscall.Mkfifo(dir+"/.dkimbot-example.com.lock", 0o666) },
			"not a regular file"},
		"link as note": {func(dir, victim string) error { return os.Symlink(victim, dir+"/"+begunPrefix+"example.com") },
			""},
		"link as note2": {func(dir, victim string) error { return os.Symlink(victim+".new", dir+"/"+begunPrefix+"example.com") }, ""},
		"link as temporary file": {func(dir, victim string) error {
			return os.Symlink(victim, dir+"/.example.com.zone")
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir, victim := t.TempDir(), filepath.Join(t.TempDir(), "victim")
			err := errors.Join(os.WriteFile(dir+"/example.com.zone", []byte(zone), 0o600),
				os.WriteFile(victim, []byte("precious"), 0o640))
			if err := errors.Join(err, tc.plant(dir, victim)); err != nil {
				t.Fatal(err)
			}
			err = setOne(t, &Provider{Dir: dir, Reload: []string{"true"}})
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if err != nil {
				faulttest.Shown(t, err)
			}
			if b, err := os.ReadFile(victim); err != nil || string(b) != "precious" {
				t.Errorf("the file that a link leads to: %q, %v", b, err)
			}
			if left, _ := filepath.Glob(victim + "?*"); len(left) > 0 {
				t.Errorf("made through a link: %v", left)
			}
		})
	}
}

// Only who may write in the directory can hold a lock, also one that an older version made. What is
// there already gets no further right.
func TestLockIsNotForReaders(t *testing.T) {
	for _, old := range []bool{false, true} {
		for mode, want := range map[os.FileMode]os.FileMode{0o755: 0o600, 0o775: 0o660} {
			dir := t.TempDir()
			path := filepath.Join(dir, ".dkimbot-example.com.lock")
			err := errors.Join(os.Chmod(dir, mode), os.WriteFile(dir+"/example.com.zone", []byte(corpusHead), 0o600))
			if old {
				err = errors.Join(err, os.WriteFile(path, nil, 0o644))
			}
			if err := errors.Join(err, setOne(t, &Provider{Dir: dir})); err != nil {
				t.Fatal(err)
			}
			if old {
				want &= 0o644
			}
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
				t.Errorf("directory %v, there before %v: lock %v, want %v", mode, old, info, want)
			}
		}
	}
}

// A file that somebody edits between reading and writing is not replaced.
func TestEditMeanwhile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "example.com.zone")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(corpusHead)
	p, err := placeOf(path)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	was, err := p.read()
	if err != nil {
		t.Fatal(err)
	}
	write(corpusHead + "new TXT x\n")
	err = p.store(corpusHead, was.Info)
	faulttest.Shown(t, ioFault("set records", err))
	if b, _ := os.ReadFile(path); !errors.Is(err, errChanged) || !strings.Contains(string(b), "new TXT") {
		t.Errorf("error %v, file %q", err, b)
	}
}
