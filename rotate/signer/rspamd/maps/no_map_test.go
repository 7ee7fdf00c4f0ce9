package maps

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// TestNoMap guards I6: a file that is none of rspamd's maps is refused, and stays as it is; lines that rspamd takes for a
// map are none of that.
func TestNoMap(t *testing.T) {
	for name, c := range map[string]struct {
		text    string
		refused bool
	}{
		"nothing":                 {"", false},
		"a map":                   {"# by hand\nA.example   mail # mine\n\"b.example\" mail\n*.c.example s1\nd.example\n", false},
		"rspamd's configuration":  {"# local.d/dkim_signing.conf\nselector = \"mail\";\n", true},
		"a section of it":         {"domain {\n", true},
		"its end":                 {"}\n", true},
		"a zone file":             {"$ORIGIN a.test.\n@ SOA ns hm 1 60 60 60 2\n", true},
		"dkimbot's configuration": {"state: {driver: sqlite, path: state.db}\n", true},
		"JSON":                    {"{\"a.example\": \"mail\"}\n", true},
	} {
		path := filepath.Join(t.TempDir(), "map")
		write(t, path, c.text)
		if err := isMap(path, []byte(c.text)); (err != nil) != c.refused {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, s := start(t, nil)
	zone := "$ORIGIN a.test.\n"
	write(t, s.cfg.SelectorMap, zone)
	key := signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])
	err := s.Activate(t.Context(), []dkim.SigningKey{key})
	signertest.WantCode(t, err, "no-map", "line 1")
	faulttest.Shown(t, err)
	if _, screened := s.Screen(t.Context(), []dkim.SigningKey{key}); screened == nil {
		t.Error("that is not foreseen")
	}
	if text, err := os.ReadFile(s.cfg.SelectorMap); err != nil || string(text) != zone {
		t.Errorf("the file holds %q, %v", text, err)
	}
}
