package opendkim

import (
	"os"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest/overruled"
)

// TestLostTables guards I1: the daemon signs with tables that it has read, although they, or lines of ours, are gone. That
// is found before its next start, and the next activation writes them again; a daemon that is down and can't start
// without them counts as one that does not sign.
func TestLostTables(t *testing.T) {
	d := signertest.StartOpenDKIM(t)
	s := newSigner(t, d, nil)
	a := signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])
	says := func(want string) {
		t.Helper()
		wantActive(t, s, a)
		found := s.Unkept(t.Context(), map[string]dkim.Ref{"a.example": a.Ref(), "b.example": {}})
		if len(found) > 1 || !strings.Contains(found["a.example"], want) || want == "" && len(found) > 0 {
			t.Errorf("it says %q, want %q", found, want)
		}
	}
	activate(t, s, a)
	says("")
	for _, lost := range []struct {
		tables []string
		change func(path string) error
		says   string
	}{
		{[]string{d.SigningTable, d.KeyTable}, os.Remove, "does not start again without it"},
		{[]string{d.KeyTable}, os.Remove, "does not start again without it"},
		{[]string{d.SigningTable}, func(path string) error { return os.Truncate(path, 0) }, "no more after its next start"},
	} {
		for _, table := range lost.tables {
			if err := lost.change(table); err != nil {
				t.Fatal(err)
			}
		}
		says(lost.says)
		if len(lost.tables) == 1 && lost.tables[0] == d.KeyTable { // a path may be wrong: it is made by hand, as the hint says
			signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{a}), "missing-table", "install -m 644")
			write(t, d.KeyTable, "")
		}
		activate(t, s, a)
		says("")
	}

	d.Stop(t)
	if _, err := s.Active(t.Context(), []string{"a.example"}); err == nil {
		t.Error("nothing is said of a daemon that does not run")
	}
	if err := os.Remove(d.SigningTable); err != nil {
		t.Fatal(err)
	}
	active, err := s.Active(t.Context(), []string{"a.example"})
	if err != nil || active["a.example"] != (dkim.Ref{}) {
		t.Errorf("it could not start: %v, %v", active, err)
	}
}

// TestChangedTables guards I1: the daemon signs with what it has read, and the tables lead to another key, by lines of
// others or older ones of ours. That is found before its next start, and the next activation has ours count again.
func TestChangedTables(t *testing.T) {
	k := signertest.Keys(t, 3)
	old, a := signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1])
	for _, kind := range []string{"refile:", "file:"} {
		d := signertest.StartOpenDKIM(t)
		write(t, d.Conf, strings.Replace(read(t, d.Conf), "refile:", kind, 1))
		d.Restart(t)
		s := newSigner(t, d, func(c *Config) { c.SigningTable = kind + d.SigningTable })
		own := overruled.OwnKey(t, d.KeyDir, signertest.At("a.example", "own", k[2]))
		activate(t, s, old)
		before := []string{read(t, d.SigningTable), read(t, d.KeyTable)}
		activate(t, s, a)
		file, theirs := s.keyPath(a.Ref()), s.pattern("a.example")+" own\n"
		for name, c := range map[string]struct{ sign, keys, says string }{
			"lines of others": {theirs, "own a.example:own:" + own + "\n", "line 1 of " + d.SigningTable + " gives selector own to a.example"},
			"another key":     {theirs, "own a.example:s2:" + own + "\n", "gives another key of selector s2"},
			"older ones":      {before[0], before[1], "line 2 of " + d.SigningTable + " gives selector s1"},
			"one above ours": {theirs + read(t, d.SigningTable), "own a.example:own:" + own + "\n" + read(t, d.KeyTable),
				"gives selector own"},
			"the same key":   {theirs, "own a.example:s2:" + file + "\n", ""},
			"of another one": {theirs, "own other.example:own:" + own + "\n", "name no key for a.example"},
		} {
			write(t, d.SigningTable, c.sign)
			write(t, d.KeyTable, c.keys)
			wantActive(t, s, a)
			says := s.Unkept(t.Context(), map[string]dkim.Ref{"a.example": a.Ref()})["a.example"]
			if !strings.Contains(says, c.says) || (says == "") != (c.says == "") {
				t.Errorf("%s, %s: it says %q, want %q", kind, name, says, c.says)
			}
			activate(t, s, a)
			if says := s.Unkept(t.Context(), map[string]dkim.Ref{"a.example": a.Ref()}); len(says) > 0 {
				t.Errorf("%s, %s: activated again, it says %q", kind, name, says)
			}
			d.Restart(t)
			if got := d.SignsWith(t, "a.example", k...); got != a.Ref() {
				t.Errorf("%s, %s: started again, it signs with %+v", kind, name, got)
			}
			s = newSigner(t, d, func(c *Config) { c.SigningTable = kind + d.SigningTable })
		}
		write(t, d.SigningTable, "postmaster@a.example own\n"+read(t, d.SigningTable))
		if kind == "file:" { // no line of ours is found before that one
			if says := s.Unkept(t.Context(), map[string]dkim.Ref{"a.example": a.Ref()}); len(says) > 0 {
				t.Errorf("%s: it says that lines are written again, and they don't count: %q", kind, says)
			}
		}
	}
}
