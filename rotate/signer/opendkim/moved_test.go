package opendkim

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/block"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest/moved"
)

// TestMovedTables: where the paths of the tables are changed in dkimbot's configuration only, OpenDKIM signs on by the
// old ones. Without a milter socket nothing else says so: no key is switched there, and none that they name is removed.
func TestMovedTables(t *testing.T) {
	keys := signertest.Keys(t, 2)
	one, two := signertest.At("a.example", "s1", keys[0]), signertest.At("a.example", "s2", keys[1])
	for name, edit := range map[string]func(c *Config, dir string){
		"both":          func(c *Config, dir string) { c.KeyTable, c.SigningTable = dir+"/key.table", dir+"/signing.table" },
		"signing table": func(c *Config, dir string) { c.SigningTable = dir + "/signing.table" },
	} {
		t.Run(name, func(t *testing.T) {
			d := signertest.StartOpenDKIM(t)
			activate(t, newSigner(t, d, withoutMilter), one)
			dir := filepath.Join(d.Dir, "moved")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			write(t, dir+"/signing.table", "")
			write(t, dir+"/key.table", "")
			s := newSigner(t, d, func(c *Config) { c.Milter = ""; edit(c, dir) })
			moved.Refused(t, s, one, two, "OpenDKIM may still read", d.SigningTable, dir+"/signing.table",
				"put the path back")
			wantSelectors(t, d, "a.example", "s1")

			// The hint: opendkim.conf names the new tables, and the blocks go from the old ones.
			for _, table := range []string{d.KeyTable, d.SigningTable} {
				if table != s.keyTable && table != s.signTable {
					write(t, table, "# nothing\n")
				}
			}
			activate(t, s, two)
			wantActive(t, s, two)
			if text := read(t, s.signTable); block.Owner([]byte(text)) != "mx1" {
				t.Errorf("the new table holds\n%s", text)
			}
		})
	}
}

// TestMovedTablesWithProof: a daemon that is asked says itself which tables it reads; so a move needs no more there.
func TestMovedTablesWithProof(t *testing.T) {
	keys := signertest.Keys(t, 2)
	d := signertest.StartOpenDKIM(t)
	activate(t, newSigner(t, d, nil), signertest.At("a.example", "s1", keys[0]))
	dir := filepath.Join(d.Dir, "moved")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	moveTables(t, d, dir)
	activate(t, newSigner(t, d, nil), signertest.At("a.example", "s2", keys[1]))
	wantSelectors(t, d, "a.example", "s2")
}

// TestMovedByLink: the same table under another name is no other table; and a note that the daemon's user has put into
// the key directory, with which that user could keep a signer from its next key, does not count.
func TestMovedByLink(t *testing.T) {
	needRoot(t)
	keys := signertest.Keys(t, 3)
	d := signertest.StartOpenDKIM(t)
	activate(t, newSigner(t, d, withoutMilter), signertest.At("a.example", "s1", keys[0]))
	link := filepath.Join(d.Dir, "link")
	if err := os.Symlink(filepath.Dir(d.KeyTable), link); err != nil {
		t.Fatal(err)
	}
	activate(t, newSigner(t, d, func(c *Config) {
		c.Milter, c.KeyTable = "", filepath.Join(link, filepath.Base(d.KeyTable))
		c.SigningTable = filepath.Join(link, filepath.Base(d.SigningTable))
	}), signertest.At("a.example", "s2", keys[1]))
	wantSelectors(t, d, "a.example", "s2")

	planted := filepath.Join(d.Dir, "planted")
	write(t, planted, flat.FirstLine("mx1")+"x y\n"+block.End+"\n")
	note := filepath.Join(d.KeyDir, ".dkimbot-tables")
	if err := os.Remove(note); err != nil {
		t.Fatal(err)
	}
	write(t, note, `{"format_version":1,"signer":"mx1","program":"OpenDKIM","tables":["`+planted+`"]}`)
	s := newSigner(t, d, withoutMilter)
	three := signertest.At("a.example", "s1", keys[2])
	signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{three}), "moved-table")
	user := daemonUser(t)
	chown(t, note, user.UID, user.GID)
	activate(t, s, three)
	wantSelectors(t, d, "a.example", "s1")
}

// TestMovedWithKeys guards I1: where the key directory is changed with the tables, dkimbot's state says by which the daemon
// signed. Where it is asked, it says so itself.
func TestMovedWithKeys(t *testing.T) {
	keys := signertest.Keys(t, 2)
	one, two := signertest.At("a.example", "s1", keys[0]), signertest.At("a.example", "s2", keys[1])
	d := signertest.StartOpenDKIM(t)
	before := newSigner(t, d, withoutMilter)
	activate(t, before, one)
	dir := filepath.Join(d.Dir, "moved")
	if err := os.MkdirAll(dir+"/keys", 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, dir+"/signing.table", "")
	write(t, dir+"/key.table", "")
	elsewhere := func(c *Config) {
		c.KeyDir, c.KeyTable, c.SigningTable = dir+"/keys", dir+"/key.table", dir+"/signing.table"
		c.Owner, c.AllowUnsafeKeys = "root", true
	}
	s := newSigner(t, d, func(c *Config) { c.Milter = ""; elsewhere(c) })
	s.SignedBy(before.Tables())
	moved.Refused(t, s, one, two, "may still read", d.KeyTable, d.SigningTable, dir+"/signing.table", "put the path back")
	wantSelectors(t, d, "a.example", "s1")
	asked := newSigner(t, d, elsewhere)
	if asked.SignedBy(before.Tables()); len(asked.Tables()) > 0 || asked.moved() != nil {
		t.Errorf("a daemon that is asked: %v, %v", asked.Tables(), asked.moved())
	}
	write(t, d.KeyTable, "")
	write(t, d.SigningTable, "# nothing\n")
	if err := s.moved(); err != nil {
		t.Errorf("the way that the hint says: %v", err)
	}
}
