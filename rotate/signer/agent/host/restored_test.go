package host_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/agent"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// TestOldNews: what a signer was found drifted with, and the coordinator has asked again for since, is not news when a
// Vault that was restored speaks of it again.
func TestOldNews(t *testing.T) {
	l := newLab(t)
	l.turn()
	old, now := signertest.At(domain, "s1", l.keys[0]), signertest.At(domain, "s2", l.keys[1])
	l.want(old)
	backup := ofHost(l.host).memo
	l.want(now)
	l.table.signs[domain], ofHost(l.host).memo = old.Ref(), backup
	r := l.turn()
	if d := r.Keys[domain].Drifted; d == nil || d.By != r.Instance {
		t.Fatalf("the report says %+v; want what %s found", d, r.Instance)
	}
	wish, report := l.page(agent.WishAt("mx1")), l.page(agent.ReportAt("mx1"))
	l.turns(6)
	l.want(now)
	l.says(domain, now)
	l.board.Put(agent.WishAt("mx1"), wish)
	l.board.Put(agent.ReportAt("mx1"), report)
	if d := l.turn().Keys[domain].Drifted; d != nil {
		t.Errorf("it is news again: %+v", d)
	}
}

// TestVaultRestored: documents that are older than what was taken up change nothing, are no other host's, and the
// coordinator's next wish is taken up, whatever the old one named.
func TestVaultRestored(t *testing.T) {
	l := newLab(t)
	l.turn()
	one, two := signertest.At(domain, "s1", l.keys[0]), signertest.At(domain, "s2", l.keys[1])
	three := signertest.At(domain, "s1", l.keys[2])
	read := func(path string) agent.Page {
		page, err := l.board.Read(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		return page
	}
	for name, between := range map[string][]dkim.SigningKey{"the same key": {two, one}, "another key": {two},
		"many": {two, one, two, three}} {
		l.want(one)
		wish, report := read(agent.WishAt("mx1")), read(agent.ReportAt("mx1"))
		for _, k := range between {
			l.want(k)
			l.turns(3)
		}
		last := between[len(between)-1]
		l.board.Put(agent.WishAt("mx1"), wish)
		l.board.Put(agent.ReportAt("mx1"), report)
		for range 3 {
			r := l.turn()
			if len(r.Others)+len(r.Lost) > 0 || r.Trouble != "" {
				t.Errorf("%s: %+v", name, r)
			}
			l.says(domain, last)
		}
		l.want(last) // as it is already
		l.want(two)
		l.says(domain, two)
	}
}

// TestRestoredVaultAndRebuiltHost guards I1: a host that is built again is not given keys by a wish that is known to be
// older than one that was taken up.
func TestRestoredVaultAndRebuiltHost(t *testing.T) {
	l := newLab(t)
	l.turn()
	b := func(s string, k int) dkim.SigningKey { return signertest.At("b.example", s, l.keys[k]) }
	one, two := signertest.At(domain, "s1", l.keys[0]), signertest.At(domain, "s2", l.keys[1])
	l.want(one, b("s1", 0))
	wish, err := l.board.Read(t.Context(), agent.WishAt("mx1"))
	if err != nil {
		t.Fatal(err)
	}
	l.want(two, b("s2", 1))
	l.board.Put(agent.WishAt("mx1"), wish)
	l.turn()
	build := func(name string) {
		l.host = l.newHost(name)
		l.table = l.host.Signer.(*table)
		l.turns(7)
	}
	build("two")
	if l.table.is(domain) == one.Ref() {
		t.Error("it was given the key of an older wish")
	}
	l.dismiss(named(t, l.refuses(two))...)
	l.want(two, b("s2", 1))
	l.board.Put(agent.WishAt("mx1"), wish)
	three := signertest.At(domain, "s1", l.keys[2])
	l.want(three) // b.example is not asked for, and its old key is not wanted any more
	build("three")
	if l.table.is(domain) != three.Ref() || l.table.is("b.example") != b("s2", 1).Ref() {
		t.Errorf("it signs with %v", l.table.signs)
	}
}

// TestOlderFormats: what an agent and a coordinator of before wrote is read, and is no other host's.
func TestOlderFormats(t *testing.T) {
	l := newLab(t)
	one := signertest.At(domain, "s1", l.keys[0])
	l.ring.put(one)
	id := one.Ref().KeyID
	put := func(path, text string) {
		l.board.Put(path, agent.Page{Text: []byte(text), Version: 7, Written: l.now.Add(-time.Minute)})
	}
	put(agent.WishAt("mx1"), `{"format_version":1,"agent":"mx1","sequence":3,"keys":{"a.example":{"selector":"s1",`+
		`"key_id":"`+id+`","sequence":3,"since":"2026-03-01T11:00:00Z"}}}`)
	put(agent.ReportAt("mx1"), `{"format_version":1,"agent":"mx1","instance":"AB3DEFGH5JKL","host":"host one",`+
		`"version":"0.9","at":"2026-03-01T11:59:00Z","sequence":3,"forgotten":0,"poll_ns":30000000000,"lag_ns":0,`+
		`"keys":{"a.example":{"selector":"s1","key_id":"`+id+`"}}}`)
	l.says(domain, one)
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "agent.json"), []byte(`{"instance":"AB3DEFGH5JKL","sequence":3,"applied":{"a.example":3}}`), 0o600))
	memory := open(t, dir)
	defer memory.Close()
	l.host.Memory = memory
	l.table.signs[domain] = one.Ref()
	for range 3 {
		if r := l.turn(); len(r.Others)+len(r.Lost) > 0 || r.Instance != "AB3DEFGH5JKL" {
			t.Errorf("%+v", r)
		}
	}
	if l.says(domain, one); l.table.activated != 0 {
		t.Error("it was done again")
	}
	l.want(signertest.At(domain, "s2", l.keys[1]))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
