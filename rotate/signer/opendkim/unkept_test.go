package opendkim

import (
	"os"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
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
		found := s.Unkept(t.Context(), []string{"a.example", "b.example"})
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
