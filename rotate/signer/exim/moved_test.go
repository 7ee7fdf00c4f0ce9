package exim

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/block"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest/moved"
)

// TestMovedTable: where the table's path is changed in dkimbot's configuration only, Exim signs on by the old one, and
// needs the key file that it names.
func TestMovedTable(t *testing.T) {
	keys := signertest.Keys(t, 2)
	one, two := signertest.At("a.example", "s1", keys[0]), signertest.At("a.example", "s2", keys[1])
	e := signertest.StartExim(t)
	activate(t, newSigner(t, e, nil), one)
	other := filepath.Join(t.TempDir(), "dkim.table")
	s := newSigner(t, e, func(c *Config) { c.Table = other })
	moved.Refused(t, s, one, two, "Exim may still read", e.Table, other, "put the path back")
	if is := e.SignsWith(t, "a.example", keys...); is != one.Ref() {
		t.Errorf("Exim signs with %v", is)
	}
	activate(t, newSigner(t, e, nil), two) // the path is put back
}

// TestOtherProgram: what signed for the same key directory before, such as OpenDKIM under the same name, may still run.
func TestOtherProgram(t *testing.T) {
	e := signertest.StartExim(t)
	table := filepath.Join(t.TempDir(), "signing.table")
	text := block.Format{Fields: 2}.FirstLine("ex") + "*@a.example s1._domainkey.a.example\n" + block.End + "\n"
	if err := os.WriteFile(table, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	(&keyfiles.Store{Signer: "ex", Program: "OpenDKIM", Path: e.KeyDir}).Remember(table)
	s := newSigner(t, e, nil)
	key := signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])
	signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{key}), "moved-table", "OpenDKIM may still read", table)
	if err := os.WriteFile(table, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	activate(t, s, key)
}
