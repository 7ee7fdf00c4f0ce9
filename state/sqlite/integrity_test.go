package sqlite

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/state"
)

// TestSoundWhileOpen: a database that is damaged while it is open is found, also where what is open remembers pages.
func TestSoundWhileOpen(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for name, damage := range map[string]struct {
		do   func(t *testing.T, path string, text []byte)
		says string
		code codes.Code
	}{
		"nothing": {do: func(*testing.T, string, []byte) {}},
		"a state": {func(t *testing.T, path string, text []byte) {
			bad := bytes.ReplaceAll(text, []byte(`"phase":"ready"`), []byte(`"phase"?"ready"`))
			if bytes.Equal(bad, text) {
				t.Fatal("no state is in the file")
			}
			rewrite(t, path, bad)
		}, "damaged", codes.DamagedState},
		"pages": {func(t *testing.T, path string, text []byte) {
			rewrite(t, path, append(bytes.Clone(text[:4096]), bytes.Repeat([]byte{0xee}, len(text)-4096)...))
		}, "damaged", codes.DamagedState},
		"all of it": {func(t *testing.T, path string, text []byte) {
			rewrite(t, path, bytes.Repeat([]byte("garbage\n"), len(text)/8))
		}, "damaged", codes.DamagedState},
		"its end": {func(t *testing.T, path string, text []byte) { rewrite(t, path, text[:len(text)/2]) }, "damaged",
			codes.DamagedState},
		"another file": {func(t *testing.T, path string, text []byte) {
			if err := os.WriteFile(path+".new", text, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(path+".new", path); err != nil {
				t.Fatal(err)
			}
		}, "another file took its place", ""},
		"no file": {func(t *testing.T, path string, _ []byte) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}, "find the state database", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "state.db")
			s, err := Open(ctx, path)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			for _, domain := range strings.Fields("a.test b.test c.test") {
				l, err := s.Acquire(ctx, ports.LeaseRequest{Domain: domain, Owner: "o", TTL: time.Hour, Now: time.Now()})
				if err != nil {
					t.Fatal(err)
				}
				st := state.Fresh(domain)
				st.Phase = rotate.Ready
				if _, err := s.Save(ctx, l, time.Now(), st); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := s.writer.db.Exec("PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
				t.Fatal(err)
			}
			if err := s.Intact(ctx); err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			damage.do(t, path, text)
			if err := s.InPlace(); (err != nil) != slices.Contains([]string{"all of it", "another file", "no file"}, name) {
				t.Errorf("at its place: %v", err)
			}
			if away := strings.HasSuffix(name, " file"); away { // I8: leases and states of the two are not mixed
				_, read := s.Load(ctx, "a.test")
				_, taken := s.Acquire(ctx, ports.LeaseRequest{Domain: "d.test", Owner: "o", TTL: time.Hour, Now: time.Now()})
				if read == nil || taken == nil {
					t.Errorf("another file is open: read %v, lease %v", read, taken)
				}
			}
			switch err := s.Intact(ctx); {
			case damage.says == "":
				if err != nil {
					t.Error(err)
				}
			case err == nil || !strings.Contains(err.Error(), damage.says) || fault.CodeOf(err) != damage.code ||
				fault.HintOf(err) == "":
				t.Errorf("%v (%s)", err, fault.CodeOf(err))
			case name == "another file", name == "no file":
				faulttest.Shown(t, err)
			}
		})
	}
}

// rewrite changes what a file holds, and not the file.
func rewrite(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.Truncate(path, int64(len(text))); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(text); err != nil {
		t.Fatal(err)
	}
}
