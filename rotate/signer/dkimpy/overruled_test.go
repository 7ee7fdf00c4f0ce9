package dkimpy

import (
	"os"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest/overruled"
)

// TestOverruled guards I1 and I6 with the real daemon, which takes the last line of a pattern.
func TestOverruled(t *testing.T) {
	d := signertest.StartDkimpyMilter(t, true)
	overruled.Run(t, overruled.Subject{Signer: newSigner(t, d, nil), SignsWith: d.SignsWith,
		Overrule: func(t *testing.T, k dkim.SigningKey) {
			overruled.Last(t, d.KeyTable, "own "+k.Domain+":"+k.Selector+":"+overruled.OwnKey(t, d.KeyDir, k))
			overruled.Last(t, d.KeyTableEd25519, "own "+k.Domain+":"+k.Selector+":"+noKey)
			overruled.Last(t, d.SigningTable, "*@"+k.Domain+" own")
			d.Start(t)
		}})
}

// TestLostLine guards I1: the daemon signs with what it has read, although the line of ours is gone. That is found before
// its next start, and the next activation writes it again.
func TestLostLine(t *testing.T) {
	d := signertest.StartDkimpyMilter(t, true)
	s := newSigner(t, d, nil)
	k := signertest.Keys(t, 1)
	a := signertest.At("a.example", "s1", k[0])
	activate(t, s, a)
	before, err := os.ReadFile(d.SigningTable)
	if err != nil {
		t.Fatal(err)
	}
	for _, lost := range []bool{false, true, false} {
		if lost {
			text := strings.ReplaceAll(string(before), "a.example", "other.example")
			if err := os.WriteFile(d.SigningTable, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got := d.SignsWith(t, "a.example", k...); got != a.Ref() {
			t.Errorf("lost %t: signed with %+v", lost, got)
		}
		says := s.Unkept(t.Context(), map[string]dkim.Ref{"a.example": a.Ref(), "b.example": {}})
		if (len(says) == 1 && strings.Contains(says["a.example"], "no more after its next start")) != lost || !lost && len(says) > 0 {
			t.Errorf("lost %t: it says %q", lost, says)
		}
		activate(t, s, a)
	}
}

// TestChangedTables guards I1: the daemon signs with what it has read, and the tables lead to another key, by lines of
// others or older ones of ours, or a KeyTable is gone. That is found before its next start, and the next activation has
// ours count again.
func TestChangedTables(t *testing.T) {
	d := signertest.StartDkimpyMilter(t, true)
	s := newSigner(t, d, nil)
	k := signertest.Keys(t, 3)
	old, a := signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1])
	own := overruled.OwnKey(t, d.KeyDir, signertest.At("a.example", "own", k[2]))
	tables := []string{d.SigningTable, d.KeyTable, d.KeyTableEd25519}
	texts := func() (out [3]string) {
		for i, path := range tables {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			out[i] = string(data)
		}
		return out
	}
	activate(t, s, old)
	before := texts()
	activate(t, s, a)
	now, none := texts(), "own a.example:own:"+noKey+"\n"
	file := s.store.File(a.Ref())
	for name, c := range map[string]struct {
		texts [3]string
		kept  bool
	}{
		"lines of others": {[3]string{"*@a.example own\n", "own a.example:own:" + own + "\n", none}, false},
		"one below ours":  {[3]string{now[0] + "*@a.example own\n", now[1] + "own a.example:own:" + own + "\n", now[2] + none}, false},
		"another key":     {[3]string{"*@a.example own\n", "own a.example:s2:" + own + "\n", none}, false},
		"older ones":      {before, false},
		"no KeyTable":     {[3]string{now[0], "", now[2]}, false},
		"the same key":    {[3]string{"*@a.example own\n", "own a.example:s2:" + file + "\n", none}, true},
	} {
		for i, path := range tables {
			if err := os.WriteFile(path, []byte(c.texts[i]), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got := d.SignsWith(t, "a.example", k...); got != a.Ref() {
			t.Errorf("%s: signed with %+v", name, got)
		}
		says := s.Unkept(t.Context(), map[string]dkim.Ref{"a.example": a.Ref()})["a.example"]
		if (says == "") != c.kept || !c.kept && !strings.Contains(says, "line for *@a.example in "+d.SigningTable) {
			t.Errorf("%s: it says %q", name, says)
		}
		activate(t, s, a)
		if says := s.Unkept(t.Context(), map[string]dkim.Ref{"a.example": a.Ref()}); len(says) > 0 {
			t.Errorf("%s: activated again, it says %q", name, says)
		}
		d.Start(t)
		if got := d.SignsWith(t, "a.example", k...); got != a.Ref() {
			t.Errorf("%s: started again, it signs with %+v", name, got)
		}
	}
}
