package opendkim

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/safefile"
	"github.com/dkimbot/dkimbot/rotate/signer/block"
	"github.com/dkimbot/dkimbot/rotate/signer/milter"
	"github.com/dkimbot/dkimbot/rotate/signer/opendkim/flatfile"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// undisturbed returns an adapter without a daemon, in a directory of its own.
func undisturbed(t *testing.T, edit func(*Config)) *Signer {
	t.Helper()
	dir := t.TempDir()
	cfg := Config{Name: "mx1", KeyDir: filepath.Join(dir, "keys"), KeyTable: filepath.Join(dir, "key.table"),
		SigningTable: filepath.Join(dir, "signing.table"), Reload: []string{"true"}, AllowUnsafeKeys: true}
	if err := os.Mkdir(cfg.KeyDir, 0o700); err != nil {
		t.Fatal(err)
	}
	if edit != nil {
		edit(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestConfigFaults: what is only seen to be wrong when a key is there.
func TestConfigFaults(t *testing.T) {
	key := signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])
	long := undisturbed(t, func(c *Config) { c.KeyDir = "/" + strings.Repeat("k", flatfile.MaxLine-50) })
	faulttest.Shown(t, long.checkKey(key))
	bad := newBatch(long, []dkim.SigningKey{{Name: dkim.Name{Domain: "A.example", Selector: "s1"}}})
	faulttest.Shown(t, bad.Failed["A.example"])
	for _, edit := range []func(*Config){
		func(c *Config) { c.Owner = "no-such-user" },
		func(c *Config) { c.Group = "no-such-group" },
	} {
		_, err := undisturbed(t, edit).store.Open()
		faulttest.Shown(t, err)
	}
}

// TestFileFault: the errors of file systems that the other tests don't have.
func TestFileFault(t *testing.T) {
	s := undisturbed(t, nil)
	for _, err := range []error{syscall.EACCES, syscall.EBUSY, syscall.EIO} {
		faulttest.Shown(t, s.fileFault("write table /etc/opendkim/key.table",
			&fs.PathError{Op: "open", Path: "/etc/opendkim/key.table.new", Err: err}))
	}
	faulttest.Shown(t, block.Damaged("/etc/opendkim/key.table", errors.New("the block of dkimbot does not end")))
}

// TestInterrupted: each step that is ended says which it was.
func TestInterrupted(t *testing.T) {
	s := undisturbed(t, nil)
	key := signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])
	held, err := s.openTables(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer held.close()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("the time is up"))
	_, err = s.openTables(ctx)
	faulttest.Shown(t, err)
	faulttest.Shown(t, s.store.LockFault(ctx, held.key, ctx.Err()))
	_, err = s.keyID(ctx, "/k")
	faulttest.Shown(t, err)
	b := newBatch(s, []dkim.SigningKey{key})
	faulttest.Shown(t, b.settle(ctx, map[string]milter.Finding{"a.example": {}}))
	faulttest.Shown(t, b.writeKeys(ctx))
}

// TestReadAgain: what another program did to the files meanwhile is seen (I10).
func TestReadAgain(t *testing.T) {
	s := undisturbed(t, nil)
	key := signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])
	check := func(tables ...string) {
		t.Helper()
		for i, path := range []string{s.keyTable, s.signTable} {
			if err := os.WriteFile(path, []byte(tables[i]), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		b := newBatch(s, []dkim.SigningKey{key})
		b.checkFiles()
		faulttest.Shown(t, b.Failed["a.example"])
	}
	check("", "")
	check("s1._domainkey.a.example a.example:s1:/nowhere/s1.pem\n", "*@a.example s1._domainkey.a.example\n")
}

// TestBrokenNote: a note of a change under way that can't be read.
func TestBrokenNote(t *testing.T) {
	s := undisturbed(t, nil)
	if err := os.WriteFile(s.pendingPath(), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	b, err := begin(t.Context(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	faulttest.Shown(t, b.readTables())
}

// TestForeignKeyFile: a file that holds another key is not removed (I6).
func TestForeignKeyFile(t *testing.T) {
	s := undisturbed(t, nil)
	k := signertest.Keys(t, 2)
	ref := signertest.At("a.example", "s1", k[0]).Ref()
	if err := os.Mkdir(filepath.Dir(s.keyPath(ref)), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.keyPath(ref), k[1].PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := safefile.OpenDir(s.cfg.KeyDir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := s.store.Remove(root, ref); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(s.keyPath(ref)); err != nil {
		t.Error(err)
	}
}

// TestUnreadableKey: where a key that may have signed can't be read, nobody says which one signs.
func TestUnreadableKey(t *testing.T) {
	s := undisturbed(t, nil)
	at := filepath.Join(t.TempDir(), "no-directory", "a.private")
	write(t, filepath.Dir(at), "")
	k := keyring{signer: s, named: map[string][]string{"a.example s1": {at}}}
	_, err := k.identify(milter.Answer{Domain: "a.example", Signatures: []string{"v=1; d=a.example; s=s1"}})
	faulttest.Shown(t, err)
}
