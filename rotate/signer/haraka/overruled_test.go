package haraka

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest/overruled"
)

// behind writes somebody's members for a key at the end of smtp.json.
func behind(t *testing.T, path string, k dkim.SigningKey) {
	t.Helper()
	lines, err := json.Marshal(strings.Split(strings.TrimSpace(string(k.Key.PEM())), "\n"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.TrimSuffix(strings.TrimSpace(read(t, path)), "}")
	text += `, "` + override(k.Domain, selector) + `": ["` + k.Selector + `"],` + "\n" +
		`"` + override(k.Domain, private) + `": ` + string(lines) + "\n}\n"
	next := path + ".next"
	write(t, next, text)
	if info, err := os.Stat(path); err != nil || os.Chmod(next, info.Mode()) != nil || os.Rename(next, path) != nil {
		t.Fatal(err)
	}
}

// TestOverruled guards I1 and I6 with the real Haraka, which takes the last of two members of one name.
func TestOverruled(t *testing.T) {
	h := signertest.NewHaraka(t)
	h.Start(t)
	overruled.Run(t, overruled.Subject{Signer: newSigner(t, h.Config), SignsWith: h.SignsWith,
		Overrule: func(t *testing.T, k dkim.SigningKey) { behind(t, filepath.Join(h.Config, "smtp.json"), k) }})
}

// TestTwice guards I5 and I6: members of others behind dkimbot's own are not taken for its own: they stay, and the key
// that dkimbot wrote before goes.
func TestTwice(t *testing.T) {
	s, k := idle(t), signertest.Keys(t, 3)
	one, two, theirs := signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1]),
		signertest.At("a.example", "own", k[2])
	activate(t, s, one)
	behind(t, s.path(), theirs)
	activate(t, s, two)
	if got, err := s.Active(t.Context(), []string{"a.example"}); err != nil || got["a.example"] != two.Ref() {
		t.Errorf("Active: %v, %v", got, err)
	}
	o, err := s.look()
	if err != nil {
		t.Fatal(err)
	}
	var kept []string
	for _, m := range o.foreign {
		kept = append(kept, m.key)
	}
	if len(kept) != 2 || !strings.Contains(read(t, s.path()), `"own"`) {
		t.Errorf("the members of others are %v", kept)
	}
	line := bytes.Split(one.Key.PEM(), []byte("\n"))[3]
	if strings.Contains(read(t, s.path()), string(line)) {
		t.Error("the key before is still there")
	}
}
